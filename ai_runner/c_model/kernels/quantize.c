/* QUANTIZE and DEQUANTIZE, and int8 RELU, which is a change of quantization with limits. */
#include <math.h>

#include "clamp.h"
#include "kernels.h"
#include "quantized.h"

static int32_t requantized(const requantize_params *p, int32_t q)
{
    int32_t value = scaled(q + p->input_offset, p->output_multiplier, p->output_shift) + p->output_offset;
    return clamp(value, p->output_min, p->output_max);
}

void requantize_s8_s8(const requantize_params *p, const int8_t *in, int8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (int8_t)requantized(p, in[i]);
    }
}

void requantize_s8_u8(const requantize_params *p, const int8_t *in, uint8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (uint8_t)requantized(p, in[i]);
    }
}

void requantize_u8_s8(const requantize_params *p, const uint8_t *in, int8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (int8_t)requantized(p, in[i]);
    }
}

void requantize_u8_u8(const requantize_params *p, const uint8_t *in, uint8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (uint8_t)requantized(p, in[i]);
    }
}

static int32_t quantized(const quantize_params *p, float real, int32_t low, int32_t high)
{
    return clamp(whole_plus(roundf(real / p->scale), p->zero_point), low, high);
}

void quantize_f32_s8(const quantize_params *p, const float *in, int8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (int8_t)quantized(p, in[i], INT8_MIN, INT8_MAX);
    }
}

void quantize_f32_u8(const quantize_params *p, const float *in, uint8_t *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (uint8_t)quantized(p, in[i], 0, UINT8_MAX);
    }
}

void dequantize_s8_f32(const quantize_params *p, const int8_t *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (float)((double)p->scale * (in[i] - p->zero_point));
    }
}

void dequantize_u8_f32(const quantize_params *p, const uint8_t *in, float *restrict out)
{
    for (int32_t i = 0; i < p->size; i++) {
        out[i] = (float)((double)p->scale * (in[i] - p->zero_point));
    }
}
