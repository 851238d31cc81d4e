/* The functions of the st-ai interface for any network; the generated file gives them the network's name. */
#ifndef STAI_FRONT_H
#define STAI_FRONT_H

#include "cm_network.h"
#include "stai_abi.h"

typedef struct {
    const cm_network *network;
    const stai_info *info;
} stai_front;

uint32_t cm_stai_get_context_size(const stai_front *front);
int32_t cm_stai_init(const stai_front *front, uint8_t *context);
int32_t cm_stai_deinit(const stai_front *front, uint8_t *context);
int32_t cm_stai_get_error(const stai_front *front, uint8_t *context);
int32_t cm_stai_get_info(const stai_front *front, uint8_t *context, stai_info *info);
int32_t cm_stai_set_callback(const stai_front *front, uint8_t *context, stai_callback callback, void *cookie);
int32_t cm_stai_run(const stai_front *front, uint8_t *context, int32_t mode);

int32_t cm_stai_set_activations(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n);
int32_t cm_stai_set_weights(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n);
int32_t cm_stai_set_states(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n);
int32_t cm_stai_set_inputs(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n);
int32_t cm_stai_set_outputs(const stai_front *front, uint8_t *context, uint8_t *const *pointers, uint32_t n);

int32_t cm_stai_get_activations(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n);
int32_t cm_stai_get_weights(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n);
int32_t cm_stai_get_states(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n);
int32_t cm_stai_get_inputs(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n);
int32_t cm_stai_get_outputs(const stai_front *front, uint8_t *context, uint8_t **pointers, uint32_t *n);

#endif
