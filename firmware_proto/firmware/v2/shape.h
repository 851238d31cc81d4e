/* Tensors in messages of the v2 family: always batch, height, width, channel. */
#ifndef AIV_V2_SHAPE_H
#define AIV_V2_SHAPE_H

#include <stdint.h>

#include "messages.h"
#include "runtime/cm_network.h"

/* aiBufferShapeMsg. */
typedef struct {
    uint32_t format;
    uint32_t dims[4];
    float scale;
    int32_t zero_point;
} buffer_shape;

/* aiBufferByteMsg from the device; 0 for no data. */
typedef struct {
    buffer_shape shape;
    const uint8_t *bytes;
    uint32_t size;
} buffer_message;

buffer_shape shape_of(const cm_tensor *tensor);

/* Bytes of memory. */
buffer_shape shape_of_bytes(uint32_t n);

void encode_shape(wire_writer *to, const void *message);
void encode_buffer(wire_writer *to, const void *message);

/* Waits for an aiBufferByteMsg and stores at most n bytes of its data at `to`, unless format and shape, which go first,
 * are not those of the tensor. `sent` becomes the bytes that the host sent. */
error_code receive_buffer(const cm_tensor *tensor, uint8_t *to, uint32_t n, uint32_t *sent);

#endif
