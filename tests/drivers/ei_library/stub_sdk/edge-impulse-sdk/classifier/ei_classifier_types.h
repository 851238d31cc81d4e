/* What a classification returns; the layout depends on the macros of the model, as in the SDK. */
#ifndef STUB_EI_CLASSIFIER_TYPES_H
#define STUB_EI_CLASSIFIER_TYPES_H

#include <stdint.h>

#include "model-parameters/model_metadata.h"

typedef enum {
    EI_IMPULSE_OK = 0,
    EI_IMPULSE_TFLITE_ERROR = -3,
    EI_IMPULSE_DSP_ERROR = -5,
    EI_IMPULSE_OUT_OF_MEMORY = -11,
    EI_IMPULSE_INVALID_SIZE = -24,
    EI_IMPULSE_FREEFORM_OUTPUT_SIZE_MISMATCH = -32,
    EI_IMPULSE_POSTPROCESSING_THRESHOLD_KEY_NOT_FOUND = -34,
} EI_IMPULSE_ERROR;

typedef struct {
    const char *label;
    float value;
} ei_impulse_result_classification_t;

typedef struct {
    float mean_value;
    float max_value;
} ei_impulse_visual_ad_result_t;

typedef struct {
    const char *label;
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
    float value;
} ei_impulse_result_bounding_box_t;

typedef struct {
    int sampling;
    int dsp;
    int classification;
#if STUB_SDK >= 2026
    int postprocessing;
#endif
    int anomaly;
    int64_t dsp_us;
    int64_t classification_us;
#if STUB_SDK >= 2026
    int64_t postprocessing_us;
#endif
    int64_t anomaly_us;
} ei_impulse_result_timing_t;

struct ei_feature;

typedef struct {
    ei_impulse_result_bounding_box_t *bounding_boxes;
    uint32_t bounding_boxes_count;
#if STUB_CLASSIFICATION_IS_A_POINTER
    ei_impulse_result_classification_t *classification;
#elif EI_CLASSIFIER_LABEL_COUNT == 0
    ei_impulse_result_classification_t classification[1];
#else
    ei_impulse_result_classification_t classification[EI_CLASSIFIER_LABEL_COUNT];
#endif
    float anomaly;
    ei_impulse_result_timing_t timing;
#if STUB_SDK >= 2026
    struct ei_feature *_raw_outputs;
#elif STUB_SDK >= 2024
    bool copy_output;
#endif
#if EI_CLASSIFIER_HAS_VISUAL_ANOMALY
    ei_impulse_result_bounding_box_t *visual_ad_grid_cells;
    uint32_t visual_ad_count;
    ei_impulse_visual_ad_result_t visual_ad_result;
#endif
#if STUB_SDK >= 2024
    ei_post_processing_output_t postprocessed_output;
#endif
} ei_impulse_result_t;

#endif
