/* Layouts of the st-ai C interface, version 1.0.0. */
#ifndef STAI_ABI_H
#define STAI_ABI_H

#include <stdint.h>

typedef struct {
    uint32_t size;
    const int32_t *data;
} stai_i32s;

typedef struct {
    uint32_t size;
    const float *data;
} stai_f32s;

typedef struct {
    uint32_t size;
    const int16_t *data;
} stai_i16s;

typedef struct {
    uint32_t size;
    uint8_t *const *data;
} stai_addresses;

typedef struct {
    uint8_t major, minor, micro, reserved;
} stai_version;

typedef struct {
    uint32_t size_bytes;
    int32_t flags;
    int32_t format;
    stai_i32s shape;
    stai_f32s scale;
    stai_i16s zero_point;
    const char *name;
} stai_tensor;

typedef struct {
    const char *model_signature;
    const char *compile_datetime;
    const char *name;
    const char *model_datetime;
    uint32_t signature;
    stai_version runtime_version;
    stai_version tool_version;
    stai_version api_version;
    uint64_t n_macc;
    uint32_t n_nodes;
    int32_t flags;
    uint16_t n_inputs, n_outputs, n_activations, n_weights, n_states;
    const stai_tensor *inputs, *outputs, *activations, *weights, *states;
} stai_info;

typedef struct {
    int32_t id;
    int16_t type;
    stai_i32s inputs; /* indices of tensors */
    stai_i32s outputs;
} stai_node;

typedef struct {
    const stai_tensor *tensors;
    const stai_node *nodes;
    uint32_t n_nodes;
} stai_details;

typedef void (*stai_callback)(void *cookie, int32_t event, const void *payload);

enum { STAI_EVENT_START = 1, STAI_EVENT_STOP = 2 };

typedef struct {
    int32_t node_id;
    stai_addresses buffers;
} stai_node_event;

/* Flags of tensors and of a network. */
enum {
    STAI_PREALLOCATED = 1 << 0,
    STAI_CHANNEL_LAST = 1 << 7,
    STAI_HAS_BATCH = 1 << 8,
    STAI_ACTIVATIONS = 1 << 26,
    STAI_INPUTS = 1 << 27,
    STAI_OUTPUTS = 1 << 28,
    STAI_WEIGHTS = 1 << 30
};

enum {
    STAI_SUCCESS = 0x000000,
    STAI_INVALID_ARGUMENTS = 0x020001,
    STAI_INVALID_CONTEXT = 0x030000,
    STAI_CONTEXT_ALIGNMENT = 0x030002,
    STAI_INVALID_INFO = 0x030010,
    STAI_ACTIVATIONS_POINTER = 0x040000,
    STAI_ACTIVATIONS_COUNT = 0x040001,
    STAI_INPUTS_POINTER = 0x040010,
    STAI_INPUTS_COUNT = 0x040011,
    STAI_OUTPUTS_POINTER = 0x040020,
    STAI_OUTPUTS_COUNT = 0x040021,
    STAI_STATES_COUNT = 0x040031,
    STAI_WEIGHTS_POINTER = 0x040040,
    STAI_WEIGHTS_COUNT = 0x040041,
    STAI_BUFFER_ALIGNMENT = 0x040070
};

#endif
