/* A C interface to an Edge Impulse C++ library, for callers that know neither C++ nor the model.
 *
 * Nothing of the SDK is seen through it: no structure whose layout depends on the model, no pointer that outlives a
 * call. The library says what it is (ai_runner_ei_abi), describes its model as JSON in the words of an .eim's hello
 * reply (ai_runner_ei_hello), takes plain floats, and fills memory of the caller.
 *
 * Order: init, then run, then the accessors of that run. Results stay until the next run, reset or deinit. Calls are
 * not to overlap: the SDK keeps one model in static memory.
 *
 * Functions that return int32_t return 0 or a positive count, an error number of the SDK (-1 to -999, DSP -1000 to
 * -1999), or one of the AI_RUNNER_EI_E_ numbers.
 */

#ifndef AI_RUNNER_EI_C_API_H
#define AI_RUNNER_EI_C_API_H

#include <stdint.h>

/* Upper half: the interface; lower half: its version. */
#define AI_RUNNER_EI_ABI 0xE1A10001u

#define AI_RUNNER_EI_E_LENGTH (-10001)        /* not the number of features that the model takes */
#define AI_RUNNER_EI_E_NOT_INITIALISED (-10002)
#define AI_RUNNER_EI_E_ARGUMENT (-10003)      /* a null pointer, an index that does not exist, a number not finite */
#define AI_RUNNER_EI_E_BLOCK (-10004)         /* no block of this number has a threshold */
#define AI_RUNNER_EI_E_EXCEPTION (-10005)     /* C++ code threw */
#define AI_RUNNER_EI_E_MEMORY (-10006)
#define AI_RUNNER_EI_E_THRESHOLD_NAME (-34)   /* the block has no threshold of this name; the SDK's own number */

#define AI_RUNNER_EI_CONTINUOUS 1u            /* features are the next slice, not a whole window */
#define AI_RUNNER_EI_DEBUG 2u                 /* the SDK prints what it does to standard output */

#define AI_RUNNER_EI_BOUNDING_BOXES 0u
#define AI_RUNNER_EI_VISUAL_ANOMALY_GRID 1u
#define AI_RUNNER_EI_OBJECT_TRACKING 2u

#ifdef __cplusplus
extern "C" {
#endif

/* What a run left besides classification values and boxes. Microseconds; -1: this SDK does not measure it. */
typedef struct {
    int64_t dsp_us;
    int64_t classification_us;
    int64_t postprocessing_us;
    int64_t anomaly_us;
    float anomaly;
    float visual_anomaly_max;
    float visual_anomaly_mean;
    int32_t bounding_boxes;      /* how many there are */
    int32_t visual_anomaly_grid;
    int32_t object_tracking;
} ai_runner_ei_summary;

/* Pixels of the model's input, from the top left corner. */
typedef struct {
    int32_t label; /* index into the labels of the model; -1 for another text, see ai_runner_ei_box_label */
    float value;
    int32_t x;
    int32_t y;
    int32_t width;
    int32_t height;
} ai_runner_ei_box;

typedef struct {
    ai_runner_ei_box box;
    int32_t object_id;
} ai_runner_ei_trace;

uint32_t ai_runner_ei_abi(void);

/* Idempotent. reset makes the state that of a fresh init: continuous classification, tracking. */
int32_t ai_runner_ei_init(void);
int32_t ai_runner_ei_reset(void);
int32_t ai_runner_ei_deinit(void);

/* The description with the thresholds as they are now, and one field more: `stages`, whose times are measured. Valid
 * until the next call; null when there is no memory. */
const char *ai_runner_ei_hello(void);

/* One classification. `classification` takes one value a label, in their order; null when it is not wanted. */
int32_t ai_runner_ei_run(const float *features, uint64_t count, uint32_t flags, float *classification,
                         ai_runner_ei_summary *summary);

/* Copies up to `capacity` entries of the last run; returns how many it copied. */
int32_t ai_runner_ei_boxes(uint32_t list, ai_runner_ei_box *boxes, uint32_t capacity);
int32_t ai_runner_ei_traces(ai_runner_ei_trace *traces, uint32_t capacity);

/* The text of an entry of one of the three lists; null when there is no such entry. */
const char *ai_runner_ei_box_label(uint32_t list, uint32_t index);

/* Outputs of a freeform model: how many, the elements of one, and a copy of one. */
int32_t ai_runner_ei_freeform_count(void);
uint64_t ai_runner_ei_freeform_size(uint32_t index);
int32_t ai_runner_ei_freeform(uint32_t index, float *values, uint64_t count);

/* Sets a threshold by the number of its block and its name, both as in the description. */
int32_t ai_runner_ei_set_threshold(uint32_t block, const char *name, float value);

#ifdef __cplusplus
}
#endif

#endif
