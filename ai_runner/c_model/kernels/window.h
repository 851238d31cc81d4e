/* Where a window lies on its image. */
#ifndef AI_RUNNER_WINDOW_H
#define AI_RUNNER_WINDOW_H

#include "kernels.h"

/* Taps of one dimension that fall on the image: first <= tap < last, tap 0 at pixel `start`. */
typedef struct {
    int32_t start, first, last;
} tap_range;

static inline tap_range taps(int32_t out, int32_t stride, int32_t padding, int32_t dilation, int32_t size, int32_t limit)
{
    tap_range range = {out * stride - padding, 0, size};
    while (range.first < size && range.start + range.first * dilation < 0) {
        range.first++;
    }
    while (range.last > range.first && range.start + (range.last - 1) * dilation >= limit) {
        range.last--;
    }
    return range;
}

static inline tap_range taps_y(const window_2d *w, int32_t out_y)
{
    return taps(out_y, w->stride_height, w->pad_top, w->dilation_height, w->height, w->in_height);
}

static inline tap_range taps_x(const window_2d *w, int32_t out_x)
{
    return taps(out_x, w->stride_width, w->pad_left, w->dilation_width, w->width, w->in_width);
}

/* Offset of the pixel under tap (ky, kx) within its image. */
static inline int32_t tap_offset(const window_2d *w, tap_range y, int32_t ky, tap_range x, int32_t kx)
{
    int32_t row = y.start + ky * w->dilation_height;
    int32_t column = x.start + kx * w->dilation_width;
    return (row * w->in_width + column) * w->in_channels;
}

#endif
