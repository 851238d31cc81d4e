#include "v2/shape.h"

#include "models.h"

enum { KIND_FLOAT = 1 };

/* The bit that floating-point formats have in these dialects and no longer in v3.1. */
#define FORMAT_FLOAT_BIT 0x01000000u

buffer_shape shape_of(const cm_tensor *tensor)
{
    uint32_t format = (uint32_t)tensor->format;
    if ((format >> 17 & 0xF) == KIND_FLOAT)
        format |= FORMAT_FLOAT_BIT;
    buffer_shape shape = {format, {1, 1, 1, 1}, tensor_scale(tensor), tensor_zero_point(tensor)};
    /* From the channel backwards; what does not fit is part of the height. A batch of 1 in front is one already. */
    uint32_t first = tensor->n_dims > 1 && tensor->dims[0] == 1;
    for (uint32_t i = tensor->n_dims, axis = 3; i-- > first; axis -= axis > 1)
        shape.dims[axis] *= (uint32_t)tensor->dims[i];
    return shape;
}

buffer_shape shape_of_bytes(uint32_t n)
{
    return (buffer_shape){FORMAT_U8, {1, 1, 1, n}, 0.0f, 0};
}

void encode_shape(wire_writer *to, const void *message)
{
    const buffer_shape *shape = message;
    wire_put_u32(to, 1, shape->format);
    for (uint32_t i = 0; i < 4; i++)
        wire_put_u32(to, 2 + i, shape->dims[i]);
    wire_put_float(to, 6, shape->scale);
    wire_put_i32(to, 7, shape->zero_point);
}

void encode_buffer(wire_writer *to, const void *message)
{
    const buffer_message *buffer = message;
    wire_put_message(to, 1, encode_shape, &buffer->shape);
    if (buffer->bytes)
        wire_put_bytes(to, 2, buffer->bytes, buffer->size);
}

static error_code check_shape(wire_reader shape, const cm_tensor *tensor)
{
    buffer_shape wanted = shape_of(tensor);
    uint32_t format = 0, dims[4] = {0};
    wire_field field;
    while (wire_next(&shape, &field)) {
        if (field.type == WIRE_VARINT && field.number == 1)
            format = (uint32_t)field.value;
        else if (field.type == WIRE_VARINT && field.number >= 2 && field.number <= 5)
            dims[field.number - 2] = (uint32_t)field.value;
    }
    wire_finish(&shape);
    if (format != wanted.format)
        return E_INVALID_FORMAT;
    for (uint32_t i = 0; i < 4; i++)
        if (dims[i] != wanted.dims[i])
            return E_INVALID_SHAPE;
    return E_NONE;
}

error_code receive_buffer(const cm_tensor *tensor, uint8_t *to, uint32_t n, uint32_t *sent)
{
    wire_reader message;
    wire_field field;
    error_code error = E_INVALID_FORMAT; /* until a shape has come; one that comes after the data is none */
    *sent = 0;
    if (!wire_begin(&message, DATA_MESSAGE_MAX))
        return E_INVALID_SIZE;
    while (wire_next(&message, &field)) {
        if (field.number == 1 && field.type == WIRE_BYTES && !*sent)
            error = check_shape(wire_enter(&message), tensor);
        if (field.number == 2 && field.type == WIRE_BYTES) {
            if (error == E_NONE)
                wire_take(&message, to, n);
            *sent = (uint32_t)field.value;
        }
    }
    wire_finish(&message);
    return error == E_NONE && *sent != n ? E_INVALID_SIZE : error;
}
