/* The models of the image. They share one arena and run one at a time. */
#ifndef AIV_MODELS_H
#define AIV_MODELS_H

#include <stdint.h>

#include "runtime/cm_network.h"

extern uint8_t aiv_arena[];

/* A model with its memory in place; made anew for every use. */
typedef struct {
    const cm_network *network;
    cm_memory memory;
} model;

/* 0 when there is no such model. */
int model_by_index(model *found, uint32_t index);
int model_by_name(model *found, const char *name);

const cm_tensor *model_input(const model *of, uint32_t index);
const cm_tensor *model_output(const model *of, uint32_t index);

/* Storage units: bytes, words, or the words that packed bits share. */
uint32_t tensor_element_bytes(const cm_tensor *tensor);

/* The scale and zero point of the tensor, of its first channel where it has several; 0 when it is not quantised. */
float tensor_scale(const cm_tensor *tensor);
int32_t tensor_zero_point(const cm_tensor *tensor);

/* Ticks of the port as milliseconds. */
float ticks_ms(uint64_t ticks);

#endif
