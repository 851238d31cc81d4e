/* The functions of the legacy interface for any network; the generated file gives them the network's name. */
#ifndef LEGACY_FRONT_H
#define LEGACY_FRONT_H

#include "cm_network.h"
#include "legacy_handle.h"

/* The one instance of a network in a library: the interface has no room for a second one. */
typedef struct {
    legacy_handle handle; /* first: its address is the handle */
    const cm_network *network;
    legacy_report description; /* constant part of the report */
    legacy_buffer *inputs;
    legacy_buffer *outputs;
    legacy_buffer *weights;          /* one */
    legacy_buffer *activations;      /* one */
    const legacy_io_tensor *tensors; /* as observers see them, without data */
    uint8_t **input_addresses;       /* of the sample that runs */
    uint8_t **output_addresses;
    legacy_io_tensor *node_inputs; /* of the node that runs */
    legacy_io_tensor *node_outputs;
    legacy_error error;
    bool is_ready;
    uint8_t *arena;
    const void *current_weights;
} legacy_front;

legacy_error legacy_front_create(legacy_front *front, void **handle, const legacy_buffer *config);
legacy_error legacy_front_create_and_init(legacy_front *front, void **handle, void *const activations[],
                                          void *const weights[]);
void *legacy_front_destroy(legacy_front *front, void *handle);
bool legacy_front_init(legacy_front *front, void *handle, const legacy_params *params);
legacy_error legacy_front_get_error(legacy_front *front, void *handle);
bool legacy_front_get_report(legacy_front *front, void *handle, legacy_report *report);
legacy_buffer *legacy_front_inputs_get(legacy_front *front, void *handle, uint16_t *n);
legacy_buffer *legacy_front_outputs_get(legacy_front *front, void *handle, uint16_t *n);
int32_t legacy_front_run(legacy_front *front, void *handle, const legacy_buffer *inputs, legacy_buffer *outputs);
bool legacy_front_data_params_get(legacy_front *front, legacy_params *params);
legacy_buffer legacy_front_data_buffer(const legacy_buffer *buffer, void *data);

#endif
