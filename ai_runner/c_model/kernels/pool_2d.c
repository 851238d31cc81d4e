/* AVERAGE_POOL_2D and MAX_POOL_2D: positions outside the image do not count. */
#include <float.h>
#include <stddef.h>

#include "clamp.h"
#include "kernels.h"
#include "window.h"

/* The pixels under a window. */
typedef struct {
    tap_range y, x;
    int32_t count;
    ptrdiff_t image; /* offset of its batch */
} covered;

static covered covered_by(const window_2d *w, int32_t pixel)
{
    covered at = {taps_y(w, pixel / w->out_width % w->out_height), taps_x(w, pixel % w->out_width), 0, 0};
    at.count = (at.y.last - at.y.first) * (at.x.last - at.x.first);
    at.image = (ptrdiff_t)(pixel / w->out_width / w->out_height) * w->in_height * w->in_width * w->in_channels;
    return at;
}

static int32_t pixels(const window_2d *w)
{
    return w->batches * w->out_height * w->out_width;
}

/* Division with halves away from zero. */
static int32_t rounded_quotient(int32_t sum, int32_t count)
{
    return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

void average_pool_2d_s8(const pool_2d_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    const window_2d *w = &p->window;
    for (int32_t pixel = 0; pixel < pixels(w); pixel++) {
        covered at = covered_by(w, pixel);
        for (int32_t c = 0; c < w->out_channels; c++) {
            int32_t sum = 0;
            for (int32_t ky = at.y.first; ky < at.y.last; ky++) {
                for (int32_t kx = at.x.first; kx < at.x.last; kx++) {
                    sum += in[at.image + tap_offset(w, at.y, ky, at.x, kx) + c];
                }
            }
            *out++ = (int8_t)clamp(rounded_quotient(sum, at.count), p->output_min, p->output_max);
        }
    }
}

void average_pool_2d_f32(const pool_2d_f32_params *p, const float *in, float *restrict out)
{
    const window_2d *w = &p->window;
    for (int32_t pixel = 0; pixel < pixels(w); pixel++) {
        covered at = covered_by(w, pixel);
        for (int32_t c = 0; c < w->out_channels; c++) {
            float sum = 0.0f;
            for (int32_t ky = at.y.first; ky < at.y.last; ky++) {
                for (int32_t kx = at.x.first; kx < at.x.last; kx++) {
                    sum += in[at.image + tap_offset(w, at.y, ky, at.x, kx) + c];
                }
            }
            *out++ = clamp_f32(sum / (float)at.count, p->output_min, p->output_max);
        }
    }
}

void max_pool_2d_s8(const pool_2d_s8_params *p, const int8_t *in, int8_t *restrict out)
{
    const window_2d *w = &p->window;
    for (int32_t pixel = 0; pixel < pixels(w); pixel++) {
        covered at = covered_by(w, pixel);
        for (int32_t c = 0; c < w->out_channels; c++) {
            int32_t largest = INT8_MIN;
            for (int32_t ky = at.y.first; ky < at.y.last; ky++) {
                for (int32_t kx = at.x.first; kx < at.x.last; kx++) {
                    int32_t value = in[at.image + tap_offset(w, at.y, ky, at.x, kx) + c];
                    largest = value > largest ? value : largest;
                }
            }
            *out++ = (int8_t)clamp(largest, p->output_min, p->output_max);
        }
    }
}

void max_pool_2d_f32(const pool_2d_f32_params *p, const float *in, float *restrict out)
{
    const window_2d *w = &p->window;
    for (int32_t pixel = 0; pixel < pixels(w); pixel++) {
        covered at = covered_by(w, pixel);
        for (int32_t c = 0; c < w->out_channels; c++) {
            float largest = -FLT_MAX;
            for (int32_t ky = at.y.first; ky < at.y.last; ky++) {
                for (int32_t kx = at.x.first; kx < at.x.last; kx++) {
                    float value = in[at.image + tap_offset(w, at.y, ky, at.x, kx) + c];
                    largest = largest < value ? value : largest;
                }
            }
            *out++ = clamp_f32(largest, p->output_min, p->output_max);
        }
    }
}
