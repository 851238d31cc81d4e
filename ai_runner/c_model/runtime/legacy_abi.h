/* Layouts of the legacy C interface (ai_<name>_*) as of tools 7.1: 48-byte buffers, 208-byte report. */
#ifndef LEGACY_ABI_H
#define LEGACY_ABI_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t type : 8;
    uint32_t code : 24;
} legacy_error;

typedef struct {
    uint8_t major, minor, micro, reserved;
} legacy_version;

typedef struct {
    const float *scales;
    const void *zero_points; /* typed by the flags of the list */
} legacy_quantization;

typedef struct {
    uint16_t flags;
    uint16_t size; /* number of scales */
    const legacy_quantization *info;
} legacy_quantization_list;

typedef struct {
    uint32_t flags;
    const legacy_quantization_list *quantization;
} legacy_meta;

typedef struct {
    uint32_t type : 8;
    uint32_t size : 24;
    uint32_t *data; /* batch, channel, width, height, depth, extension */
} legacy_shape;

typedef struct {
    int32_t format;
    void *data;
    const legacy_meta *meta;
    uint32_t flags;
    uint32_t size; /* elements */
    legacy_shape shape;
} legacy_buffer;

typedef struct {
    uint16_t flags;
    uint16_t size;
    legacy_buffer *buffers;
} legacy_buffer_array;

typedef union {
    struct {
        legacy_buffer weights, activations;
    } single;
    struct {
        uint32_t magic;
        legacy_buffer_array weights, activations;
    } maps;
} legacy_params;

typedef struct {
    const char *model_name;
    const char *model_signature;
    const char *model_datetime;
    const char *compile_datetime;
    const char *runtime_revision;
    legacy_version runtime_version;
    const char *tool_revision;
    legacy_version tool_version;
    legacy_version tool_api_version;
    legacy_version api_version;
    legacy_version interface_api_version;
    uint64_t n_macc;
    uint16_t n_inputs;
    uint16_t n_outputs;
    legacy_buffer *inputs;
    legacy_buffer *outputs;
    legacy_params params;
    uint32_t n_nodes;
    uint32_t signature;
} legacy_report;

typedef struct {
    int32_t format;
    void *data;
    float scale;
    int32_t zero_point;
    legacy_shape shape;
} legacy_io_tensor;

typedef struct {
    uint16_t c_idx;
    uint16_t type;
    uint16_t id;
    uint16_t n_tensors;
    float elapsed_ms;
    legacy_io_tensor *tensors;
} legacy_io_node;

typedef uint32_t (*legacy_io_callback)(uint32_t flags, const legacy_io_node *node);

enum { LEGACY_PRE = 2, LEGACY_POST = 4, LEGACY_FIRST = 0x100, LEGACY_LAST = 0x200 };

enum {
    LEGACY_SHAPE_BCWH = 1,
    LEGACY_FORMAT_MASK = 0x01FFFFFF,
    LEGACY_FORMAT_IO = 1 << 27,
    LEGACY_FORMAT_U8 = 0x00040440,
    LEGACY_META_QUANTIZED = 1,
    LEGACY_SCALE_IS_FLOAT = 1,
    LEGACY_ZERO_POINT_U8 = 2,
    LEGACY_ZERO_POINT_S8 = 4,
    LEGACY_ZERO_POINT_U16 = 8,
    LEGACY_ZERO_POINT_S16 = 16
};
#define LEGACY_PARAMS_MAGIC 0xA1FACADEu

/* Types and codes of legacy_error. */
enum {
    LEGACY_NONE = 0x00,
    LEGACY_INVALID_HANDLE = 0x10,
    LEGACY_INVALID_STATE = 0x11,
    LEGACY_INVALID_INPUT = 0x12,
    LEGACY_INVALID_OUTPUT = 0x13,
    LEGACY_INIT_FAILED = 0x30,
    LEGACY_CREATE_FAILED = 0x33
};
enum {
    LEGACY_CODE_NETWORK = 0x10,
    LEGACY_CODE_PARAMS = 0x11,
    LEGACY_CODE_WEIGHTS = 0x12,
    LEGACY_CODE_ACTIVATIONS = 0x13,
    LEGACY_CODE_POINTER = 0x17,
    LEGACY_CODE_SIZE = 0x18,
    LEGACY_CODE_FORMAT = 0x19,
    LEGACY_CODE_BATCH = 0x21,
    LEGACY_CODE_MISSED_INIT = 0x30
};

#endif
