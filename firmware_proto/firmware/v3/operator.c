#include "v3/operator.h"

#include "models.h"
#include "port.h"

void encode_operator(wire_writer *to, const void *message)
{
    const operator_message *op = message;
    wire_put_string(to, 1, op->name, NAME_MAX_BYTES);
    wire_put_u32(to, 2, op->type);
    wire_put_u32(to, 3, op->id);
    wire_put_float(to, 4, op->duration_ms);
    wire_put_u32(to, 5, op->counter_type);
    for (uint32_t i = 0; i < op->n_counters; i++)
        wire_put_u32(to, 6, op->counters[i]);
    wire_put_i32(to, 7, op->stack_used);
    wire_put_i32(to, 8, op->heap_used);
}

void answer_operator(const char *name, uint32_t type, uint32_t id, uint64_t ticks)
{
    operator_message op = {
        .name = name,
        .type = type,
        .id = id,
        .duration_ms = ticks_ms(ticks),
        .n_counters = port_describe()->ticks_are_cycles ? 2 : 0,
        .counters = {(uint32_t)ticks, (uint32_t)(ticks >> 32)},
        .stack_used = NOT_MEASURED,
        .heap_used = NOT_MEASURED,
    };
    answer(S_PROCESSING, ANSWER_OPERATOR, encode_operator, &op);
}
