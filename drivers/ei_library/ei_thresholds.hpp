/* The thresholds that a model lets its user set, wherever its SDK keeps them. */

#ifndef AI_RUNNER_EI_THRESHOLDS_HPP
#define AI_RUNNER_EI_THRESHOLDS_HPP

#include "ei_sdk.hpp"

#include <functional>
#include <string>
#include <vector>

namespace ai_runner_ei {
namespace {

struct Threshold {
    uint32_t block;
    std::string type;
    std::string name;
    float value;
    std::function<int32_t(float)> set;
};

using Thresholds = std::vector<Threshold>;

#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1 && !defined(AI_RUNNER_EI_THRESHOLD_LIST)
// The tracker keeps a copy of its settings: they are changed through the SDK.
template <class Handle, class Config> int32_t apply_tracking(Handle &handle, Config &config)
{
    return (int32_t)set_post_process_params(&handle, &config);
}

template <class Config> void add_tracking_thresholds(uint32_t block, Config *config, Thresholds &found)
{
    const auto add_one = [&](const char *name, float value, std::function<void(Config &, float)> assign) {
        found.push_back({block, "object_tracking", name, value, [config, assign](float v) {
                             Config changed = *config;
                             assign(changed, v);
                             const int32_t status = apply_tracking(ei_default_impulse, changed);
                             if (status == 0) {
                                 assign(*config, v);
                             }
                             return status;
                         }});
    };
    using Grace = decltype(config->keep_grace);
    using Observations = decltype(config->max_observations);
    add_one("keep_grace", (float)config->keep_grace, [](Config &c, float v) { c.keep_grace = (Grace)v; });
    add_one("max_observations", (float)config->max_observations,
            [](Config &c, float v) { c.max_observations = (Observations)v; });
    if constexpr (has_threshold<Config>::value) {
        add_one("threshold", config->threshold, [](Config &c, float v) { c.threshold = v; });
    }
}
#endif

// The functions of SDKs of 2025. Calls with an argument that depends on a template are looked up where that is used, so
// that SDKs without the functions compile too.
template <class Block, class = void> struct has_threshold_functions : std::false_type {};
template <class Block>
struct has_threshold_functions<
    Block, std::void_t<decltype(get_threshold_postprocessing((std::string *)nullptr, (std::string *)nullptr,
                                                             std::declval<Block &>().config,
                                                             std::declval<Block &>().type, (float *)nullptr)),
                       decltype(set_threshold_postprocessing(std::declval<Block &>().block_id,
                                                             std::declval<Block &>().config,
                                                             std::declval<Block &>().type, 0.0f))>> : std::true_type {};

template <class Block> void add_postprocessing_thresholds(const Block &block, Thresholds &found)
{
    const uint32_t id = block.block_id;
#if defined(AI_RUNNER_EI_THRESHOLD_LIST)
    std::vector<ei_threshold_desc_t> listed;
    if (get_thresholds_postprocessing(&block, listed) != EI_IMPULSE_OK) {
        return;
    }
    for (const auto &threshold : listed) {
        const auto set = threshold.set_value;
        found.push_back({id, threshold.type, threshold.name, threshold.value, [set](float v) {
                             set(v);
                             return 0;
                         }});
    }
#else
    if constexpr (has_threshold_functions<Block>::value) {
        std::string type, name;
        float value = 0.0f;
        if (get_threshold_postprocessing(&type, &name, block.config, block.type, &value) == EI_IMPULSE_OK) {
            found.push_back({id, type, name, value, [block](float v) {
                                 return (int32_t)set_threshold_postprocessing(block.block_id, block.config, block.type, v);
                             }});
        }
    }
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
    if (block.init_fn == init_object_tracking) {
        add_tracking_thresholds(id, (ei_object_tracking_config_t *)block.config, found);
    }
#endif
#endif
}

#if defined(EI_CLASSIFIER_CLASSIFICATION_MODE_OBJECT_DETECTION) && \
    defined(EI_CLASSIFIER_CLASSIFICATION_MODE_VISUAL_ANOMALY) && !defined(AI_RUNNER_EI_THRESHOLD_LIST)
#define AI_RUNNER_EI_LEARNING_THRESHOLDS 1
// SDKs of 2024 and early 2025 keep thresholds in the learning blocks, whose settings begin alike.
template <class Graph, class Gmm, class Block> void add_learning_thresholds(const Block &block, Thresholds &found)
{
    if constexpr (has_classification_mode<Graph>::value && has_threshold<Graph>::value &&
                  has_anomaly_threshold<Gmm>::value) {
        auto *graph = (Graph *)block.config;
        const int mode = graph ? graph->classification_mode : 0;
        if (mode == EI_CLASSIFIER_CLASSIFICATION_MODE_OBJECT_DETECTION) {
            found.push_back({block.blockId, "object_detection", "min_score", graph->threshold, [graph](float v) {
                                 graph->threshold = v;
                                 return 0;
                             }});
        }
#if EI_CLASSIFIER_HAS_VISUAL_ANOMALY && EI_CLASSIFIER_HAS_ANOMALY == 3
        // The network before it, which extracts features, has the same mode.
        if (mode == EI_CLASSIFIER_CLASSIFICATION_MODE_VISUAL_ANOMALY && block.infer_fn == &run_gmm_anomaly) {
            auto *gmm = (Gmm *)block.config;
            found.push_back({block.blockId, "anomaly_gmm", "min_anomaly_score", gmm->anomaly_threshold, [gmm](float v) {
                                 gmm->anomaly_threshold = v;
                                 return 0;
                             }});
        }
#endif
    }
}
#endif

template <class Impulse> Thresholds thresholds(const Impulse &model)
{
    Thresholds found;
    bool in_postprocessing = false;
    if constexpr (has_postprocessing_blocks<Impulse>::value) {
        using Block = std::remove_reference_t<decltype(model.postprocessing_blocks[0])>;
        in_postprocessing = has_type<Block>::value;
        for (size_t k = 0; k < (size_t)model.postprocessing_blocks_size; k++) {
            add_postprocessing_thresholds(model.postprocessing_blocks[k], found);
        }
    }
    (void)in_postprocessing;
#if defined(AI_RUNNER_EI_LEARNING_THRESHOLDS)
    for (size_t k = 0; !in_postprocessing && k < (size_t)model.learning_blocks_size; k++) {
        add_learning_thresholds<ei_learning_block_config_tflite_graph_t, ei_learning_block_config_anomaly_gmm_t>(
            model.learning_blocks[k], found);
    }
#endif
    return found;
}

template <class Impulse> bool has_block(const Impulse &model, uint32_t id)
{
    if constexpr (has_postprocessing_blocks<Impulse>::value) {
        for (size_t k = 0; k < (size_t)model.postprocessing_blocks_size; k++) {
            if (model.postprocessing_blocks[k].block_id == id) {
                return true;
            }
        }
    }
    for (const auto &threshold : thresholds(model)) {
        if (threshold.block == id) {
            return true;
        }
    }
    return false;
}

} // namespace
} // namespace ai_runner_ei

#endif
