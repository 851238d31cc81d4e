/* SOFTMAX over the last dimension. The int8 version follows gemmlowp's fixed-point exp and reciprocal; Qm.n has m
 * integer and n fractional bits beside the sign. */
#include <float.h>
#include <math.h>

#include "clamp.h"
#include "kernels.h"
#include "quantized.h"

/* ---- int8 ---- */

enum { INPUT_BITS = 5, SUM_BITS = 12 }; /* integer bits of scaled inputs and of the sum of exponentials */

static int32_t saturating_shift_left(int32_t x, int32_t n)
{
    int32_t limit = INT32_MAX >> n;
    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : shift_left(x, n);
}

/* exp(x) in Q0.31 for x in Q0.31, -1/4 <= x < 0: a series of fourth order around -1/8. */
static int32_t exp_small(int32_t x)
{
    const int32_t exp_minus_eighth = 1895147668, third = 715827883;
    int32_t d = x + (1 << 28);
    int32_t d2 = high_product(d, d);
    int32_t d3 = high_product(d2, d);
    int32_t d4 = high_product(d2, d2);
    int32_t d4_d3_d2 = shift_right(high_product(shift_right(d4, 2) + d3, third) + d2, 1);
    return exp_minus_eighth + high_product(exp_minus_eighth, d + d4_d3_d2);
}

/* exp(x) in Q0.31 for x <= 0 in Q5.26: the part below 1/4 by the series, the rest bit by bit. */
static int32_t exp_negative(int32_t x)
{
    static const int32_t exp_minus_power[] = {/* exp(-2^(i - 2)) */
                                              1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    if (x == 0) {
        return INT32_MAX;
    }
    int32_t small = (x & (quarter - 1)) - quarter;
    int32_t rest = small - x;
    int32_t result = exp_small(shift_left(small, INPUT_BITS));
    for (int i = 0; i < 7; i++) {
        if (rest & shift_left(quarter, i)) {
            result = high_product(result, exp_minus_power[i]);
        }
    }
    return result;
}

/* 1 / (1 + x) in Q0.31 for x in Q0.31, 0 <= x < 1: three Newton steps in Q2.29. */
static int32_t reciprocal_of_one_plus(int32_t x)
{
    const int32_t q48_17 = 1515870810, q32_17 = 1010580540;
    int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t result = q48_17 + high_product(half_denominator, -q32_17);
    for (int i = 0; i < 3; i++) {
        int32_t error = (1 << 29) - high_product(half_denominator, result);
        result += saturating_shift_left(high_product(result, error), 2);
    }
    return saturating_shift_left(result, 1);
}

static int32_t leading_zeros(uint32_t x)
{
    int32_t n = 0;
    for (; n < 32 && !(x & 0x80000000u); x <<= 1) {
        n++;
    }
    return n;
}

static int32_t exp_of_difference(const softmax_s8_params *p, int32_t difference)
{
    return exp_negative(high_product(shift_left(difference, p->input_shift), p->input_multiplier));
}

static void softmax_row_s8(const softmax_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    int32_t largest = INT8_MIN, sum = 0;
    for (int32_t i = 0; i < p->depth; i++) {
        largest = in[i] > largest ? in[i] : largest;
    }
    for (int32_t i = 0; i < p->depth; i++) {
        if (in[i] - largest >= p->diff_min) {
            sum += shift_right(exp_of_difference(p, in[i] - largest), SUM_BITS);
        }
    }
    int32_t headroom = leading_zeros((uint32_t)sum);
    int32_t scale = reciprocal_of_one_plus((int32_t)(((uint32_t)sum << headroom) - 0x80000000u));
    int32_t shift = SUM_BITS - headroom + 31 - 8;
    for (int32_t i = 0; i < p->depth; i++) {
        out[i] = INT8_MIN;
        if (in[i] - largest >= p->diff_min) {
            int32_t share = high_product(scale, exp_of_difference(p, in[i] - largest));
            out[i] = (int8_t)clamp(shift_right(share, shift) + INT8_MIN, INT8_MIN, INT8_MAX);
        }
    }
}

void softmax_s8(const softmax_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    for (int32_t row = 0; row < p->rows; row++) {
        softmax_row_s8(p, in, out);
        in += p->depth;
        out += p->depth;
    }
}

/* ---- float ---- */

void softmax_f32(const softmax_f32_params *p, const float *in, float *restrict out)
{
    for (int32_t row = 0; row < p->rows; row++) {
        float largest = -FLT_MAX, sum = 0.0f;
        for (int32_t i = 0; i < p->depth; i++) {
            largest = largest < in[i] ? in[i] : largest;
        }
        for (int32_t i = 0; i < p->depth; i++) {
            out[i] = expf((in[i] - largest) * p->beta);
            sum += out[i];
        }
        for (int32_t i = 0; i < p->depth; i++) {
            out[i] /= sum;
        }
        in += p->depth;
        out += p->depth;
    }
}
