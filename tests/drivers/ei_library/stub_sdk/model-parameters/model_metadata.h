/* A classifier of three labels unless model_kind.h says otherwise. */
#ifndef STUB_MODEL_METADATA_H
#define STUB_MODEL_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge-impulse-sdk/classifier/ei_constants.h"
#include "model-parameters/model_kind.h"

#define EI_CLASSIFIER_TFLITE 2
#define EI_CLASSIFIER_TFLITE_FULL 4
#define EI_CLASSIFIER_SENSOR_MICROPHONE 1
#define EI_CLASSIFIER_SENSOR_CAMERA 3

#ifndef STUB_SDK
#define STUB_SDK 2026
#endif
#ifndef STUB_LABELS
#define STUB_LABELS "no", "other", "ye\"s"
#define EI_CLASSIFIER_LABEL_COUNT 3
#endif
#ifndef EI_CLASSIFIER_SENSOR
#define EI_CLASSIFIER_SENSOR EI_CLASSIFIER_SENSOR_MICROPHONE
#define EI_CLASSIFIER_FREQUENCY 16000
#define EI_CLASSIFIER_INTERVAL_MS 0.0625
#define EI_CLASSIFIER_INPUT_WIDTH 0
#define EI_CLASSIFIER_INPUT_HEIGHT 0
#else
#define EI_CLASSIFIER_FREQUENCY 0
#define EI_CLASSIFIER_INTERVAL_MS 1
#define EI_CLASSIFIER_INPUT_WIDTH 4
#define EI_CLASSIFIER_INPUT_HEIGHT 4
#endif
#define EI_CLASSIFIER_INPUT_FRAMES (EI_CLASSIFIER_INPUT_WIDTH > 0)
#define EI_CLASSIFIER_RAW_SAMPLE_COUNT 16
#define EI_CLASSIFIER_RAW_SAMPLES_PER_FRAME 1
#define EI_CLASSIFIER_DSP_INPUT_FRAME_SIZE 16
#define EI_CLASSIFIER_SLICE_SIZE 4
#if STUB_SDK >= 2025
#define EI_CLASSIFIER_RESIZE_MODE EI_CLASSIFIER_RESIZE_FIT_SHORTEST
#endif
#ifndef EI_CLASSIFIER_HAS_ANOMALY
#define EI_CLASSIFIER_HAS_ANOMALY 0
#endif
#ifndef EI_CLASSIFIER_OBJECT_DETECTION
#define EI_CLASSIFIER_OBJECT_DETECTION 0
#endif
#ifndef EI_CLASSIFIER_INFERENCING_ENGINE
#define EI_CLASSIFIER_INFERENCING_ENGINE EI_CLASSIFIER_TFLITE
#endif
#define EI_CLASSIFIER_COMPILED 1
#ifndef STUB_BOX_LABEL
#define STUB_BOX_LABEL(k) (k == 15 ? "out of the ordinary" : k % 2 ? "dog" : "cat")
#endif
#ifndef STUB_COUNTS_MICROSECONDS
#define STUB_COUNTS_MICROSECONDS 1
#endif

typedef struct {
    uint32_t block_id;
    const char *channels;
} ei_dsp_config_image_t;

#if EI_CLASSIFIER_OBJECT_TRACKING_ENABLED == 1
typedef struct {
    int id;
    const char *label;
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
    float value;
} ei_object_tracking_trace_t;

typedef struct {
    ei_object_tracking_trace_t *open_traces;
    uint32_t open_traces_count;
} ei_object_tracking_output_t;

typedef struct {
    ei_object_tracking_output_t object_tracking_output;
} ei_post_processing_output_t;
#else
typedef struct {
    int : 0;
} ei_post_processing_output_t;
#endif

#endif
