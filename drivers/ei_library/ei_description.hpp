/* What a model says of itself: JSON with the fields of an .eim's hello reply. */

#ifndef AI_RUNNER_EI_DESCRIPTION_HPP
#define AI_RUNNER_EI_DESCRIPTION_HPP

#include "ei_sdk.hpp"
#include "ei_thresholds.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace ai_runner_ei {
namespace {

std::string quoted(const char *text)
{
    std::string out = "\"";
    for (const char *c = text ? text : ""; *c; c++) {
        const unsigned char code = (unsigned char)*c;
        char escaped[8];
        if (code == '"' || code == '\\') {
            out += '\\';
            out += *c;
        }
        else if (code < 0x20) {
            std::snprintf(escaped, sizeof(escaped), "\\u%04x", code);
            out += escaped;
        }
        else {
            out += *c;
        }
    }
    return out + "\"";
}

std::string number(double value)
{
    if (!std::isfinite(value)) {
        return "null";
    }
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", value);
    for (char *c = text; *c; c++) {
        *c = *c == ',' ? '.' : *c; // of a locale
    }
    return text;
}

class Object {
public:
    Object &raw(const char *key, const std::string &json)
    {
        text_ += (text_.empty() ? "" : ",") + quoted(key) + ":" + json;
        return *this;
    }
    Object &integer(const char *key, long long value) { return raw(key, std::to_string(value)); }
    Object &real(const char *key, double value) { return raw(key, number(value)); }
    Object &string(const char *key, const char *value) { return raw(key, quoted(value)); }
    Object &boolean(const char *key, bool value) { return raw(key, value ? "true" : "false"); }
    std::string json() const { return "{" + text_ + "}"; }

private:
    std::string text_;
};

std::string array(const std::vector<std::string> &items)
{
    std::string out = "[";
    for (const auto &item : items) {
        out += (out.size() > 1 ? "," : "") + item;
    }
    return out + "]";
}

size_t slice_size()
{
#if defined(EI_CLASSIFIER_SLICE_SIZE)
    return EI_CLASSIFIER_SLICE_SIZE;
#else
    return impulse().slice_size;
#endif
}

std::string thresholds_json()
{
    std::vector<std::string> items;
    const Thresholds all = thresholds(impulse());
    for (size_t k = 0; k < all.size();) {
        Object item;
        item.integer("id", all[k].block).string("type", all[k].type.c_str());
        const size_t first = k;
        for (; k < all.size() && all[k].block == all[first].block && all[k].type == all[first].type; k++) {
            item.real(all[k].name.c_str(), all[k].value);
        }
        items.push_back(item.json());
    }
    return array(items);
}

const char *model_type()
{
#if EI_CLASSIFIER_OBJECT_DETECTION
#if defined(EI_CLASSIFIER_OBJECT_DETECTION_LAST_LAYER) && \
    (EI_CLASSIFIER_OBJECT_DETECTION_LAST_LAYER == EI_CLASSIFIER_LAST_LAYER_FOMO)
    return "constrained_object_detection";
#else
    return "object_detection";
#endif
#elif EI_CLASSIFIER_FREEFORM_OUTPUT
    return "freeform";
#else
    return "classification";
#endif
}

int image_channels()
{
    const auto &model = impulse();
    if (model.dsp_blocks_size == 1 && model.dsp_blocks[0].extract_fn == &extract_image_features) {
        const auto *config = (const ei_dsp_config_image_t *)model.dsp_blocks[0].config;
        return std::strcmp(config->channels, "Grayscale") == 0 ? 1 : 3;
    }
    return EI_CLASSIFIER_INPUT_WIDTH != 0 ? 3 : 0;
}

template <class Impulse> std::string project_json(const Impulse &model)
{
    Object project;
    project.integer("id", model.project_id).string("owner", model.project_owner).string("name", model.project_name);
    project.integer("deploy_version", model.deploy_version);
    if constexpr (has_impulse_name<Impulse>::value) {
        project.integer("impulse_id", model.impulse_id).string("impulse_name", model.impulse_name);
    }
    return project.json();
}

std::string parameters_json()
{
    std::vector<std::string> labels;
    for (size_t k = 0; k < labels_count; k++) {
        labels.push_back(quoted(ei_classifier_inferencing_categories[k]));
    }
    Object object;
    object.integer("input_features_count", EI_CLASSIFIER_DSP_INPUT_FRAME_SIZE)
        .integer("sensor", EI_CLASSIFIER_SENSOR)
        .real("frequency", EI_CLASSIFIER_FREQUENCY)
        .real("interval_ms", EI_CLASSIFIER_INTERVAL_MS)
        .integer("axis_count", EI_CLASSIFIER_RAW_SAMPLES_PER_FRAME)
        .integer("image_input_width", EI_CLASSIFIER_INPUT_WIDTH)
        .integer("image_input_height", EI_CLASSIFIER_INPUT_HEIGHT)
        .integer("image_input_frames", EI_CLASSIFIER_INPUT_FRAMES)
        .integer("image_channel_count", image_channels());
#if defined(EI_CLASSIFIER_RESIZE_MODE) && defined(EI_CLASSIFIER_RESIZE_SQUASH)
    const char *const modes[] = {"none", "fit-shortest", "fit-longest", "squash"};
    object.string("image_resize_mode", modes[(EI_CLASSIFIER_RESIZE_MODE) & 3]);
#endif
    object.integer("label_count", EI_CLASSIFIER_LABEL_COUNT)
        .raw("labels", array(labels))
        .integer("has_anomaly", EI_CLASSIFIER_HAS_ANOMALY)
        .boolean("has_object_tracking", EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1)
        .boolean("has_performance_calibration", EI_CLASSIFIER_CALIBRATION_ENABLED != 0)
        .string("model_type", model_type())
        .integer("slice_size", (long long)slice_size())
        .boolean("use_continuous_mode", EI_CLASSIFIER_SENSOR == EI_CLASSIFIER_SENSOR_MICROPHONE)
        .integer("inferencing_engine", EI_CLASSIFIER_INFERENCING_ENGINE)
        .raw("thresholds", thresholds_json());
    return object.json();
}

std::string stages_json()
{
    using Timing = decltype(ei_impulse_result_t::timing);
    std::vector<std::string> stages = {quoted("dsp"), quoted("classification"), quoted("anomaly")};
    if (has_postprocessing_us<Timing>::value) {
        stages.push_back(quoted("postprocessing"));
    }
    return array(stages);
}

std::string engine_json()
{
    std::vector<std::string> properties;
#if defined(EI_CLASSIFIER_USE_GPU_DELEGATES) && EI_CLASSIFIER_USE_GPU_DELEGATES == 1
    properties.push_back(quoted("gpu_delegates"));
#endif
#if defined(EI_CLASSIFIER_USE_QNN_DELEGATES) && EI_CLASSIFIER_USE_QNN_DELEGATES == 1
    properties.push_back(quoted("qnn_delegates"));
#endif
    return Object().integer("engine_type", EI_CLASSIFIER_INFERENCING_ENGINE).raw("properties", array(properties)).json();
}

} // namespace
} // namespace ai_runner_ei

#endif
