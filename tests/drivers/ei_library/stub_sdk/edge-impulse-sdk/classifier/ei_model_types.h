/* A model and its blocks. STUB_SDK is the year whose shape they have. */
#ifndef STUB_EI_MODEL_TYPES_H
#define STUB_EI_MODEL_TYPES_H

#include "edge-impulse-sdk/classifier/ei_classifier_types.h"
#include "edge-impulse-sdk/dsp/numpy_types.h"

#define EI_CLASSIFIER_LAST_LAYER_SSD 1
#define EI_CLASSIFIER_LAST_LAYER_FOMO 2

#if STUB_SDK == 2024
#define EI_CLASSIFIER_CLASSIFICATION_MODE_OBJECT_DETECTION 3
#define EI_CLASSIFIER_CLASSIFICATION_MODE_VISUAL_ANOMALY 5
#endif
#if STUB_SDK >= 2025
#define EI_CLASSIFIER_MODE_CLASSIFICATION 1
#define EI_CLASSIFIER_MODE_OBJECT_DETECTION 2
#define EI_CLASSIFIER_MODE_VISUAL_ANOMALY 5
#endif

struct ei_impulse;
class ei_impulse_handle_t;

typedef int (*extract_fn_t)(ei::signal_t *signal, ei::matrix_t *output_matrix, void *config, const float frequency);

typedef struct {
    uint32_t blockId;
    extract_fn_t extract_fn;
    void *config;
} ei_model_dsp_t;

typedef struct {
    uint16_t implementation_version;
#if STUB_SDK == 2024
    uint8_t classification_mode;
#endif
    uint32_t block_id;
#if STUB_SDK == 2024
    float threshold;
#endif
    void *graph_config;
} ei_learning_block_config_tflite_graph_t;

#if STUB_SDK == 2024
typedef struct {
    uint16_t implementation_version;
    uint8_t classification_mode;
    const uint16_t *anom_axis;
    uint16_t anom_axes_size;
    float anomaly_threshold;
    bool visual;
    void *graph_config;
} ei_learning_block_config_anomaly_gmm_t;
#endif

typedef struct {
    uint32_t blockId;
    EI_IMPULSE_ERROR (*infer_fn)(void *config);
    void *config;
} ei_learning_block_t;

typedef struct {
    uint16_t implementation_version;
    uint32_t keep_grace;
    uint16_t max_observations;
#if STUB_SDK >= 2025
    float threshold;
    bool use_iou;
#endif
} ei_object_tracking_config_t;

typedef struct {
    uint32_t block_id;
#if STUB_SDK >= 2025
    uint8_t type;
#endif
    EI_IMPULSE_ERROR (*init_fn)(ei_impulse_handle_t *handle, void **state, void *config);
    void *config;
} ei_postprocessing_block_t;

typedef struct ei_impulse {
    uint32_t project_id;
    const char *project_owner;
    const char *project_name;
#if STUB_SDK >= 2025
    uint16_t impulse_id;
    const char *impulse_name;
#endif
    uint16_t deploy_version;
    uint8_t dsp_blocks_size;
    ei_model_dsp_t *dsp_blocks;
    uint8_t learning_blocks_size;
    const ei_learning_block_t *learning_blocks;
#if STUB_SDK >= 2024
    size_t postprocessing_blocks_size;
    const ei_postprocessing_block_t *postprocessing_blocks;
#endif
    uint32_t slice_size;
    const char **categories;
#if STUB_SDK >= 2026
    uint8_t freeform_outputs_size;
    uint32_t *freeform_outputs;
#endif
} ei_impulse_t;

#if STUB_SDK >= 2024
class ei_impulse_handle_t {
public:
    ei_impulse_handle_t(const ei_impulse_t *impulse) : impulse(impulse) {}
    const ei_impulse_t *impulse;
    ei::matrix_t *freeform_outputs = nullptr;
};
#endif

#endif
