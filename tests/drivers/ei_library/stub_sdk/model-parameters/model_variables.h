/* The model: its blocks and settings. */
#ifndef STUB_MODEL_VARIABLES_H
#define STUB_MODEL_VARIABLES_H

#include "edge-impulse-sdk/classifier/ei_model_types.h"
#if STUB_SDK >= 2024
#include "edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_common.h"
#endif

#if EI_CLASSIFIER_OBJECT_DETECTION
#define STUB_MODE EI_CLASSIFIER_MODE_OBJECT_DETECTION
#define STUB_CLASSIFICATION_MODE EI_CLASSIFIER_CLASSIFICATION_MODE_OBJECT_DETECTION
#elif EI_CLASSIFIER_HAS_VISUAL_ANOMALY
#define STUB_MODE EI_CLASSIFIER_MODE_VISUAL_ANOMALY
#define STUB_CLASSIFICATION_MODE EI_CLASSIFIER_CLASSIFICATION_MODE_VISUAL_ANOMALY
#else
#define STUB_MODE EI_CLASSIFIER_MODE_CLASSIFICATION
#define STUB_CLASSIFICATION_MODE 1
#endif
#if EI_CLASSIFIER_FREEFORM_OUTPUT
#define STUB_FREEFORM_OUTPUTS 2
#else
#define STUB_FREEFORM_OUTPUTS 0
#endif

#if EI_CLASSIFIER_LABEL_COUNT
const char *ei_classifier_inferencing_categories[] = {STUB_LABELS};
#else
const char *ei_classifier_inferencing_categories[] = {""};
#endif

ei_dsp_config_image_t ei_dsp_config_3 = {3, "Grayscale"};
ei_model_dsp_t ei_dsp_blocks[1] = {
    {3, EI_CLASSIFIER_INPUT_WIDTH ? &extract_image_features : nullptr, &ei_dsp_config_3},
};

ei_learning_block_config_tflite_graph_t ei_learning_block_config_4 = {
    1,
#if STUB_SDK == 2024
    STUB_CLASSIFICATION_MODE,
#endif
    4,
#if STUB_SDK == 2024
    0.5f,
#endif
    nullptr,
};
#if STUB_SDK == 2024
ei_learning_block_config_anomaly_gmm_t ei_learning_block_config_6 = {
    1, EI_CLASSIFIER_CLASSIFICATION_MODE_VISUAL_ANOMALY, nullptr, 0, 0.5f, true, nullptr,
};
#endif
const ei_learning_block_t ei_learning_blocks[] = {
    {4, &run_nn_inference, &ei_learning_block_config_4},
#if STUB_SDK == 2024 && EI_CLASSIFIER_HAS_VISUAL_ANOMALY
    {6, &run_gmm_anomaly, &ei_learning_block_config_6},
#endif
};

#if STUB_SDK >= 2025
struct {
    float threshold;
} stub_scores = {0.5f};
#define STUB_SCORE_THRESHOLD stub_scores.threshold
#elif STUB_SDK == 2024 && EI_CLASSIFIER_HAS_VISUAL_ANOMALY
#define STUB_SCORE_THRESHOLD ei_learning_block_config_6.anomaly_threshold
#elif STUB_SDK == 2024
#define STUB_SCORE_THRESHOLD ei_learning_block_config_4.threshold
#else
#define STUB_SCORE_THRESHOLD 0.5f
#endif

#if STUB_SDK >= 2024
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
ei_object_tracking_config_t ei_posprocessing_config_8 = {
    1, 5, 4,
#if STUB_SDK >= 2025
    0.25f, true,
#endif
};
#endif
const ei_postprocessing_block_t ei_postprocessing_blocks[] = {
    {
        4,
#if STUB_SDK >= 2025
        STUB_MODE, nullptr, &stub_scores,
#else
        nullptr, nullptr,
#endif
    },
#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
    {
        8,
#if STUB_SDK >= 2025
        0,
#endif
        &init_object_tracking, &ei_posprocessing_config_8,
    },
#endif
};
#endif

#if STUB_SDK >= 2026
uint32_t freeform_outputs[] = {4, 2};
#endif

const ei_impulse_t impulse_1 = {
    42, "someone {at} \"work\"", "stub project\twith \\",
#if STUB_SDK >= 2025
    1, "Impulse #1",
#endif
    7, 1, ei_dsp_blocks, sizeof(ei_learning_blocks) / sizeof(ei_learning_blocks[0]), ei_learning_blocks,
#if STUB_SDK >= 2024
    sizeof(ei_postprocessing_blocks) / sizeof(ei_postprocessing_blocks[0]), ei_postprocessing_blocks,
#endif
    EI_CLASSIFIER_SLICE_SIZE, ei_classifier_inferencing_categories,
#if STUB_SDK >= 2026
    STUB_FREEFORM_OUTPUTS, freeform_outputs,
#endif
};

#if STUB_SDK >= 2025
ei_impulse_handle_t impulse_handle_1 = ei_impulse_handle_t(&impulse_1);
ei_impulse_handle_t &ei_default_impulse = impulse_handle_1;
#elif STUB_SDK == 2024
ei_impulse_handle_t ei_default_impulse(&impulse_1);
#else
const ei_impulse_t ei_default_impulse = impulse_1;
#endif

#endif
