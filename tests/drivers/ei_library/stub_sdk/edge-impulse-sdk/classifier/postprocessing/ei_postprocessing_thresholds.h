/* Thresholds as SDKs from the end of 2025 on have them. */
#ifndef STUB_EI_POSTPROCESSING_THRESHOLDS_H
#define STUB_EI_POSTPROCESSING_THRESHOLDS_H

#include <vector>

#include "edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_common.h"

EI_IMPULSE_ERROR get_thresholds_postprocessing(const ei_postprocessing_block_t *block,
                                               std::vector<ei_threshold_desc_t> &found)
{
    if (block->type == EI_CLASSIFIER_MODE_OBJECT_DETECTION) {
        auto *config = (ei_fill_result_object_detection_threshold_config_t *)block->config;
        found.push_back({"object_detection", "min_score", config->threshold, [config](float v) { config->threshold = v; }});
    }
    if (block->type == EI_CLASSIFIER_MODE_VISUAL_ANOMALY) {
        auto *config = (ei_fill_result_visual_ad_f32_config_t *)block->config;
        found.push_back({"anomaly_gmm", "min_anomaly_score", config->threshold, [config](float v) { config->threshold = v; }});
    }
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
    if (block->init_fn == init_object_tracking) {
        auto *config = (ei_object_tracking_config_t *)block->config;
        found.push_back({"object_tracking", "keep_grace", (float)config->keep_grace,
                         [config](float v) { stub_tracker.keep_grace = config->keep_grace = (uint32_t)v; }});
        found.push_back({"object_tracking", "max_observations", (float)config->max_observations,
                         [config](float v) { config->max_observations = (uint16_t)v; }});
        found.push_back({"object_tracking", "threshold", config->threshold, [config](float v) { config->threshold = v; }});
    }
#endif
    return EI_IMPULSE_OK;
}

#endif
