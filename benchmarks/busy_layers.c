/*
 * A network in the st-ai C interface whose layers only take time: layer i computes ROUNDS[i] steps of a congruential
 * generator, each of which needs the one before. Compiled with -DLAYERS=n -DROUNDS={...} -DNODES={...}.
 */
#include "cm_export.h"
#include "stai_abi.h"

#include <string.h>

typedef struct {
    stai_callback callback;
    void *cookie;
    uint8_t *memory; /* 4 bytes of input, then 4 bytes of output */
} network;

static const uint32_t rounds[LAYERS] = ROUNDS;
static const int32_t one[] = {1, 1}, eight[] = {8}, first[] = {0}, second[] = {1};

#define FLOAT32 0x00821040
#define UINT8 0x00040440
#define LAYOUT (STAI_CHANNEL_LAST | STAI_HAS_BATCH)
#define PLACED (STAI_PREALLOCATED | LAYOUT)
#define TENSOR(bytes, flags, format, shape, name) \
    {bytes, flags, format, {sizeof(shape) / sizeof(shape[0]), shape}, {0, 0}, {0, 0}, name}
#define NODE {1, 0x103, {1, first}, {1, second}}

static const stai_tensor inputs[] = {TENSOR(4, STAI_INPUTS | PLACED, FLOAT32, one, 0)};
static const stai_tensor outputs[] = {TENSOR(4, STAI_OUTPUTS | PLACED, FLOAT32, one, 0)};
static const stai_tensor activations[] = {TENSOR(8, STAI_ACTIVATIONS, UINT8, eight, 0)};
static const stai_tensor between[] = {TENSOR(4, LAYOUT, FLOAT32, one, "x"), TENSOR(4, LAYOUT, FLOAT32, one, "y")};
static const stai_node nodes[LAYERS] = NODES;
CM_EXPORT const stai_details g_network_details = {between, nodes, LAYERS};

static const stai_info description = {
    "0x0", "", "network", "", 0, {1, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0}, 0, LAYERS,
    STAI_INPUTS | STAI_OUTPUTS | STAI_WEIGHTS, 1, 1, 1, 0, 0, inputs, outputs, activations, 0, 0};

CM_EXPORT uint32_t stai_network_get_context_size(void) { return sizeof(network); }

CM_EXPORT int32_t stai_network_init(network *net) {
    memset(net, 0, sizeof *net);
    return STAI_SUCCESS;
}

CM_EXPORT int32_t stai_network_get_info(network *net, stai_info *info) {
    (void)net;
    *info = description;
    return STAI_SUCCESS;
}

static int32_t accepted(network *net, uint8_t *const *addresses, uint32_t count) {
    (void)net, (void)addresses, (void)count;
    return STAI_SUCCESS;
}

#define ACCEPTS(what) \
    CM_EXPORT int32_t stai_network_set_##what(network *net, uint8_t *const *addresses, uint32_t count) { \
        return accepted(net, addresses, count); \
    }
ACCEPTS(weights)
ACCEPTS(states)
ACCEPTS(inputs)
ACCEPTS(outputs)

CM_EXPORT int32_t stai_network_set_activations(network *net, uint8_t *const *addresses, uint32_t count) {
    (void)count;
    net->memory = addresses[0];
    return STAI_SUCCESS;
}

static int32_t tell(uint8_t *address, uint8_t **addresses, uint32_t *count) {
    addresses[0] = address;
    *count = 1;
    return STAI_SUCCESS;
}

CM_EXPORT int32_t stai_network_get_inputs(network *net, uint8_t **addresses, uint32_t *count) {
    return tell(net->memory, addresses, count);
}

CM_EXPORT int32_t stai_network_get_outputs(network *net, uint8_t **addresses, uint32_t *count) {
    return tell(net->memory + 4, addresses, count);
}

CM_EXPORT int32_t stai_network_set_callback(network *net, stai_callback callback, void *cookie) {
    net->callback = callback;
    net->cookie = cookie;
    return STAI_SUCCESS;
}

static void report(const network *net, int32_t event, uint8_t *address) {
    uint8_t *const shown[] = {address};
    stai_node_event payload = {1, {1, shown}};
    if (net->callback) {
        net->callback(net->cookie, event, &payload);
    }
}

CM_EXPORT int32_t stai_network_run(network *net, int32_t mode) {
    uint32_t state;
    float result;
    (void)mode;
    memcpy(&state, net->memory, sizeof state);
    for (int layer = 0; layer < LAYERS; layer++) {
        report(net, STAI_EVENT_START, net->memory);
        for (uint32_t i = 0; i < rounds[layer]; i++) {
            state = state * 1664525u + 1013904223u;
        }
        report(net, STAI_EVENT_STOP, net->memory + 4);
    }
    result = (float)(state >> 31);
    memcpy(net->memory + 4, &result, sizeof result);
    return STAI_SUCCESS;
}
