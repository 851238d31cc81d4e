/* Tensors in messages of the v3 family. */
#ifndef AIV_V3_TENSOR_H
#define AIV_V3_TENSOR_H

#include <stdint.h>

#include "messages.h"
#include "runtime/cm_network.h"

enum {
    TENSOR_INPUT = 1,
    TENSOR_OUTPUT = 2,
    TENSOR_INTERNAL = 4,
    TENSOR_MEMPOOL = 8,
    TENSOR_LAST = 0x100,
    TENSOR_NO_DATA = 0x200,
    TENSOR_IN_MEMPOOL = 0x400
};

/* aiTensorDescMsg. */
typedef struct {
    const char *name;
    uint32_t format;
    uint32_t size; /* elements */
    uint32_t n_dims; /* shape code << 24 | rank */
    const int32_t *dims;
    float scale;
    int32_t zero_point;
    uint32_t address;
    uint32_t flags;
} tensor_desc;

/* aiDataMsg from the device. */
typedef struct {
    uint32_t type;
    uint32_t size;
    uint32_t address;
    const uint8_t *bytes; /* 0: `size` times the low byte of `fill` */
    uint32_t fill;
} tensor_data;

/* aiTensorMsg. */
typedef struct {
    tensor_desc desc;
    tensor_data data;
} tensor_message;

tensor_desc tensor_describe(const cm_tensor *tensor, const uint8_t *data, uint32_t flags);

void encode_tensor_desc(wire_writer *to, const void *message);
void encode_tensor_data(wire_writer *to, const void *message);
void encode_tensor(wire_writer *to, const void *message);

/* The tensor with its data, without where TENSOR_NO_DATA is set. */
void answer_tensor(answer_state state, const cm_tensor *tensor, const uint8_t *data, uint32_t flags);

/* Waits for an aiDataMsg and stores at most n bytes of its data at `to`, which may be 0. Returns how many bytes the host
 * sent. */
uint32_t receive_data(uint8_t *to, uint32_t n);

#endif
