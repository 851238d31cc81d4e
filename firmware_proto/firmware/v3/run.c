/* CMD_NETWORK_RUN: takes the inputs, runs the model, reports nodes and outputs. */
#include <string.h>

#include "models.h"
#include "port.h"
#include "v3/commands.h"
#include "v3/operator.h"
#include "v3/tensor.h"

enum {
    PER_LAYER = 2,
    PER_LAYER_WITH_DATA = 4,
    PERF = 8,
    DEBUG = 0x100,
    CONST_VALUE = 0x200,
    DIRECT_WRITE = 0x400,
    DIRECT_READ = 0x800
};

/* A run in progress, for the observer. */
typedef struct {
    uint32_t mode;
    uint64_t node_start;
} run;

static void debug(uint32_t mode, const char *text)
{
    if (mode & DEBUG)
        answer_log(S_WAITING, 2, text);
}

static void repeat_first(uint8_t *data, uint32_t element, uint32_t bytes)
{
    for (uint32_t i = element; i + element <= bytes; i += element)
        memcpy(data + i, data, element);
}

/* 0 when the host sent something else than the input; then it has been told. */
static int take_input(const model *of, uint32_t index, uint32_t mode)
{
    const cm_tensor *tensor = model_input(of, index);
    uint8_t *data = mode & DIRECT_WRITE ? 0 : of->memory.inputs[index];
    uint32_t element = tensor_element_bytes(tensor);
    uint32_t wanted = mode & (CONST_VALUE | DIRECT_WRITE) ? element : tensor->bytes;
    uint32_t sent = receive_data(data, wanted);
    if (sent != wanted) {
        answer_ack(S_ERROR, sent, E_INVALID_SIZE);
        return 0;
    }
    if (mode & CONST_VALUE && data)
        repeat_first(data, element, tensor->bytes);
    answer_ack(index + 1 < of->network->n_inputs ? S_WAITING : S_PROCESSING, sent, E_NONE);
    receive_ack();
    return 1;
}

static void report_node(void *cookie, cm_event event, const cm_network *network, const cm_memory *memory, uint32_t i)
{
    run *current = cookie;
    if (event == CM_BEFORE_NODE) {
        port_flush(); /* the node may take long, and the host shows the ones before it */
        current->node_start = port_ticks();
        return;
    }
    uint64_t ticks = port_ticks() - current->node_start;
    const cm_node *node = &network->nodes[i];
    uint32_t flags = NODE_INTERNAL;
    if (i + 1 == network->n_nodes)
        flags |= NODE_LAST;
    if (!node->n_outputs)
        flags |= NODE_WITHOUT_TENSOR;
    answer_operator("", flags << 24 | node->type, (uint32_t)node->id, ticks);
    for (uint32_t k = 0; k < node->n_outputs; k++) {
        const cm_tensor *tensor = &network->tensors[node->outputs[k]];
        uint32_t tensor_flags = TENSOR_INTERNAL;
        if (k + 1 == node->n_outputs)
            tensor_flags |= TENSOR_LAST;
        if (!(current->mode & PER_LAYER_WITH_DATA))
            tensor_flags |= TENSOR_NO_DATA;
        answer_tensor(S_PROCESSING, tensor, cm_tensor_data(tensor, memory), tensor_flags);
    }
}

static void send_outputs(const model *of, uint32_t mode)
{
    uint32_t n = of->network->n_outputs;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t flags = TENSOR_OUTPUT | TENSOR_IN_MEMPOOL;
        if (i + 1 == n)
            flags |= TENSOR_LAST;
        if (mode & (PERF | DIRECT_READ))
            flags |= TENSOR_NO_DATA;
        answer_tensor(i + 1 == n ? S_DONE : S_PROCESSING, model_output(of, i), of->memory.outputs[i], flags);
    }
}

void command_run(const request *asked)
{
    model of;
    if (!model_by_name(&of, asked->name)) {
        answer_refused();
        return;
    }
    debug(asked->param, "run: waiting for inputs");
    answer_ack(S_WAITING, of.network->n_inputs ? model_input(&of, 0)->bytes : 0, E_NONE);
    for (uint32_t i = 0; i < of.network->n_inputs; i++)
        if (!take_input(&of, i, asked->param))
            return;
    debug(asked->param, "run: processing");
    run current = {.mode = asked->param};
    int per_layer = (asked->param & (PER_LAYER | PER_LAYER_WITH_DATA)) != 0;
    uint64_t start = port_ticks();
    cm_run(of.network, &of.memory, per_layer ? report_node : 0, &current);
    uint64_t ticks = port_ticks() - start;
    debug(asked->param, "run: done");
    answer_operator(of.network->name, 0, 0, ticks);
    send_outputs(&of, asked->param);
}
