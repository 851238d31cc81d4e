/* ei_c_api.h for the model of an Edge Impulse C++ library export (C++17). */

#include "ei_c_api.h"
#include "ei_description.hpp"
#include "ei_sdk.hpp"
#include "ei_thresholds.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#if defined(_WIN32)
#define AI_RUNNER_EI_EXPORT extern "C" __declspec(dllexport)
#else
#define AI_RUNNER_EI_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace ai_runner_ei {
namespace {

// -- state of the one model -------------------------------------------------------------------------------------------

struct Entry {
    ai_runner_ei_trace trace;
    const char *text;
};

bool initialised = false;
ei_impulse_result_t result;
std::vector<Entry> entries[3]; // by AI_RUNNER_EI_BOUNDING_BOXES, _VISUAL_ANOMALY_GRID, _OBJECT_TRACKING
std::string description;
// Where the SDK was configured to have classification values behind a pointer, it is for the application to give it.
std::vector<ei_impulse_result_classification_t> classification_storage;
#if EI_CLASSIFIER_FREEFORM_OUTPUT
std::vector<ei::matrix_t> freeform;
#endif

template <class Result> void place_classification(Result &target)
{
    if constexpr (std::is_pointer<decltype(target.classification)>::value) {
        classification_storage.assign(labels_count + 1, ei_impulse_result_classification_t());
        target.classification = classification_storage.data();
    }
}

void forget_results()
{
    std::memset(static_cast<void *>(&result), 0, sizeof(result));
    place_classification(result);
    for (auto &list : entries) {
        list.clear();
    }
}

// -- features ---------------------------------------------------------------------------------------------------------

const float *features_begin = nullptr;
size_t features_count = 0;

// A plain function, because get_data is a function object or a bare pointer, as the SDK was configured.
int read_features(size_t offset, size_t length, float *out)
{
    if (offset > features_count || length > features_count - offset) {
        return EI_IMPULSE_DSP_ERROR;
    }
    std::memcpy(out, features_begin + offset, length * sizeof(float));
    return 0;
}

// -- results ----------------------------------------------------------------------------------------------------------

int32_t label_index(const char *text)
{
    for (size_t k = 0; text && k < labels_count; k++) {
        const char *label = ei_classifier_inferencing_categories[k];
        if (label == text || (label && std::strcmp(label, text) == 0)) {
            return (int32_t)k;
        }
    }
    return -1;
}

template <class Found> void add(uint32_t list, const Found &found, float value, int32_t object_id)
{
    ai_runner_ei_box box = {label_index(found.label), value,
                            (int32_t)found.x,         (int32_t)found.y,
                            (int32_t)found.width,     (int32_t)found.height};
    entries[list].push_back({{box, object_id}, found.label});
}

// A trace that was only predicted has the value 0, and none in SDKs before mid 2025; an .eim reports 1 for it.
template <class Trace> float trace_value(const Trace &trace)
{
    if constexpr (has_value<Trace>::value) {
        return trace.value == 0.0f ? 1.0f : trace.value;
    }
    else {
        return 1.0f;
    }
}

void collect_entries()
{
    // The SDK's lists are filled up to a fixed length with entries of value 0.
    for (uint32_t k = 0; result.bounding_boxes && k < result.bounding_boxes_count; k++) {
        const auto &box = result.bounding_boxes[k];
        if (box.value != 0.0f) {
            add(AI_RUNNER_EI_BOUNDING_BOXES, box, box.value, 0);
        }
    }
#if EI_CLASSIFIER_HAS_VISUAL_ANOMALY
    for (uint32_t k = 0; result.visual_ad_grid_cells && k < result.visual_ad_count; k++) {
        const auto &cell = result.visual_ad_grid_cells[k];
        if (cell.value != 0.0f) {
            add(AI_RUNNER_EI_VISUAL_ANOMALY_GRID, cell, cell.value, 0);
        }
    }
#endif
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
    const auto &tracked = result.postprocessed_output.object_tracking_output;
    for (uint32_t k = 0; tracked.open_traces && k < tracked.open_traces_count; k++) {
        const auto &trace = tracked.open_traces[k];
        add(AI_RUNNER_EI_OBJECT_TRACKING, trace, trace_value(trace), (int32_t)trace.id);
    }
#endif
}

// Engines that count only milliseconds leave the microseconds 0.
int64_t microseconds(int64_t us, int ms)
{
    return us == 0 && ms > 0 ? (int64_t)ms * 1000 : us;
}

template <class Timing> int64_t postprocessing_us(const Timing &timing)
{
    if constexpr (has_postprocessing_us<Timing>::value) {
        return timing.postprocessing_us;
    }
    else {
        return -1;
    }
}

void summarise(ai_runner_ei_summary *summary)
{
    const auto &timing = result.timing;
    summary->dsp_us = microseconds(timing.dsp_us, timing.dsp);
    summary->classification_us = microseconds(timing.classification_us, timing.classification);
    summary->postprocessing_us = postprocessing_us(timing);
    summary->anomaly_us = microseconds(timing.anomaly_us, timing.anomaly);
    summary->anomaly = result.anomaly;
    summary->visual_anomaly_max = 0.0f;
    summary->visual_anomaly_mean = 0.0f;
#if EI_CLASSIFIER_HAS_VISUAL_ANOMALY
    summary->visual_anomaly_max = result.visual_ad_result.max_value;
    summary->visual_anomaly_mean = result.visual_ad_result.mean_value;
#endif
    summary->bounding_boxes = (int32_t)entries[AI_RUNNER_EI_BOUNDING_BOXES].size();
    summary->visual_anomaly_grid = (int32_t)entries[AI_RUNNER_EI_VISUAL_ANOMALY_GRID].size();
    summary->object_tracking = (int32_t)entries[AI_RUNNER_EI_OBJECT_TRACKING].size();
}

int32_t copy_classification(float *values)
{
    // An array or a pointer, as the SDK was configured.
    const ei_impulse_result_classification_t *classification = result.classification;
    if (!classification) {
        return AI_RUNNER_EI_E_MEMORY;
    }
    for (size_t k = 0; k < labels_count; k++) {
        values[k] = classification[k].value;
    }
    return 0;
}

int32_t classify(const float *features, size_t count, uint32_t flags)
{
    features_begin = features;
    features_count = count;
    ei::signal_t signal;
    signal.total_length = count;
    signal.get_data = &read_features;
    forget_results();
    const bool debug = (flags & AI_RUNNER_EI_DEBUG) != 0;
    const int32_t status = (flags & AI_RUNNER_EI_CONTINUOUS) ? (int32_t)run_classifier_continuous(&signal, &result, debug)
                                                             : (int32_t)run_classifier(&signal, &result, debug);
    features_begin = nullptr;
    features_count = 0;
    if (debug) {
        std::fflush(stdout);
    }
    return status;
}

// -- life cycle -------------------------------------------------------------------------------------------------------

int32_t start()
{
    forget_results();
    run_classifier_init();
#if EI_CLASSIFIER_FREEFORM_OUTPUT
    const auto &model = impulse();
    if (freeform.empty()) {
        // Reserved first: a matrix owns its buffer and is not to be moved.
        freeform.reserve(model.freeform_outputs_size);
        for (size_t k = 0; k < (size_t)model.freeform_outputs_size; k++) {
            freeform.emplace_back(model.freeform_outputs[k], 1);
        }
    }
    const int32_t status = (int32_t)ei_set_freeform_output(freeform.data(), freeform.size());
    if (status != 0) {
        run_classifier_deinit();
        return status;
    }
#endif
    initialised = true;
    return 0;
}

void stop()
{
    if (initialised) {
        initialised = false;
        forget_results();
        run_classifier_deinit();
    }
}

// Nothing may be thrown into C.
template <class Body> int32_t guarded(Body body)
{
    try {
        return body();
    }
    catch (const std::bad_alloc &) {
        return AI_RUNNER_EI_E_MEMORY;
    }
    catch (...) {
        return AI_RUNNER_EI_E_EXCEPTION;
    }
}

} // namespace

// -- the interface ----------------------------------------------------------------------------------------------------

AI_RUNNER_EI_EXPORT uint32_t ai_runner_ei_abi(void)
{
    return AI_RUNNER_EI_ABI;
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_init(void)
{
    return guarded([] { return initialised ? 0 : start(); });
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_reset(void)
{
    return guarded([] {
        stop();
        return start();
    });
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_deinit(void)
{
    return guarded([] {
        stop();
        return 0;
    });
}

AI_RUNNER_EI_EXPORT const char *ai_runner_ei_hello(void)
{
    const int32_t status = guarded([] {
        description = Object()
                          .raw("project", project_json(impulse()))
                          .raw("model_parameters", parameters_json())
                          .raw("inferencing_engine", engine_json())
                          .raw("stages", stages_json())
                          .json();
        return 0;
    });
    return status == 0 ? description.c_str() : nullptr;
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_run(const float *features, uint64_t count, uint32_t flags, float *classification,
                                ai_runner_ei_summary *summary)
{
    if (!features || !summary) {
        return AI_RUNNER_EI_E_ARGUMENT;
    }
    if (!initialised) {
        return AI_RUNNER_EI_E_NOT_INITIALISED;
    }
    // The SDK checks no length: too few features end inside the network, too many are accepted.
    const uint64_t expected = (flags & AI_RUNNER_EI_CONTINUOUS) ? slice_size() : EI_CLASSIFIER_DSP_INPUT_FRAME_SIZE;
    if (count != expected) {
        return AI_RUNNER_EI_E_LENGTH;
    }
    return guarded([=] {
        int32_t status = classify(features, (size_t)count, flags);
        if (status != 0) {
            forget_results();
            return status;
        }
        collect_entries();
        summarise(summary);
        return classification ? copy_classification(classification) : 0;
    });
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_boxes(uint32_t list, ai_runner_ei_box *boxes, uint32_t capacity)
{
    if (list > AI_RUNNER_EI_OBJECT_TRACKING || (!boxes && capacity)) {
        return AI_RUNNER_EI_E_ARGUMENT;
    }
    uint32_t copied = 0;
    for (; copied < capacity && copied < entries[list].size(); copied++) {
        boxes[copied] = entries[list][copied].trace.box;
    }
    return (int32_t)copied;
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_traces(ai_runner_ei_trace *traces, uint32_t capacity)
{
    const auto &list = entries[AI_RUNNER_EI_OBJECT_TRACKING];
    if (!traces && capacity) {
        return AI_RUNNER_EI_E_ARGUMENT;
    }
    uint32_t copied = 0;
    for (; copied < capacity && copied < list.size(); copied++) {
        traces[copied] = list[copied].trace;
    }
    return (int32_t)copied;
}

AI_RUNNER_EI_EXPORT const char *ai_runner_ei_box_label(uint32_t list, uint32_t index)
{
    return list <= AI_RUNNER_EI_OBJECT_TRACKING && index < entries[list].size() ? entries[list][index].text : nullptr;
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_freeform_count(void)
{
#if EI_CLASSIFIER_FREEFORM_OUTPUT
    return (int32_t)impulse().freeform_outputs_size;
#else
    return 0;
#endif
}

AI_RUNNER_EI_EXPORT uint64_t ai_runner_ei_freeform_size(uint32_t index)
{
#if EI_CLASSIFIER_FREEFORM_OUTPUT
    return index < (uint32_t)impulse().freeform_outputs_size ? impulse().freeform_outputs[index] : 0;
#else
    (void)index;
    return 0;
#endif
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_freeform(uint32_t index, float *values, uint64_t count)
{
#if EI_CLASSIFIER_FREEFORM_OUTPUT
    if (!values || index >= freeform.size()) {
        return AI_RUNNER_EI_E_ARGUMENT;
    }
    if (count != ai_runner_ei_freeform_size(index)) {
        return AI_RUNNER_EI_E_LENGTH;
    }
    std::memcpy(values, freeform[index].buffer, count * sizeof(float));
    return 0;
#else
    (void)index, (void)values, (void)count;
    return AI_RUNNER_EI_E_ARGUMENT;
#endif
}

AI_RUNNER_EI_EXPORT int32_t ai_runner_ei_set_threshold(uint32_t block, const char *name, float value)
{
    if (!name || !std::isfinite(value)) {
        return AI_RUNNER_EI_E_ARGUMENT;
    }
    if (!initialised) {
        return AI_RUNNER_EI_E_NOT_INITIALISED;
    }
    return guarded([=] {
        for (const auto &threshold : thresholds(impulse())) {
            if (threshold.block == block && threshold.name == name) {
                // Those that count frames or ms are converted to unsigned integers.
                const bool counts = threshold.type == "object_tracking" || threshold.type == "performance_calibration";
                return counts && value < 0 ? AI_RUNNER_EI_E_ARGUMENT : threshold.set(value);
            }
        }
        return has_block(impulse(), block) ? AI_RUNNER_EI_E_THRESHOLD_NAME : AI_RUNNER_EI_E_BLOCK;
    });
}

} // namespace ai_runner_ei
