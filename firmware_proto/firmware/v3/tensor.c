#include "v3/tensor.h"

#include <string.h>

#include "models.h"
#include "port.h"

/* Dimensions as the model has them, channel last. */
enum { SHAPE_ST_AI = 4, SHAPE_CHANNEL_LAST = 32, SHAPE_HAS_BATCH = 64 };

/* ST's client cannot print longer names of inputs and outputs; it makes up a name for a tensor that has none. */
enum { IO_NAME_MAX = 20 };

tensor_desc tensor_describe(const cm_tensor *tensor, const uint8_t *data, uint32_t flags)
{
    uint32_t code = SHAPE_ST_AI | SHAPE_CHANNEL_LAST;
    if (tensor->n_dims && tensor->dims[0] == 1)
        code |= SHAPE_HAS_BATCH;
    int unprintable = flags & (TENSOR_INPUT | TENSOR_OUTPUT) && strlen(tensor->name) > IO_NAME_MAX;
    return (tensor_desc){
        .name = unprintable ? "" : tensor->name,
        .format = (uint32_t)tensor->format,
        .size = tensor->bytes / tensor_element_bytes(tensor),
        .n_dims = code << 24 | tensor->n_dims,
        .dims = tensor->dims,
        .scale = tensor_scale(tensor),
        .zero_point = tensor_zero_point(tensor),
        .address = port_address(data),
        .flags = flags,
    };
}

void encode_tensor_desc(wire_writer *to, const void *message)
{
    const tensor_desc *desc = message;
    wire_put_string(to, 1, desc->name, NAME_MAX_BYTES);
    wire_put_u32(to, 2, desc->format);
    wire_put_u32(to, 3, desc->size);
    wire_put_u32(to, 4, desc->n_dims);
    for (uint32_t i = 0; i < (desc->n_dims & 0xFFFFFF); i++)
        wire_put_u32(to, 5, (uint32_t)desc->dims[i]);
    wire_put_float(to, 6, desc->scale);
    wire_put_i32(to, 7, desc->zero_point);
    wire_put_u32(to, 8, desc->address);
    wire_put_u32(to, 9, desc->flags);
}

void encode_tensor_data(wire_writer *to, const void *message)
{
    const tensor_data *data = message;
    wire_put_u32(to, 1, data->type);
    wire_put_u32(to, 2, data->size);
    wire_put_u32(to, 3, data->address);
    if (data->bytes)
        wire_put_bytes(to, 4, data->bytes, data->size);
    else
        wire_put_fill(to, 4, (uint8_t)data->fill, data->size);
}

void encode_tensor(wire_writer *to, const void *message)
{
    const tensor_message *tensor = message;
    wire_put_message(to, 1, encode_tensor_desc, &tensor->desc);
    wire_put_message(to, 2, encode_tensor_data, &tensor->data);
}

void answer_tensor(answer_state state, const cm_tensor *tensor, const uint8_t *data, uint32_t flags)
{
    tensor_message message = {.desc = tensor_describe(tensor, data, flags)};
    message.data.address = message.desc.address;
    message.data.bytes = data;
    message.data.size = flags & TENSOR_NO_DATA ? 0 : tensor->bytes;
    answer(state, ANSWER_TENSOR, encode_tensor, &message);
}

uint32_t receive_data(uint8_t *to, uint32_t n)
{
    wire_reader message;
    wire_field field;
    uint32_t sent = 0;
    if (!wire_begin(&message, DATA_MESSAGE_MAX))
        return 0;
    while (wire_next(&message, &field)) {
        if (field.number == 4 && field.type == WIRE_BYTES) {
            wire_take(&message, to, n);
            sent = (uint32_t)field.value;
        }
    }
    wire_finish(&message);
    return sent;
}
