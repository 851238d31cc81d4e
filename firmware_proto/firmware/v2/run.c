/* CMD_NETWORK_RUN: takes the inputs, runs the model, reports nodes and outputs. */
#include "models.h"
#include "port.h"
#include "v2/commands.h"
#include "v2/shape.h"

enum { NORMAL = 0, INSPECTOR = 1, INSPECTOR_WITHOUT_DATA = 2 };

enum { NODE_OUTPUT = 0, NODE_INTERNAL = 1, NODE_INTERNAL_LAST = 2 };

/* nodeMsg. */
typedef struct {
    uint32_t type; /* flags << 16 | layer type */
    uint32_t id;
    float duration_ms;
    buffer_message buffer;
} node_message;

/* A run in progress, for the observer. */
typedef struct {
    uint32_t mode;
    uint64_t node_start;
} run;

static void encode_node(wire_writer *to, const void *message)
{
    const node_message *node = message;
    wire_put_u32(to, 1, node->type);
    wire_put_u32(to, 2, node->id);
    wire_put_float(to, 3, node->duration_ms);
    wire_put_message(to, 4, encode_buffer, &node->buffer);
}

static uint32_t elements(const cm_tensor *tensor)
{
    return tensor->bytes / tensor_element_bytes(tensor);
}

/* 0 when the host sent something else than the input; then it has been told. */
static int take_input(const model *of, uint32_t index)
{
    const cm_tensor *tensor = model_input(of, index);
    uint32_t sent;
    error_code error = receive_buffer(tensor, of->memory.inputs[index], tensor->bytes, &sent);
    if (error != E_NONE) {
        answer_ack(S_ERROR, error, error);
        return 0;
    }
    answer_ack(index + 1 < of->network->n_inputs ? S_WAITING : S_PROCESSING, elements(tensor), E_NONE);
    receive_ack();
    return 1;
}

/* A node of these dialects has one tensor: the first. */
static void report_node(void *cookie, cm_event event, const cm_network *network, const cm_memory *memory, uint32_t i)
{
    run *current = cookie;
    if (event == CM_BEFORE_NODE) {
        current->node_start = port_ticks();
        return;
    }
    uint64_t ticks = port_ticks() - current->node_start;
    const cm_node *node = &network->nodes[i];
    uint32_t flags = i + 1 == network->n_nodes ? NODE_INTERNAL_LAST : NODE_INTERNAL;
    node_message message = {.type = flags << 16 | node->type, .id = (uint32_t)node->id, .duration_ms = ticks_ms(ticks)};
    if (node->n_outputs) {
        const cm_tensor *tensor = &network->tensors[node->outputs[0]];
        message.buffer = (buffer_message){shape_of(tensor), 0, tensor->bytes};
        if (current->mode == INSPECTOR)
            message.buffer.bytes = cm_tensor_data(tensor, memory);
    }
    answer(S_PROCESSING, ANSWER_NODE, encode_node, &message);
    receive_ack();
}

/* aiRunReportMsg. */
typedef struct {
    uint32_t n_nodes;
    float elapsed_ms;
} report_message;

static void encode_report(wire_writer *to, const void *message)
{
    const report_message *report = message;
    wire_put_u32(to, 1, 0);
    wire_put_u32(to, 2, 0);
    wire_put_u32(to, 3, 1);
    wire_put_u32(to, 4, report->n_nodes);
    wire_put_float(to, 5, report->elapsed_ms);
}

static void send_outputs(const model *of, float duration_ms)
{
    for (uint32_t i = 0; i < of->network->n_outputs; i++) {
        const cm_tensor *tensor = model_output(of, i);
        int last = i + 1 == of->network->n_outputs;
        node_message message = {
            .type = NODE_OUTPUT,
            .duration_ms = duration_ms,
            .buffer = {shape_of(tensor), of->memory.outputs[i], tensor->bytes},
        };
        answer(last ? S_DONE : S_PROCESSING, ANSWER_NODE, encode_node, &message);
        if (!last)
            receive_ack();
    }
}

void command_run(const request *asked)
{
    model of;
    if (!model_by_name(&of, asked->name)) {
        answer_refused();
        return;
    }
    answer_ack(S_WAITING, of.network->n_inputs ? elements(model_input(&of, 0)) : 0, E_NONE);
    for (uint32_t i = 0; i < of.network->n_inputs; i++)
        if (!take_input(&of, i))
            return;
    run current = {.mode = asked->param};
    uint64_t start = port_ticks();
    cm_run(of.network, &of.memory, asked->param == NORMAL ? 0 : report_node, &current);
    report_message report = {of.network->n_nodes, ticks_ms(port_ticks() - start)};
    if (asked->param != NORMAL) {
        answer(S_PROCESSING, ANSWER_REPORT, encode_report, &report);
        receive_ack();
    }
    send_outputs(&of, report.elapsed_ms);
}
