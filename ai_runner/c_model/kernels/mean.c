/* MEAN over any dimensions. */
#include "clamp.h"
#include "kernels.h"
#include "quantized.h"
#include "strided_loop.h"

void mean_s8(const mean_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    loop_position kept = {{0}, 0, 0};
    for (int32_t i = 0; i < p->kept.count; i++) {
        loop_position at = {{0}, kept.a, 0};
        int32_t sum = 0;
        for (int32_t k = 0; k < p->reduced.count; k++) {
            sum += in[at.a];
            advance(&p->reduced, &at);
        }
        int32_t value = scaled(sum + p->sum_offset, p->output_multiplier, p->output_shift) + p->output_offset;
        out[i] = (int8_t)clamp(value, INT8_MIN, INT8_MAX);
        advance(&p->kept, &kept);
    }
}

void mean_f32(const mean_f32_params *p, const float *in, float *restrict out)
{
    loop_position kept = {{0}, 0, 0};
    for (int32_t i = 0; i < p->kept.count; i++) {
        loop_position at = {{0}, kept.a, 0};
        float sum = 0.0f;
        for (int32_t k = 0; k < p->reduced.count; k++) {
            sum += in[at.a];
            advance(&p->reduced, &at);
        }
        out[i] = sum / (float)p->reduced.count;
        advance(&p->kept, &kept);
    }
}
