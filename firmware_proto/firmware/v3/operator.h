/* What a node or a whole model has done. */
#ifndef AIV_V3_OPERATOR_H
#define AIV_V3_OPERATOR_H

#include <stdint.h>

#include "messages.h"

enum { NODE_INTERNAL = 1, NODE_LAST = 2, NODE_WITHOUT_TENSOR = 4 };

enum { COUNTERS_MAX = 2, NOT_MEASURED = -1 };

/* aiOperatorMsg. */
typedef struct {
    const char *name;
    uint32_t type; /* flags << 24 | layer type */
    uint32_t id;
    float duration_ms;
    uint32_t counter_type; /* 0: CPU cycles, pairs of a low and a high word */
    uint32_t n_counters;
    uint32_t counters[COUNTERS_MAX];
    int32_t stack_used;
    int32_t heap_used;
} operator_message;

void encode_operator(wire_writer *to, const void *message);

/* S_PROCESSING; `ticks` is what the port measured. */
void answer_operator(const char *name, uint32_t type, uint32_t id, uint64_t ticks);

#endif
