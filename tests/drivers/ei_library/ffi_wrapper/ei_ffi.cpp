/* The `ei_ffi_*` functions with the signatures of the Rust crate's wrapper, on the stub SDK. */

#include "edge-impulse-sdk/classifier/ei_run_classifier.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void ei_ffi_run_classifier_init(void)
{
    run_classifier_init();
}

EXPORT void ei_ffi_run_classifier_deinit(void)
{
    run_classifier_deinit();
}

static const float *data_begin;
static size_t data_size;

static int read_data(size_t offset, size_t length, float *out)
{
    if (offset + length > data_size) {
        return -1;
    }
    std::memcpy(out, data_begin + offset, length * sizeof(float));
    return 0;
}

EXPORT int ei_ffi_signal_from_buffer(const float *data, size_t size, signal_t *signal)
{
    data_begin = data;
    data_size = size;
    signal->total_length = size;
    signal->get_data = &read_data;
    return 0;
}

EXPORT int ei_ffi_run_classifier(signal_t *signal, ei_impulse_result_t *result, int debug)
{
    return run_classifier(signal, result, debug);
}

EXPORT int ei_ffi_run_classifier_continuous(signal_t *signal, ei_impulse_result_t *result, int debug, int)
{
    return run_classifier_continuous(signal, result, debug);
}

EXPORT int ei_ffi_set_object_detection_threshold(uint32_t, float)
{
    return 0; // as the wrapper: nothing happens
}

EXPORT int ei_ffi_set_anomaly_threshold(uint32_t block, float value)
{
    if (block != 4) {
        return -22;
    }
    stub_scores.threshold = value;
    return 0;
}

#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
EXPORT int ei_ffi_set_object_tracking_threshold(uint32_t, float threshold, uint32_t grace, uint16_t observations)
{
    stub_tracker.keep_grace = grace;
    stub_tracker.max_observations = observations;
    stub_tracker.threshold = threshold;
    return 0;
}

EXPORT uint8_t ei_ffi_object_tracking_trace_at(const ei_impulse_result_t *result, uint32_t index, int *id, uint32_t *x,
                                               uint32_t *y, uint32_t *w, uint32_t *h, float *value)
{
    const auto &output = result->postprocessed_output.object_tracking_output;
    if (index >= output.open_traces_count) {
        return 0;
    }
    const auto &trace = output.open_traces[index];
    *id = trace.id;
    *x = trace.x;
    *y = trace.y;
    *w = trace.width;
    *h = trace.height;
    *value = trace.value;
    return 1;
}
#endif

#if EI_CLASSIFIER_FREEFORM_OUTPUT
EXPORT uint8_t ei_ffi_freeform_outputs_count(void)
{
    return ei_default_impulse.impulse->freeform_outputs_size;
}

EXPORT uint32_t ei_ffi_freeform_output_size(uint8_t index)
{
    return ei_default_impulse.impulse->freeform_outputs[index];
}

EXPORT int ei_ffi_run_classifier_freeform(signal_t *signal, ei_impulse_result_t *result, int debug, float **buffers,
                                          uint32_t count)
{
    std::vector<ei::matrix_t> outputs;
    outputs.reserve(count);
    for (uint32_t k = 0; k < count; k++) {
        outputs.emplace_back(ei_ffi_freeform_output_size(k), 1, buffers[k]);
    }
    const int status = ei_set_freeform_output(outputs.data(), count);
    return status ? status : run_classifier(signal, result, debug);
}
#endif
