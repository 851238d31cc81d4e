/* Fixed-point arithmetic of quantized operators: a real factor is multiplier * 2^(shift - 31), where the multiplier
 * has its leading bit at 2^30. Products are rounded twice, as in gemmlowp: to 32 bits, then by the right shift. */
#ifndef AI_RUNNER_QUANTIZED_H
#define AI_RUNNER_QUANTIZED_H

#include <stdint.h>

/* 2 * a * b / 2^32, halves upwards. Not for a = b = INT32_MIN. */
static inline int32_t high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^n, halves away from zero; 0 <= n <= 31. Without branches, because signs cannot be predicted. */
static inline int32_t shift_right(int32_t x, int32_t n)
{
    uint32_t sign = (uint32_t)(x >> 31);
    uint32_t magnitude = ((uint32_t)x ^ sign) - sign;
    uint32_t rounded = (magnitude + ((1u << n) >> 1)) >> n;
    return (int32_t)((rounded ^ sign) - sign);
}

/* x * 2^n without regard for overflow. */
static inline int32_t shift_left(int32_t x, int32_t n)
{
    return (int32_t)((uint32_t)x << n);
}

/* A whole number as int32, plus an offset. Numbers that have no int32, and NaN, become INT32_MIN and the sum wraps
 * around: C leaves this open, and so it comes out in LiteRT on x86. */
static inline int32_t whole_plus(double x, int32_t offset)
{
    int32_t whole = x >= -2147483648.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
    return (int32_t)((uint32_t)whole + (uint32_t)offset);
}

/* x * multiplier * 2^(shift - 31); -31 <= shift <= 30. */
static inline int32_t scaled(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return high_product(shift_left(x, shift), multiplier);
    }
    return shift_right(high_product(x, multiplier), -shift);
}

#endif
