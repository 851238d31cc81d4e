/* ADD, SUB and MUL of two operands, either of which may be broadcast. */
#include "clamp.h"
#include "kernels.h"
#include "quantized.h"
#include "strided_loop.h"

/* ADD works on values shifted left by 20 bits, as LiteRT does. */
enum { ADD_LEFT_SHIFT = 20 };

void add_s8(const add_s8_params *p, const int8_t *a, const int8_t *b, int8_t *restrict out)
{
    const broadcast *o = &p->operands;
    loop_position at = {{0}, 0, 0};
    for (int32_t run = 0; run < o->runs.count; run++) {
        for (int32_t i = 0; i < o->run; i++) {
            int32_t x = shift_left(a[at.a + i * o->step_a] + p->offset_a, ADD_LEFT_SHIFT);
            int32_t y = shift_left(b[at.b + i * o->step_b] + p->offset_b, ADD_LEFT_SHIFT);
            int32_t sum = scaled(x, p->multiplier_a, p->shift_a) + scaled(y, p->multiplier_b, p->shift_b);
            sum = scaled(sum, p->output_multiplier, p->output_shift) + p->output_offset;
            *out++ = (int8_t)clamp(sum, p->output_min, p->output_max);
        }
        advance(&o->runs, &at);
    }
}

void mul_s8(const mul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *restrict out)
{
    const broadcast *o = &p->operands;
    loop_position at = {{0}, 0, 0};
    for (int32_t run = 0; run < o->runs.count; run++) {
        for (int32_t i = 0; i < o->run; i++) {
            int32_t product = (a[at.a + i * o->step_a] + p->offset_a) * (b[at.b + i * o->step_b] + p->offset_b);
            product = scaled(product, p->output_multiplier, p->output_shift) + p->output_offset;
            *out++ = (int8_t)clamp(product, p->output_min, p->output_max);
        }
        advance(&o->runs, &at);
    }
}

void add_f32(const arithmetic_f32_params *p, const float *a, const float *b, float *restrict out)
{
    const broadcast *o = &p->operands;
    loop_position at = {{0}, 0, 0};
    for (int32_t run = 0; run < o->runs.count; run++) {
        for (int32_t i = 0; i < o->run; i++) {
            float sum = a[at.a + i * o->step_a] + b[at.b + i * o->step_b];
            *out++ = clamp_f32(sum, p->output_min, p->output_max);
        }
        advance(&o->runs, &at);
    }
}

void sub_f32(const arithmetic_f32_params *p, const float *a, const float *b, float *restrict out)
{
    const broadcast *o = &p->operands;
    loop_position at = {{0}, 0, 0};
    for (int32_t run = 0; run < o->runs.count; run++) {
        for (int32_t i = 0; i < o->run; i++) {
            float difference = a[at.a + i * o->step_a] - b[at.b + i * o->step_b];
            *out++ = clamp_f32(difference, p->output_min, p->output_max);
        }
        advance(&o->runs, &at);
    }
}

void mul_f32(const arithmetic_f32_params *p, const float *a, const float *b, float *restrict out)
{
    const broadcast *o = &p->operands;
    loop_position at = {{0}, 0, 0};
    for (int32_t run = 0; run < o->runs.count; run++) {
        for (int32_t i = 0; i < o->run; i++) {
            float product = a[at.a + i * o->step_a] * b[at.b + i * o->step_b];
            *out++ = clamp_f32(product, p->output_min, p->output_max);
        }
        advance(&o->runs, &at);
    }
}
