/* CONV_2D: the window is gathered into a row, which is multiplied with the rows of the weights. */
#include <stddef.h>
#include <string.h>

#include "clamp.h"
#include "kernels.h"
#include "quantized.h"
#include "window.h"

/* ---- int8: two output pixels at a time, so that each weight is widened once for both ---- */

static int16_t *widen(const int8_t *in, int32_t n, int16_t offset, int16_t *out)
{
    for (int32_t i = 0; i < n; i++) {
        out[i] = (int16_t)(in[i] + offset);
    }
    return out + n;
}

static int16_t *zeros(int32_t n, int16_t *out)
{
    memset(out, 0, (size_t)n * sizeof *out);
    return out + n;
}

/* The input under the window as [height][width][depth], zero_point taken off, 0 where the window is outside. */
static void gather(const conv_2d_s8_params *p, const int8_t *in, int32_t pixel, int32_t group, int16_t *row)
{
    const window_2d *w = &p->window;
    int32_t depth = w->in_channels / p->groups;
    int16_t offset = (int16_t)p->input_offset;
    int32_t out_x = pixel % w->out_width;
    int32_t out_y = pixel / w->out_width % w->out_height;
    int32_t batch = pixel / w->out_width / w->out_height;
    tap_range y = taps_y(w, out_y), x = taps_x(w, out_x);

    in += (ptrdiff_t)batch * w->in_height * w->in_width * w->in_channels + group * depth;
    row = zeros(y.first * w->width * depth, row);
    for (int32_t ky = y.first; ky < y.last; ky++) {
        row = zeros(x.first * depth, row);
        if (w->dilation_width == 1 && p->groups == 1) {
            int32_t n = (x.last - x.first) * depth;
            row = n > 0 ? widen(in + tap_offset(w, y, ky, x, x.first), n, offset, row) : row;
        } else {
            for (int32_t kx = x.first; kx < x.last; kx++) {
                row = widen(in + tap_offset(w, y, ky, x, kx), depth, offset, row);
            }
        }
        row = zeros((w->width - x.last) * depth, row);
    }
    zeros((w->height - y.last) * w->width * depth, row);
}

static void dot_products(const int8_t *weights, const int16_t *row0, const int16_t *row1, int32_t n, int32_t sum[2])
{
    int32_t sum0 = 0, sum1 = 0;
    for (int32_t i = 0; i < n; i++) {
        int16_t weight = weights[i];
        sum0 += weight * row0[i];
        sum1 += weight * row1[i];
    }
    sum[0] = sum0;
    sum[1] = sum1;
}

static int8_t output_s8(const conv_2d_s8_params *p, int32_t channel, int32_t sum)
{
    if (p->bias) {
        sum += p->bias[channel];
    }
    sum = scaled(sum, p->multiplier[channel], p->shift[channel]) + p->output_offset;
    return (int8_t)clamp(sum, p->output_min, p->output_max);
}

void conv_2d_s8(const conv_2d_s8_params *p, const int8_t *in, int8_t *restrict out, void *scratch)
{
    const window_2d *w = &p->window;
    int32_t pixels = w->batches * w->out_height * w->out_width;
    int32_t n = w->height * w->width * (w->in_channels / p->groups);
    int32_t filters = w->out_channels / p->groups;
    int16_t *row0 = scratch, *row1 = row0 + n;

    for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
        int32_t pair = pixel + 1 < pixels;
        for (int32_t group = 0; group < p->groups; group++) {
            gather(p, in, pixel, group, row0);
            gather(p, in, pixel + pair, group, row1);
            for (int32_t c = group * filters; c < (group + 1) * filters; c++) {
                int32_t sum[2];
                dot_products(p->weights + (ptrdiff_t)c * n, row0, row1, n, sum);
                out[c] = output_s8(p, c, sum[0]);
                out[c + pair * w->out_channels] = output_s8(p, c, sum[pair]);
            }
        }
        out += 2 * w->out_channels;
    }
}

/* ---- float: the terms of a sum keep their order, the sums of all channels advance together ---- */

static void add_products(const float *in, int32_t depth, const float *weights, int32_t filters, float *restrict sum)
{
    for (int32_t d = 0; d < depth; d++) {
        for (int32_t c = 0; c < filters; c++) {
            sum[c] += in[d] * weights[c];
        }
        weights += filters;
    }
}

void conv_2d_f32(const conv_2d_f32_params *p, const float *in, float *restrict out)
{
    const window_2d *w = &p->window;
    int32_t depth = w->in_channels / p->groups;
    int32_t filters = w->out_channels / p->groups;
    int32_t pixels = w->batches * w->out_height * w->out_width;

    for (int32_t pixel = 0; pixel < pixels; pixel++) {
        int32_t batch = pixel / w->out_width / w->out_height;
        const float *image = in + (ptrdiff_t)batch * w->in_height * w->in_width * w->in_channels;
        tap_range y = taps_y(w, pixel / w->out_width % w->out_height), x = taps_x(w, pixel % w->out_width);
        memset(out, 0, (size_t)w->out_channels * sizeof *out);
        for (int32_t group = 0; group < p->groups; group++) {
            const float *weights = p->weights + (ptrdiff_t)group * w->height * w->width * depth * filters;
            for (int32_t ky = y.first; ky < y.last; ky++) {
                for (int32_t kx = x.first; kx < x.last; kx++) {
                    add_products(image + tap_offset(w, y, ky, x, kx) + group * depth, depth,
                                 weights + (ptrdiff_t)(ky * w->width + kx) * depth * filters, filters,
                                 out + group * filters);
                }
            }
        }
        for (int32_t c = 0; c < w->out_channels; c++) {
            out[c] = clamp_f32(out[c] + (p->bias ? p->bias[c] : 0.0f), p->output_min, p->output_max);
        }
        out += w->out_channels;
    }
}
