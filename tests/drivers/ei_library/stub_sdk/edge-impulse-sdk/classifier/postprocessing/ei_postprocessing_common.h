/* Thresholds as SDKs of 2025 have them, and what tracking keeps. */
#ifndef STUB_EI_POSTPROCESSING_COMMON_H
#define STUB_EI_POSTPROCESSING_COMMON_H

#include "edge-impulse-sdk/classifier/ei_model_types.h"
#include "edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_types.h"

#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
static ei_object_tracking_config_t stub_tracker; // a tracker keeps a copy of its settings

static EI_IMPULSE_ERROR init_object_tracking(ei_impulse_handle_t *, void **, void *config)
{
    stub_tracker = *(ei_object_tracking_config_t *)config;
    return EI_IMPULSE_OK;
}

__attribute__((unused)) static EI_IMPULSE_ERROR set_post_process_params(ei_impulse_handle_t *,
                                                                        ei_object_tracking_config_t *config)
{
    stub_tracker = *config;
    return EI_IMPULSE_OK;
}
#endif

#if STUB_SDK == 2025
EI_IMPULSE_ERROR get_threshold_postprocessing(std::string *type, std::string *name, void *config, uint32_t mode, float *value)
{
    if (mode == EI_CLASSIFIER_MODE_OBJECT_DETECTION) {
        *type = "object_detection";
        *name = "min_score";
        *value = ((ei_fill_result_object_detection_threshold_config_t *)config)->threshold;
        return EI_IMPULSE_OK;
    }
    if (mode == EI_CLASSIFIER_MODE_VISUAL_ANOMALY) {
        *type = "anomaly_gmm";
        *name = "min_anomaly_score";
        *value = ((ei_fill_result_visual_ad_f32_config_t *)config)->threshold;
        return EI_IMPULSE_OK;
    }
    return EI_IMPULSE_POSTPROCESSING_THRESHOLD_KEY_NOT_FOUND;
}

EI_IMPULSE_ERROR set_threshold_postprocessing(uint32_t, void *config, uint32_t, float value)
{
    *(float *)config = value;
    return EI_IMPULSE_OK;
}
#endif

#endif
