/* CMD_NETWORK_INFO: what a model is. */
#include "image.h"
#include "models.h"
#include "port.h"
#include "v3/commands.h"
#include "v3/tensor.h"
#include "validation.h"

enum { SHAPE_BCWH = 1 };

/* A block of memory as a tensor of bytes. */
static void put_pool(wire_writer *to, uint32_t field, const char *name, const void *at, uint32_t bytes)
{
    int32_t dims[] = {(int32_t)bytes};
    tensor_desc pool = {
        .name = name,
        .format = FORMAT_U8,
        .size = bytes,
        .n_dims = SHAPE_BCWH << 24 | 1,
        .dims = dims,
        .address = port_address(at),
        .flags = TENSOR_MEMPOOL,
    };
    wire_put_message(to, field, encode_tensor_desc, &pool);
}

static void encode_model(wire_writer *to, const void *message)
{
    const model *of = message;
    const cm_network *network = of->network;
    wire_put_string(to, 1, network->name, NAME_MAX_BYTES);
    wire_put_u32(to, 2, RUNTIME_ID);
    wire_put_string(to, 3, network->signature, NAME_MAX_BYTES);
    wire_put_string(to, 4, __DATE__ " " __TIME__, NAME_MAX_BYTES);
    wire_put_u32(to, 5, VERSION(10, 2, 0));
    wire_put_u32(to, 6, VERSION(2, 2, 0));
    wire_put_u64(to, 7, network->macc);
    wire_put_u32(to, 8, network->n_nodes);
    wire_put_u32(to, 10, network->n_inputs);
    for (uint32_t i = 0; i < network->n_inputs; i++) {
        tensor_desc desc = tensor_describe(model_input(of, i), of->memory.inputs[i], TENSOR_INPUT | TENSOR_IN_MEMPOOL);
        wire_put_message(to, 11, encode_tensor_desc, &desc);
    }
    wire_put_u32(to, 12, network->n_outputs);
    for (uint32_t i = 0; i < network->n_outputs; i++) {
        tensor_desc desc =
            tensor_describe(model_output(of, i), of->memory.outputs[i], TENSOR_OUTPUT | TENSOR_IN_MEMPOOL);
        wire_put_message(to, 13, encode_tensor_desc, &desc);
    }
    wire_put_u32(to, 14, 1);
    put_pool(to, 15, "activations", aiv_arena, network->arena_bytes);
    wire_put_u32(to, 16, 1);
    put_pool(to, 17, "weights", network->weights, network->weights_bytes);
    wire_put_string(to, 20, runtime_description(), NAME_MAX_BYTES);
}

void command_model_info(const request *asked)
{
    model found;
    if (asked->name[0] ? model_by_name(&found, asked->name) : model_by_index(&found, asked->param))
        answer(S_IDLE, ANSWER_MODEL, encode_model, &found);
    else
        answer_refused();
}
