/* CMD_NETWORK_INFO: what a model is. */
#include "models.h"
#include "v2/commands.h"
#include "v2/shape.h"
#include "validation.h"

static void put_shape(wire_writer *to, uint32_t field, buffer_shape shape)
{
    wire_put_message(to, field, encode_shape, &shape);
}

static void encode_model(wire_writer *to, const void *message)
{
    const model *of = message;
    const cm_network *network = of->network;
    wire_put_string(to, 1, network->name, NAME_MAX_BYTES);
    wire_put_string(to, 2, network->signature, NAME_MAX_BYTES);
    wire_put_string(to, 3, network->model_datetime, NAME_MAX_BYTES);
    wire_put_string(to, 4, __DATE__ " " __TIME__, NAME_MAX_BYTES);
    wire_put_string(to, 5, runtime_description(), NAME_MAX_BYTES); /* a free text */
    wire_put_u32(to, 6, VERSION(7, 0, 0));
    wire_put_string(to, 7, "(AiRunner)", NAME_MAX_BYTES);
    wire_put_u32(to, 8, VERSION(7, 0, 0));
    /* The two differ: that says ST.AI in dialects without a runtime id. */
    wire_put_u32(to, 9, VERSION(1, 4, 0));
    wire_put_u32(to, 10, VERSION(1, 1, 0));
    wire_put_u32(to, 11, VERSION(1, 3, 0));
    wire_put_u32(to, 12, (uint32_t)network->macc);
    wire_put_u32(to, 13, network->n_inputs);
    wire_put_u32(to, 14, network->n_outputs);
    wire_put_u32(to, 15, network->n_nodes);
    for (uint32_t i = 0; i < network->n_inputs; i++)
        put_shape(to, 16, shape_of(model_input(of, i)));
    for (uint32_t i = 0; i < network->n_outputs; i++)
        put_shape(to, 17, shape_of(model_output(of, i)));
    put_shape(to, 18, shape_of_bytes(network->arena_bytes));
    put_shape(to, 19, shape_of_bytes(network->weights_bytes));
    wire_put_u32(to, 20, 0);
}

void command_model_info(const request *asked)
{
    model found;
    if (asked->name[0] ? model_by_name(&found, asked->name) : model_by_index(&found, asked->param))
        answer(S_IDLE, ANSWER_MODEL_V2, encode_model, &found);
    else
        answer_refused();
}
