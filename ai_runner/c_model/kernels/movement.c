/* Operators that move elements without looking at them: RESHAPE, SQUEEZE, TRANSPOSE, STRIDED_SLICE, PAD,
 * CONCATENATION and RESIZE_NEAREST_NEIGHBOR. */
#include <stddef.h>
#include <string.h>

#include "kernels.h"
#include "strided_loop.h"

void reshape(const reshape_params *p, const void *in, void *out)
{
    memcpy(out, in, (size_t)p->size);
}

void strided_copy(const strided_copy_params *p, const void *in, void *out)
{
    const uint8_t *from = (const uint8_t *)in + p->in_start;
    uint8_t *to = (uint8_t *)out + p->out_start;
    loop_position at = {{0}, 0, 0};
    for (int32_t run = 0; run < p->runs.count; run++) {
        memcpy(to + at.b, from + at.a, (size_t)p->run);
        advance(&p->runs, &at);
    }
}

void pad(const pad_params *p, const void *in, void *out)
{
    for (int32_t i = 0; i < p->out_size; i += p->value_size) {
        memcpy((uint8_t *)out + i, p->value, (size_t)p->value_size);
    }
    strided_copy(&p->inner, in, out);
}

void concatenation(const concatenation_params *p, const void *const *in, void *out)
{
    uint8_t *to = out;
    for (int32_t row = 0; row < p->rows; row++) {
        for (int32_t i = 0; i < p->inputs; i++) {
            memcpy(to, (const uint8_t *)in[i] + (ptrdiff_t)row * p->run[i], (size_t)p->run[i]);
            to += p->run[i];
        }
    }
}

void resize_nearest_neighbor(const resize_nearest_neighbor_params *p, const void *in, void *out)
{
    const uint8_t *image = in;
    uint8_t *to = out;
    for (int32_t batch = 0; batch < p->batches; batch++) {
        for (int32_t y = 0; y < p->out_height; y++) {
            for (int32_t x = 0; x < p->out_width; x++) {
                int32_t from = p->row[y] * p->in_width + p->column[x];
                memcpy(to, image + (ptrdiff_t)from * p->pixel, (size_t)p->pixel);
                to += p->pixel;
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->pixel;
    }
}
