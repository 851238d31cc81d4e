/* FULLY_CONNECTED. Unlike the convolutions it scales its int8 sums in double precision, rounding once. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "clamp.h"
#include "kernels.h"
#include "quantized.h"

static int32_t dot_product(const int8_t *weights, const int16_t *row, int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++) {
        int16_t weight = weights[i];
        sum += weight * row[i];
    }
    return sum;
}

void fully_connected_s8(const fully_connected_s8_params *p, const int8_t *in, int8_t *restrict out, void *scratch)
{
    int16_t *row = scratch;
    for (int32_t batch = 0; batch < p->batches; batch++) {
        int32_t row_sum = 0;
        for (int32_t i = 0; i < p->in_features; i++) {
            row[i] = (int16_t)(in[i] + p->input_offset);
            row_sum += row[i];
        }
        for (int32_t c = 0; c < p->out_features; c++) {
            int32_t sum = dot_product(p->weights + (ptrdiff_t)c * p->in_features, row, p->in_features);
            sum += p->weights_offset * row_sum + (p->bias ? p->bias[c] : 0);
            int32_t value = whole_plus(round(sum * p->scale[c * p->scale_step]), p->output_offset);
            out[c] = (int8_t)clamp(value, p->output_min, p->output_max);
        }
        in += p->in_features;
        out += p->out_features;
    }
}

void fully_connected_f32(const fully_connected_f32_params *p, const float *in, float *restrict out)
{
    for (int32_t batch = 0; batch < p->batches; batch++) {
        memset(out, 0, (size_t)p->out_features * sizeof *out);
        for (int32_t i = 0; i < p->in_features; i++) {
            const float *weights = p->weights + (ptrdiff_t)i * p->out_features;
            for (int32_t c = 0; c < p->out_features; c++) {
                out[c] += in[i] * weights[c];
            }
        }
        for (int32_t c = 0; c < p->out_features; c++) {
            out[c] = clamp_f32(out[c] + (p->bias ? p->bias[c] : 0.0f), p->output_min, p->output_max);
        }
        in += p->in_features;
        out += p->out_features;
    }
}
