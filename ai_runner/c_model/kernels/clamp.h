/* Limits of fused activations. */
#ifndef AI_RUNNER_CLAMP_H
#define AI_RUNNER_CLAMP_H

#include <stdint.h>

static inline int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* NaN stays NaN. */
static inline float clamp_f32(float x, float low, float high)
{
    x = x < low ? low : x;
    return high < x ? high : x;
}

#endif
