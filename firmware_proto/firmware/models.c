#include "models.h"

#include <string.h>

#include "image.h"
#include "port.h"

#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(32)))
#else
#define ALIGNED
#endif

uint8_t aiv_arena[AIV_ARENA_BYTES] ALIGNED;

static uint8_t *inputs[AIV_MAX_INPUTS], *outputs[AIV_MAX_OUTPUTS];

int model_by_index(model *found, uint32_t index)
{
    if (index >= aiv_n_networks)
        return 0;
    const cm_network *network = aiv_networks[index];
    for (uint32_t i = 0; i < network->n_inputs; i++)
        inputs[i] = aiv_arena + network->tensors[network->inputs[i]].offset;
    for (uint32_t i = 0; i < network->n_outputs; i++)
        outputs[i] = aiv_arena + network->tensors[network->outputs[i]].offset;
    found->network = network;
    found->memory = (cm_memory){aiv_arena, network->weights, inputs, outputs};
    return 1;
}

int model_by_name(model *found, const char *name)
{
    for (uint32_t i = 0; i < aiv_n_networks; i++)
        if (!strcmp(aiv_networks[i]->name, name))
            return model_by_index(found, i);
    return 0;
}

const cm_tensor *model_input(const model *of, uint32_t index)
{
    return &of->network->tensors[of->network->inputs[index]];
}

const cm_tensor *model_output(const model *of, uint32_t index)
{
    return &of->network->tensors[of->network->outputs[index]];
}

uint32_t tensor_element_bytes(const cm_tensor *tensor)
{
    uint32_t bits = (uint32_t)tensor->format >> 7 & 0x7F;
    return bits == 1 ? 4 : bits < 8 ? 1 : bits / 8;
}

float tensor_scale(const cm_tensor *tensor)
{
    return tensor->n_scales ? tensor->scales[0] : 0.0f;
}

int32_t tensor_zero_point(const cm_tensor *tensor)
{
    return tensor->n_scales ? tensor->zero_points[0] : 0;
}

float ticks_ms(uint64_t ticks)
{
    return (float)((double)ticks * 1000.0 / port_describe()->ticks_hz);
}
