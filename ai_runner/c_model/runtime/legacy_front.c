#include "legacy_front.h"

#include <string.h>

static const legacy_error NO_ERROR = {LEGACY_NONE, 0};

/* Only the first error counts until it is read. */
static void set_error(legacy_front *front, uint32_t type, uint32_t code)
{
    if (front->error.type == LEGACY_NONE) {
        front->error.type = type & 0xff;
        front->error.code = code & 0xffffff;
    }
}

static bool is_handle_of(const legacy_front *front, const void *handle)
{
    return handle == &front->handle && front->handle.magic == LEGACY_HANDLE_MAGIC;
}

static bool is_aligned(const void *pointer)
{
    return (uintptr_t)pointer % CM_ALIGNMENT == 0;
}

static legacy_params maps_of(legacy_front *front)
{
    legacy_params params;
    memset(&params, 0, sizeof params);
    params.maps.magic = LEGACY_PARAMS_MAGIC;
    params.maps.weights.size = params.maps.activations.size = 1;
    params.maps.weights.buffers = front->weights;
    params.maps.activations.buffers = front->activations;
    return params;
}

legacy_error legacy_front_create(legacy_front *front, void **handle, const legacy_buffer *config)
{
    static const legacy_error no_place = {LEGACY_CREATE_FAILED, LEGACY_CODE_POINTER};
    (void)config;
    if (!handle)
        return no_place;
    front->handle.magic = LEGACY_HANDLE_MAGIC;
    front->error = NO_ERROR;
    *handle = &front->handle;
    return NO_ERROR;
}

legacy_error legacy_front_create_and_init(legacy_front *front, void **handle, void *const activations[],
                                          void *const weights[])
{
    legacy_params params;
    const legacy_error error = legacy_front_create(front, handle, 0);
    if (error.type != LEGACY_NONE)
        return error;
    legacy_front_data_params_get(front, &params);
    if (activations)
        params.maps.activations.buffers[0].data = activations[0];
    if (weights)
        params.maps.weights.buffers[0].data = weights[0];
    legacy_front_init(front, *handle, &params);
    return legacy_front_get_error(front, *handle);
}

void *legacy_front_destroy(legacy_front *front, void *handle)
{
    if (!is_handle_of(front, handle))
        return handle;
    memset(&front->handle, 0, sizeof front->handle);
    front->is_ready = false;
    return 0;
}

/* Addresses of inputs and outputs in the report: their places in the arena, none while there is no arena. */
static void show_addresses(legacy_front *front)
{
    const cm_network *network = front->network;
    for (uint32_t i = 0; i < network->n_inputs; i++)
        front->inputs[i].data = front->arena + network->tensors[network->inputs[i]].offset;
    for (uint32_t i = 0; i < network->n_outputs; i++)
        front->outputs[i].data = front->arena + network->tensors[network->outputs[i]].offset;
}

bool legacy_front_init(legacy_front *front, void *handle, const legacy_params *params)
{
    const legacy_buffer *weights, *activations;
    if (!is_handle_of(front, handle))
        return false;
    front->is_ready = false;
    if (!params) {
        set_error(front, LEGACY_INIT_FAILED, LEGACY_CODE_PARAMS);
        return false;
    }
    weights = &params->single.weights;
    activations = &params->single.activations;
    if (params->maps.magic == LEGACY_PARAMS_MAGIC) {
        weights = params->maps.weights.size == 1 ? params->maps.weights.buffers : 0;
        activations = params->maps.activations.size == 1 ? params->maps.activations.buffers : 0;
    }
    if (!weights || !weights->data || !is_aligned(weights->data)) {
        set_error(front, LEGACY_INIT_FAILED, LEGACY_CODE_WEIGHTS);
        return false;
    }
    if (!activations || !activations->data || !is_aligned(activations->data)) {
        set_error(front, LEGACY_INIT_FAILED, LEGACY_CODE_ACTIVATIONS);
        return false;
    }
    front->current_weights = weights->data;
    front->arena = activations->data;
    show_addresses(front);
    front->is_ready = true;
    return true;
}

legacy_error legacy_front_get_error(legacy_front *front, void *handle)
{
    static const legacy_error foreign = {LEGACY_INVALID_HANDLE, LEGACY_CODE_NETWORK};
    const legacy_error error = front->error;
    if (!is_handle_of(front, handle))
        return foreign;
    front->error = NO_ERROR;
    return error;
}

bool legacy_front_get_report(legacy_front *front, void *handle, legacy_report *report)
{
    if (!is_handle_of(front, handle) || !report)
        return false;
    *report = front->description;
    report->n_macc = front->network->macc;
    report->n_nodes = front->network->n_nodes;
    report->n_inputs = (uint16_t)front->network->n_inputs;
    report->n_outputs = (uint16_t)front->network->n_outputs;
    report->inputs = front->inputs;
    report->outputs = front->outputs;
    report->params = maps_of(front);
    return true;
}

legacy_buffer *legacy_front_inputs_get(legacy_front *front, void *handle, uint16_t *n)
{
    if (!is_handle_of(front, handle))
        return 0;
    if (n)
        *n = (uint16_t)front->network->n_inputs;
    return front->inputs;
}

legacy_buffer *legacy_front_outputs_get(legacy_front *front, void *handle, uint16_t *n)
{
    if (!is_handle_of(front, handle))
        return 0;
    if (n)
        *n = (uint16_t)front->network->n_outputs;
    return front->outputs;
}

bool legacy_front_data_params_get(legacy_front *front, legacy_params *params)
{
    if (!params)
        return false;
    front->weights[0].data = (void *)(uintptr_t)front->network->weights; /* the interface has no const */
    front->activations[0].data = 0;
    *params = maps_of(front);
    return true;
}

legacy_buffer legacy_front_data_buffer(const legacy_buffer *buffer, void *data)
{
    legacy_buffer copy = *buffer;
    copy.data = data;
    return copy;
}

/* The batch of `given` when it fits `wanted`, otherwise 0 and an error of type `type`. */
static uint32_t batch_of(legacy_front *front, const legacy_buffer *given, const legacy_buffer *wanted, uint32_t type)
{
    if (!given->data) {
        set_error(front, type, LEGACY_CODE_POINTER);
        return 0;
    }
    if ((given->format & LEGACY_FORMAT_MASK) != (wanted->format & LEGACY_FORMAT_MASK)) {
        set_error(front, type, LEGACY_CODE_FORMAT);
        return 0;
    }
    if (given->shape.size != wanted->shape.size || !given->shape.data
        || memcmp(given->shape.data + 1, wanted->shape.data + 1, (wanted->shape.size - 1) * sizeof(uint32_t)) != 0) {
        set_error(front, type, LEGACY_CODE_SIZE);
        return 0;
    }
    if (given->shape.data[0] == 0 || given->shape.data[0] > INT32_MAX)
        set_error(front, type, LEGACY_CODE_BATCH);
    return given->shape.data[0] > INT32_MAX ? 0 : given->shape.data[0];
}

/* The batch that all of `given` have in common, 0 after an error. */
static uint32_t common_batch(legacy_front *front, const legacy_buffer *given, const legacy_buffer *wanted, uint32_t n,
                             uint32_t expected, uint32_t type)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t batch = batch_of(front, &given[i], &wanted[i], type);
        if (batch == 0)
            return 0;
        if (expected == 0)
            expected = batch;
        if (batch != expected) {
            set_error(front, type, LEGACY_CODE_BATCH);
            return 0;
        }
    }
    return expected;
}

static void place_sample(uint8_t **addresses, const legacy_buffer *given, const cm_network *network,
                         const uint32_t *indices, uint32_t n, uint32_t sample)
{
    for (uint32_t i = 0; i < n; i++)
        addresses[i] = (uint8_t *)given[i].data + (size_t)sample * network->tensors[indices[i]].bytes;
}

static void fill(legacy_io_tensor *list, const legacy_front *front, const uint32_t *indices, uint32_t n,
                 const cm_memory *memory)
{
    for (uint32_t i = 0; i < n; i++) {
        list[i] = front->tensors[indices[i]];
        list[i].data = cm_tensor_data(&front->network->tensors[indices[i]], memory);
    }
}

static void observe(void *cookie, cm_event event, const cm_network *network, const cm_memory *memory, uint32_t index)
{
    legacy_front *front = cookie;
    const cm_node *node = &network->nodes[index];
    uint32_t flags = event == CM_BEFORE_NODE ? LEGACY_PRE : LEGACY_POST;
    legacy_io_node payload;
    flags |= index == 0 ? LEGACY_FIRST : 0;
    flags |= index == network->n_nodes - 1 ? LEGACY_LAST : 0;
    payload.c_idx = (uint16_t)index;
    payload.type = node->type;
    payload.id = (uint16_t)node->id;
    payload.n_tensors = event == CM_BEFORE_NODE ? node->n_inputs : node->n_outputs;
    payload.tensors = event == CM_BEFORE_NODE ? front->node_inputs : front->node_outputs;
    payload.elapsed_ms = 0.0f;
    if (event == CM_BEFORE_NODE) {
        /* Both lists now, so that the time after the node is the node's. */
        fill(front->node_inputs, front, node->inputs, node->n_inputs, memory);
        fill(front->node_outputs, front, node->outputs, node->n_outputs, memory);
    }
    front->handle.hook(front->handle.cookie, flags, &payload);
}

int32_t legacy_front_run(legacy_front *front, void *handle, const legacy_buffer *inputs, legacy_buffer *outputs)
{
    const cm_network *network = front->network;
    cm_memory memory;
    uint32_t batch;
    if (!is_handle_of(front, handle))
        return 0;
    if (!front->is_ready) {
        set_error(front, LEGACY_INVALID_STATE, LEGACY_CODE_MISSED_INIT);
        return 0;
    }
    if (!inputs) {
        set_error(front, LEGACY_INVALID_INPUT, LEGACY_CODE_POINTER);
        return 0;
    }
    batch = common_batch(front, inputs, front->inputs, network->n_inputs, 0, LEGACY_INVALID_INPUT);
    if (batch && outputs)
        batch = common_batch(front, outputs, front->outputs, network->n_outputs, batch, LEGACY_INVALID_OUTPUT);
    memory.arena = front->arena;
    memory.weights = front->current_weights;
    memory.inputs = front->input_addresses;
    memory.outputs = front->output_addresses;
    for (uint32_t sample = 0; sample < batch; sample++) {
        place_sample(front->input_addresses, inputs, network, network->inputs, network->n_inputs, sample);
        if (outputs)
            place_sample(front->output_addresses, outputs, network, network->outputs, network->n_outputs, sample);
        else /* into the arena, where the report says */
            place_sample(front->output_addresses, front->outputs, network, network->outputs, network->n_outputs, 0);
        cm_run(network, &memory, front->handle.hook ? observe : 0, front);
    }
    return (int32_t)batch;
}
