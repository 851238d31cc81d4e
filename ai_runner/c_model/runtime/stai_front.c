#include "stai_front.h"

#include <string.h>

#define MAGIC 0x41695354u

/* The caller's context: this record, then the addresses of inputs and outputs and those of one node's tensors. */
typedef struct {
    uint32_t magic;
    int32_t error; /* the first one since init; every call returns it from then on */
    uint8_t *arena;
    const void *weights;
    stai_callback callback;
    void *cookie;
    uint8_t *addresses[];
} context_record;

typedef struct {
    uint8_t **inputs, **outputs; /* of the network, 0 while there is no arena */
    uint8_t **own_inputs, **own_outputs; /* given by the caller, 0 where he gave none */
    uint8_t **node_inputs, **node_outputs;
} context_layout;

static uint32_t count_addresses(const cm_network *network)
{
    return 2 * (network->n_inputs + network->n_outputs) + network->max_node_inputs + network->max_node_outputs;
}

static context_layout layout_of(const cm_network *network, uint8_t **addresses)
{
    context_layout layout;
    layout.inputs = addresses;
    layout.outputs = layout.inputs + network->n_inputs;
    layout.own_inputs = layout.outputs + network->n_outputs;
    layout.own_outputs = layout.own_inputs + network->n_inputs;
    layout.node_inputs = layout.own_outputs + network->n_outputs;
    layout.node_outputs = layout.node_inputs + network->max_node_inputs;
    return layout;
}

static int is_aligned(const void *pointer, uint32_t bytes)
{
    return (uintptr_t)pointer % bytes == 0;
}

static int32_t check(const uint8_t *context)
{
    if (!context)
        return STAI_INVALID_CONTEXT;
    if (!is_aligned(context, 8))
        return STAI_CONTEXT_ALIGNMENT;
    return ((const context_record *)(const void *)context)->magic == MAGIC ? STAI_SUCCESS : STAI_INVALID_CONTEXT;
}

static context_record *record_of(uint8_t *context)
{
    return (context_record *)(void *)context;
}

static int32_t fail(context_record *record, int32_t error)
{
    if (record->error == STAI_SUCCESS)
        record->error = error;
    return record->error;
}

static void place_tensors(uint8_t **addresses, uint8_t *const *own, const cm_network *network, const uint32_t *indices,
                          uint32_t n, uint8_t *arena)
{
    for (uint32_t i = 0; i < n; i++) {
        addresses[i] = own[i];
        if (!own[i] && arena)
            addresses[i] = arena + network->tensors[indices[i]].offset;
    }
}

static void place_all(const cm_network *network, context_record *record)
{
    const context_layout at = layout_of(network, record->addresses);
    place_tensors(at.inputs, at.own_inputs, network, network->inputs, network->n_inputs, record->arena);
    place_tensors(at.outputs, at.own_outputs, network, network->outputs, network->n_outputs, record->arena);
}

uint32_t cm_stai_get_context_size(const stai_front *front)
{
    return (uint32_t)(sizeof(context_record) + count_addresses(front->network) * sizeof(uint8_t *));
}

int32_t cm_stai_init(const stai_front *front, uint8_t *context)
{
    if (!context)
        return STAI_INVALID_CONTEXT;
    if (!is_aligned(context, 8))
        return STAI_CONTEXT_ALIGNMENT;
    memset(context, 0, cm_stai_get_context_size(front));
    record_of(context)->weights = front->network->weights;
    record_of(context)->magic = MAGIC;
    return STAI_SUCCESS;
}

int32_t cm_stai_deinit(const stai_front *front, uint8_t *context)
{
    int32_t error = check(context);
    (void)front;
    if (error)
        return error;
    error = record_of(context)->error;
    record_of(context)->magic = 0;
    return error;
}

int32_t cm_stai_get_error(const stai_front *front, uint8_t *context)
{
    const int32_t error = check(context);
    (void)front;
    return error ? error : record_of(context)->error;
}

int32_t cm_stai_get_info(const stai_front *front, uint8_t *context, stai_info *info)
{
    const int32_t error = check(context);
    if (error)
        return error;
    if (!info)
        return fail(record_of(context), STAI_INVALID_INFO);
    *info = *front->info;
    return record_of(context)->error;
}

int32_t cm_stai_set_callback(const stai_front *front, uint8_t *context, stai_callback callback, void *cookie)
{
    const int32_t error = check(context);
    (void)front;
    if (error)
        return error;
    record_of(context)->callback = callback;
    record_of(context)->cookie = cookie;
    return record_of(context)->error;
}

int32_t cm_stai_set_activations(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n)
{
    const int32_t error = check(context);
    if (error)
        return error;
    if (!pointers)
        return fail(record_of(context), STAI_INVALID_ARGUMENTS);
    if (n != 1)
        return fail(record_of(context), STAI_ACTIVATIONS_COUNT);
    if (!pointers[0])
        return fail(record_of(context), STAI_ACTIVATIONS_POINTER);
    if (!is_aligned(pointers[0], CM_ALIGNMENT))
        return fail(record_of(context), STAI_BUFFER_ALIGNMENT);
    record_of(context)->arena = pointers[0];
    place_all(front->network, record_of(context));
    return record_of(context)->error;
}

int32_t cm_stai_set_weights(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n)
{
    const int32_t error = check(context);
    (void)front;
    if (error)
        return error;
    if (!pointers)
        return fail(record_of(context), STAI_INVALID_ARGUMENTS);
    if (n != 1)
        return fail(record_of(context), STAI_WEIGHTS_COUNT);
    if (!pointers[0])
        return fail(record_of(context), STAI_WEIGHTS_POINTER);
    if (!is_aligned(pointers[0], CM_ALIGNMENT))
        return fail(record_of(context), STAI_BUFFER_ALIGNMENT);
    record_of(context)->weights = pointers[0];
    return record_of(context)->error;
}

int32_t cm_stai_set_states(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n)
{
    const int32_t error = check(context);
    (void)front;
    (void)pointers;
    if (error)
        return error;
    return n ? fail(record_of(context), STAI_STATES_COUNT) : record_of(context)->error;
}

/* Least alignment of a tensor's elements: their size, from the bits field of the format word. */
static uint32_t element_bytes(const cm_tensor *tensor)
{
    const uint32_t bits = ((uint32_t)tensor->format >> 7) & 0x7f;
    return bits > 8 ? bits / 8 : 1;
}

static int32_t check_addresses(const cm_network *network, const uint32_t *indices, uint32_t n_wanted,
                               uint8_t *const *pointers, uint32_t n, int32_t bad_pointer, int32_t bad_count)
{
    if (!pointers)
        return STAI_INVALID_ARGUMENTS;
    if (n != n_wanted)
        return bad_count;
    for (uint32_t i = 0; i < n; i++) {
        if (!pointers[i])
            return bad_pointer;
        if (!is_aligned(pointers[i], element_bytes(&network->tensors[indices[i]])))
            return STAI_BUFFER_ALIGNMENT;
    }
    return STAI_SUCCESS;
}

int32_t cm_stai_set_inputs(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n)
{
    const cm_network *network = front->network;
    int32_t error = check(context);
    if (error)
        return error;
    error = check_addresses(network, network->inputs, network->n_inputs, pointers, n, STAI_INPUTS_POINTER,
                            STAI_INPUTS_COUNT);
    if (error)
        return fail(record_of(context), error);
    memcpy(layout_of(network, record_of(context)->addresses).own_inputs, pointers, n * sizeof *pointers);
    place_all(network, record_of(context));
    return record_of(context)->error;
}

int32_t cm_stai_set_outputs(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n)
{
    const cm_network *network = front->network;
    int32_t error = check(context);
    if (error)
        return error;
    error = check_addresses(network, network->outputs, network->n_outputs, pointers, n, STAI_OUTPUTS_POINTER,
                            STAI_OUTPUTS_COUNT);
    if (error)
        return fail(record_of(context), error);
    memcpy(layout_of(network, record_of(context)->addresses).own_outputs, pointers, n * sizeof *pointers);
    place_all(network, record_of(context));
    return record_of(context)->error;
}

static int32_t get_addresses(context_record *record, uint8_t *const *addresses, uint32_t n_addresses,
                             uint8_t **pointers, uint32_t *n)
{
    if (!n)
        return fail(record, STAI_INVALID_ARGUMENTS);
    *n = n_addresses;
    if (pointers && n_addresses)
        memcpy(pointers, addresses, n_addresses * sizeof *pointers);
    return record->error;
}

int32_t cm_stai_get_inputs(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n)
{
    const int32_t error = check(context);
    if (error)
        return error;
    return get_addresses(record_of(context), layout_of(front->network, record_of(context)->addresses).inputs,
                         front->network->n_inputs, pointers, n);
}

int32_t cm_stai_get_outputs(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n)
{
    const int32_t error = check(context);
    if (error)
        return error;
    return get_addresses(record_of(context), layout_of(front->network, record_of(context)->addresses).outputs,
                         front->network->n_outputs, pointers, n);
}

int32_t cm_stai_get_activations(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n)
{
    const int32_t error = check(context);
    (void)front;
    return error ? error : get_addresses(record_of(context), &record_of(context)->arena, 1, pointers, n);
}

int32_t cm_stai_get_weights(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n)
{
    const int32_t error = check(context);
    uint8_t *weights;
    (void)front;
    if (error)
        return error;
    weights = (uint8_t *)(uintptr_t)record_of(context)->weights; /* the interface has no const */
    return get_addresses(record_of(context), &weights, 1, pointers, n);
}

int32_t cm_stai_get_states(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n)
{
    const int32_t error = check(context);
    (void)front;
    return error ? error : get_addresses(record_of(context), 0, 0, pointers, n);
}

static void observe(void *cookie, cm_event event, const cm_network *network, const cm_memory *memory, uint32_t index)
{
    context_record *record = cookie;
    const cm_node *node = &network->nodes[index];
    const context_layout at = layout_of(network, record->addresses);
    stai_node_event payload;
    payload.node_id = node->id;
    if (event == CM_BEFORE_NODE) {
        /* Both lists now, so that a clock in the callbacks measures the node and nothing else. */
        for (uint32_t i = 0; i < node->n_inputs; i++)
            at.node_inputs[i] = cm_tensor_data(&network->tensors[node->inputs[i]], memory);
        for (uint32_t i = 0; i < node->n_outputs; i++)
            at.node_outputs[i] = cm_tensor_data(&network->tensors[node->outputs[i]], memory);
        payload.buffers.size = node->n_inputs;
        payload.buffers.data = at.node_inputs;
        record->callback(record->cookie, STAI_EVENT_START, &payload);
    } else {
        payload.buffers.size = node->n_outputs;
        payload.buffers.data = at.node_outputs;
        record->callback(record->cookie, STAI_EVENT_STOP, &payload);
    }
}

int32_t cm_stai_run(const stai_front *front, uint8_t *context, int32_t mode)
{
    const int32_t error = check(context);
    context_record *record = record_of(context);
    context_layout at;
    cm_memory memory;
    if (error)
        return error;
    if (mode != 1 && mode != 2) /* there is nothing to wait for: asynchronous runs are synchronous */
        return fail(record, STAI_INVALID_ARGUMENTS);
    if (!record->arena)
        return fail(record, STAI_ACTIVATIONS_POINTER);
    at = layout_of(front->network, record->addresses);
    memory.arena = record->arena;
    memory.weights = record->weights;
    memory.inputs = at.inputs;
    memory.outputs = at.outputs;
    cm_run(front->network, &memory, record->callback ? observe : 0, record);
    return record->error;
}
