/* The entry points of the SDK on a network that is a few lines: what it computes stands in the tests beside it.
 *
 * features[0] of 666, 667 and 668: an error number, an exception, the end of the process.
 */
#ifndef STUB_EI_RUN_CLASSIFIER_H
#define STUB_EI_RUN_CLASSIFIER_H

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "edge-impulse-sdk/classifier/ei_model_types.h"
#if STUB_SDK >= 2024
#include "edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_common.h"
#endif
#include "edge-impulse-sdk/porting/ei_classifier_porting.h"

static int extract_image_features(ei::signal_t *, ei::matrix_t *, void *, const float)
{
    return 0;
}

static EI_IMPULSE_ERROR run_nn_inference(void *)
{
    return EI_IMPULSE_OK;
}

#if EI_CLASSIFIER_HAS_ANOMALY
__attribute__((unused)) static EI_IMPULSE_ERROR run_gmm_anomaly(void *)
{
    return EI_IMPULSE_OK;
}
#endif

#include "model-parameters/model_variables.h"
#include "tflite-model/tflite_learn.h"

namespace {

const size_t stub_labels = EI_CLASSIFIER_LABEL_COUNT;
int stub_initialised = 0;
int stub_slices = 0;
int stub_traces = 0;
float stub_features[EI_CLASSIFIER_DSP_INPUT_FRAME_SIZE];
std::vector<ei_impulse_result_bounding_box_t> stub_boxes;

extern "C" void run_classifier_init(void)
{
    if (stub_initialised++) {
        std::abort(); // the SDK leaks here
    }
    stub_slices = stub_traces = 0;
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
    const ei_impulse_t *impulse = ei_default_impulse.impulse;
    for (size_t k = 0; k < impulse->postprocessing_blocks_size; k++) {
        if (impulse->postprocessing_blocks[k].init_fn) {
            impulse->postprocessing_blocks[k].init_fn(&ei_default_impulse, nullptr, impulse->postprocessing_blocks[k].config);
        }
    }
#endif
}

extern "C" void run_classifier_deinit(void)
{
    if (stub_initialised-- != 1) {
        std::abort(); // the SDK frees twice here
    }
}

#if EI_CLASSIFIER_FREEFORM_OUTPUT
extern "C" EI_IMPULSE_ERROR ei_set_freeform_output(ei::matrix_t *outputs, size_t size)
{
    if (size != ei_default_impulse.impulse->freeform_outputs_size) {
        return EI_IMPULSE_FREEFORM_OUTPUT_SIZE_MISMATCH;
    }
    ei_default_impulse.freeform_outputs = outputs;
    return EI_IMPULSE_OK;
}
#endif

#if EI_CLASSIFIER_OBJECT_DETECTION || EI_CLASSIFIER_HAS_VISUAL_ANOMALY
// Places of an image whose value reaches the threshold, filled up with empty entries as the SDK does.
void stub_find_boxes(float threshold)
{
    stub_boxes.clear();
    for (uint32_t k = 0; k < EI_CLASSIFIER_DSP_INPUT_FRAME_SIZE; k++) {
        const float value = stub_features[k];
        if (value >= threshold) {
            const uint32_t x = k % EI_CLASSIFIER_INPUT_WIDTH * 8, y = k / EI_CLASSIFIER_INPUT_WIDTH * 8;
            const char *label = STUB_BOX_LABEL(k);
            stub_boxes.push_back({label, x, y, 8, 8, value});
        }
    }
    while (stub_boxes.size() < 10) {
        stub_boxes.push_back({"", 0, 0, 0, 0, 0.0f});
    }
}
#endif

EI_IMPULSE_ERROR stub_fill(ei_impulse_result_t *result)
{
#if STUB_CLASSIFICATION_IS_A_POINTER
    static ei_impulse_result_classification_t storage[EI_CLASSIFIER_LABEL_COUNT];
    result->classification = storage;
#endif
    for (size_t k = 0; k < stub_labels && !EI_CLASSIFIER_OBJECT_DETECTION; k++) {
        result->classification[k].label = ei_classifier_inferencing_categories[k];
        result->classification[k].value = tflite_learn(stub_features, k);
    }
#if EI_CLASSIFIER_OBJECT_DETECTION
    stub_find_boxes(STUB_SCORE_THRESHOLD);
    result->bounding_boxes = stub_boxes.data();
    result->bounding_boxes_count = stub_boxes.size();
#endif
#if EI_CLASSIFIER_HAS_VISUAL_ANOMALY
    stub_find_boxes(STUB_SCORE_THRESHOLD);
    result->visual_ad_grid_cells = stub_boxes.data();
    result->visual_ad_count = stub_boxes.size();
    result->visual_ad_result = {0.0f, 0.0f};
    for (float value : stub_features) {
        result->visual_ad_result.mean_value += value / EI_CLASSIFIER_DSP_INPUT_FRAME_SIZE;
        result->visual_ad_result.max_value = value > result->visual_ad_result.max_value ? value : result->visual_ad_result.max_value;
    }
#endif
#if EI_CLASSIFIER_HAS_ANOMALY
    result->anomaly = stub_features[0] - 1.0f;
    result->timing.anomaly_us = 7;
#endif
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
    static std::vector<ei_object_tracking_trace_t> traces;
    traces.clear();
    for (const auto &box : stub_boxes) {
        if (box.value != 0.0f) {
            const int id = ++stub_traces * 100 + (int)stub_tracker.keep_grace;
            traces.push_back({id, box.label, box.x, box.y, box.width, box.height, traces.empty() ? 0.0f : box.value});
        }
    }
    result->postprocessed_output.object_tracking_output.open_traces = traces.data();
    result->postprocessed_output.object_tracking_output.open_traces_count = traces.size();
#endif
#if EI_CLASSIFIER_FREEFORM_OUTPUT
    for (size_t k = 0; k < ei_default_impulse.impulse->freeform_outputs_size; k++) {
        ei::matrix_t &output = ei_default_impulse.freeform_outputs[k];
        for (uint32_t j = 0; j < output.rows * output.cols; j++) {
            output.buffer[j] = stub_features[j] + 10.0f * k;
        }
    }
#endif
    return EI_IMPULSE_OK;
}

EI_IMPULSE_ERROR stub_run(ei::signal_t *signal, ei_impulse_result_t *result, bool debug)
{
    std::memset(static_cast<void *>(result), 0, sizeof(*result));
    const size_t half = signal->total_length / 2; // read in pieces, as DSP blocks do
    if (signal->get_data(0, half, stub_features) || signal->get_data(half, signal->total_length - half, stub_features + half)) {
        return EI_IMPULSE_DSP_ERROR;
    }
    if (signal->get_data(1, signal->total_length, stub_features) == 0) {
        return EI_IMPULSE_INVALID_SIZE; // reading behind the end is to be refused
    }
    if (debug) {
        ei_printf("Features: %d\n", (int)stub_features[0]);
    }
    result->timing.dsp_us = 1500;
    result->timing.dsp = 2;
    result->timing.classification_us = STUB_COUNTS_MICROSECONDS ? 250 : 0;
    result->timing.classification = STUB_COUNTS_MICROSECONDS ? 0 : 3;
    switch ((int)stub_features[0]) {
    case 666:
        return EI_IMPULSE_TFLITE_ERROR;
    case 667:
        throw std::runtime_error("as provoked");
    case 668:
        std::abort();
    }
    return stub_fill(result);
}

extern "C" EI_IMPULSE_ERROR run_classifier(ei::signal_t *signal, ei_impulse_result_t *result, bool debug = false)
{
    return stub_initialised == 1 ? stub_run(signal, result, debug) : EI_IMPULSE_OUT_OF_MEMORY;
}

extern "C" EI_IMPULSE_ERROR run_classifier_continuous(ei::signal_t *signal, ei_impulse_result_t *result,
                                                      bool debug = false, bool = true)
{
    const EI_IMPULSE_ERROR status = run_classifier(signal, result, debug);
    for (size_t k = 0; status == EI_IMPULSE_OK && stub_slices < 3 && k < stub_labels; k++) {
        result->classification[k].value = 0.0f; // the window is not yet full
    }
    stub_slices++;
    return status;
}

} // namespace

#endif
