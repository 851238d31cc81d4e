#include "cm_network.h"

uint8_t *cm_tensor_data(const cm_tensor *tensor, const cm_memory *memory)
{
    switch (tensor->place) {
    case CM_IS_INPUT:
        return memory->inputs[tensor->index];
    case CM_IS_OUTPUT:
        return memory->outputs[tensor->index];
    default:
        return memory->arena + tensor->offset;
    }
}

void cm_run(const cm_network *network, const cm_memory *memory, cm_observer observer, void *cookie)
{
    for (uint32_t i = 0; i < network->n_nodes; i++) {
        if (observer)
            observer(cookie, CM_BEFORE_NODE, network, memory, i);
        network->nodes[i].run(memory);
        if (observer)
            observer(cookie, CM_AFTER_NODE, network, memory, i);
    }
    if (network->finish)
        network->finish(memory);
}
