/* DEPTHWISE_CONV_2D: all channels of a pixel advance together, one tap of the window after the other. */
#include <stddef.h>
#include <string.h>

#include "clamp.h"
#include "kernels.h"
#include "quantized.h"
#include "window.h"

/* ---- int8 ---- */

static void add_products_s8(const depthwise_conv_2d_s8_params *p, const int8_t *restrict in,
                            const int8_t *restrict weights, int32_t *restrict sum)
{
    int16_t offset = (int16_t)p->input_offset;
    if (p->depth_multiplier == 1) {
        for (int32_t c = 0; c < p->window.in_channels; c++) {
            int16_t value = (int16_t)(in[c] + offset), weight = weights[c];
            sum[c] += value * weight;
        }
        return;
    }
    for (int32_t c = 0; c < p->window.in_channels; c++) {
        int16_t value = (int16_t)(in[c] + offset);
        for (int32_t m = 0; m < p->depth_multiplier; m++) {
            int16_t weight = *weights++;
            *sum++ += value * weight;
        }
    }
}

static void output_s8(const depthwise_conv_2d_s8_params *p, const int32_t *restrict sum, int8_t *restrict out)
{
    for (int32_t c = 0; c < p->window.out_channels; c++) {
        int32_t value = scaled(sum[c], p->multiplier[c], p->shift[c]) + p->output_offset;
        out[c] = (int8_t)clamp(value, p->output_min, p->output_max);
    }
}

void depthwise_conv_2d_s8(const depthwise_conv_2d_s8_params *p, const int8_t *in, int8_t *restrict out, void *scratch)
{
    const window_2d *w = &p->window;
    size_t sum_size = (size_t)w->out_channels * sizeof(int32_t);
    int32_t *sum = scratch;

    for (int32_t batch = 0; batch < w->batches; batch++) {
        for (int32_t out_y = 0; out_y < w->out_height; out_y++) {
            tap_range y = taps_y(w, out_y);
            for (int32_t out_x = 0; out_x < w->out_width; out_x++) {
                tap_range x = taps_x(w, out_x);
                if (p->bias) {
                    memcpy(sum, p->bias, sum_size);
                } else {
                    memset(sum, 0, sum_size);
                }
                for (int32_t ky = y.first; ky < y.last; ky++) {
                    for (int32_t kx = x.first; kx < x.last; kx++) {
                        add_products_s8(p, in + tap_offset(w, y, ky, x, kx),
                                        p->weights + (ptrdiff_t)(ky * w->width + kx) * w->out_channels, sum);
                    }
                }
                output_s8(p, sum, out);
                out += w->out_channels;
            }
        }
        in += (ptrdiff_t)w->in_height * w->in_width * w->in_channels;
    }
}

/* ---- float ---- */

static void add_products_f32(const depthwise_conv_2d_f32_params *p, const float *restrict in,
                             const float *restrict weights, float *restrict sum)
{
    if (p->depth_multiplier == 1) {
        for (int32_t c = 0; c < p->window.in_channels; c++) {
            sum[c] += in[c] * weights[c];
        }
        return;
    }
    for (int32_t c = 0; c < p->window.in_channels; c++) {
        for (int32_t m = 0; m < p->depth_multiplier; m++) {
            *sum++ += in[c] * *weights++;
        }
    }
}

void depthwise_conv_2d_f32(const depthwise_conv_2d_f32_params *p, const float *in, float *restrict out)
{
    const window_2d *w = &p->window;
    for (int32_t batch = 0; batch < w->batches; batch++) {
        for (int32_t out_y = 0; out_y < w->out_height; out_y++) {
            tap_range y = taps_y(w, out_y);
            for (int32_t out_x = 0; out_x < w->out_width; out_x++) {
                tap_range x = taps_x(w, out_x);
                memset(out, 0, (size_t)w->out_channels * sizeof *out);
                for (int32_t ky = y.first; ky < y.last; ky++) {
                    for (int32_t kx = x.first; kx < x.last; kx++) {
                        add_products_f32(p, in + tap_offset(w, y, ky, x, kx),
                                         p->weights + (ptrdiff_t)(ky * w->width + kx) * w->out_channels, out);
                    }
                }
                for (int32_t c = 0; c < w->out_channels; c++) {
                    out[c] = clamp_f32(out[c] + (p->bias ? p->bias[c] : 0.0f), p->output_min, p->output_max);
                }
                out += w->out_channels;
            }
        }
        in += (ptrdiff_t)w->in_height * w->in_width * w->in_channels;
    }
}
