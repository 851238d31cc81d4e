/* Walking a strided_loop. */
#ifndef AI_RUNNER_STRIDED_LOOP_H
#define AI_RUNNER_STRIDED_LOOP_H

#include "kernels.h"

typedef struct {
    int32_t index[LOOP_RANK];
    int32_t a, b; /* offsets into the two arrays */
} loop_position;

static inline void advance(const strided_loop *loop, loop_position *at)
{
    for (int d = LOOP_RANK - 1; d >= 0; d--) {
        at->a += loop->stride_a[d];
        at->b += loop->stride_b[d];
        if (++at->index[d] < loop->shape[d]) {
            return;
        }
        at->a -= loop->shape[d] * loop->stride_a[d];
        at->b -= loop->shape[d] * loop->stride_b[d];
        at->index[d] = 0;
    }
}

#endif
