/* A network as constant tables and one function a node: what an application, a firmware or an ABI front drives.
 * Nothing here allocates, prints or keeps state: an instance is a cm_memory of the caller. */
#ifndef CM_NETWORK_H
#define CM_NETWORK_H

#include <stdint.h>

/* Wanted of the arena and of a replacement for the weights. */
#define CM_ALIGNMENT 8u

/* Where the data of one instance is. */
typedef struct {
    uint8_t *arena;         /* arena_bytes of the network */
    const void *weights;    /* laid out as the network's own */
    uint8_t *const *inputs; /* one address each, anywhere; never written to, unless they are in the arena */
    uint8_t *const *outputs;
} cm_memory;

typedef enum { CM_IN_ARENA, CM_IS_INPUT, CM_IS_OUTPUT } cm_place;

typedef struct {
    const char *name;
    int32_t format; /* type word of the STM32 AI interfaces: float32 0x00821040, s8 0x00840440, ... */
    uint32_t bytes;
    uint32_t n_dims;
    const int32_t *dims;
    uint32_t n_scales; /* 0: not quantised; more than 1: per channel */
    const float *scales;
    const int32_t *zero_points;
    cm_place place;
    uint32_t index;  /* which input or output it is */
    uint32_t offset; /* its bytes in the arena; inputs and outputs have a place there too, to use or to leave */
} cm_tensor;

typedef struct {
    int32_t id; /* index of the operator in the .tflite file */
    uint16_t type; /* operator number of the STM32 AI interfaces: 0x103 is a 2-D convolution */
    uint16_t n_inputs; /* computed tensors only, constants do not count */
    uint16_t n_outputs;
    const uint32_t *inputs; /* indices of tensors */
    const uint32_t *outputs;
    void (*run)(const cm_memory *memory);
} cm_node;

typedef struct {
    const char *name;
    const char *signature; /* md5 of the .tflite file, 0x and 32 digits */
    const char *model_datetime; /* ISO 8601, of the .tflite file */
    const char *generator;
    uint64_t macc;
    uint32_t arena_bytes;
    uint32_t weights_bytes;
    const void *weights;
    uint32_t n_tensors;
    uint32_t n_nodes;
    uint32_t n_inputs;
    uint32_t n_outputs;
    uint32_t max_node_inputs;
    uint32_t max_node_outputs;
    const cm_tensor *tensors;
    const cm_node *nodes;
    const uint32_t *inputs; /* indices of tensors */
    const uint32_t *outputs;
    void (*finish)(const cm_memory *memory); /* fills outputs that no node writes; may be 0 */
} cm_network;

typedef enum { CM_BEFORE_NODE, CM_AFTER_NODE } cm_event;

/* Called around node number `node` of cm_run. */
typedef void (*cm_observer)(void *cookie, cm_event event, const cm_network *network, const cm_memory *memory,
                            uint32_t node);

/* Address of a tensor's data; the data of a tensor in the arena lasts until its memory is used again. */
uint8_t *cm_tensor_data(const cm_tensor *tensor, const cm_memory *memory);

/* One inference; `observer` may be 0. */
void cm_run(const cm_network *network, const cm_memory *memory, cm_observer observer, void *cookie);

#endif
