/* Activations that are operators of their own. */
#include <math.h>

#include "clamp.h"
#include "kernels.h"
#include "quantized.h"

void lookup_s8(const lookup_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = p->table[in[i] + 128];
    }
}

/* ---- HARD_SWISH of int8 in 16-bit fixed point: x * reluish(x), where reluish maps [-3, 3] to [0, 1] ---- */

static int32_t saturate_16(int32_t x)
{
    return clamp(x, INT16_MIN, INT16_MAX);
}

static int32_t high_product_16(int32_t a, int32_t b)
{
    int32_t product = a * b;
    return (product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15);
}

/* In Q0.15. The last bit of a left shift comes after the product, so that saturation happens only there. */
static int32_t reluish(const hard_swish_s8_params *p, int32_t x)
{
    if (p->reluish_shift > 0) {
        x = saturate_16(x * (1 << (p->reluish_shift < 16 ? p->reluish_shift - 1 : 15)));
    }
    x = high_product_16(x, p->reluish_multiplier);
    if (p->reluish_shift > 0) {
        x = saturate_16(x * 2);
    } else {
        x = shift_right(x, -p->reluish_shift);
    }
    return (x + (1 << 15)) >> 1;
}

void hard_swish_s8(const hard_swish_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        int32_t x = (in[i] - p->input_zero_point) * (1 << 7);
        int32_t product = reluish(p, x) * high_product_16(x, p->output_multiplier) / (1 << 15);
        int32_t value = shift_right(product, -p->output_shift) + p->output_zero_point;
        out[i] = (int8_t)clamp(value, INT8_MIN, INT8_MAX);
    }
}

/* ---- float; how NaN and -0 come out is part of the reference ---- */

/* Far out LiteRT takes exp(x) and 1 for the sigmoid; the limits are those of its kernel. */
static float logistic(float x)
{
    if (x > 16.619047164916992f) {
        return 1.0f;
    }
    return x < -9.0f ? expf(x) : 1.0f / (1.0f + expf(-x));
}

void logistic_f32(const elementwise_params *p, const float *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = logistic(in[i]);
    }
}

void tanh_f32(const elementwise_params *p, const float *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = tanhf(in[i]);
    }
}

void relu_f32(const elementwise_params *p, const float *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = in[i] < 0.0f ? 0.0f : in[i];
    }
}

void relu6_f32(const elementwise_params *p, const float *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = clamp_f32(in[i], 0.0f, 6.0f);
    }
}

void relu_n1_to_1_f32(const elementwise_params *p, const float *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = clamp_f32(in[i], -1.0f, 1.0f);
    }
}

void hard_swish_f32(const elementwise_params *p, const float *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        float x = in[i] + 3.0f;
        x = 0.0f < x ? x : 0.0f;
        out[i] = in[i] * (x < 6.0f ? x : 6.0f) / 6.0f;
    }
}
