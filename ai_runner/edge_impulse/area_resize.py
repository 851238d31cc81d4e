"""Area resize without OpenCV: what its INTER_AREA computes, to within one grey level.

Both axes are resized one after the other; on an axis every output is a weighted sum of a few neighbouring inputs
(taps). Shrinking on both axes, the weights are the shares of the output's cell that the inputs cover. Where an axis
grows, OpenCV turns to a linear interpolation on both: output x takes its two inputs from the boundary between input
cells nearest to the left, so that a picture grown by a whole factor repeats its pixels. Source: measured against OpenCV
4.8, 4.10 and 5.0 (tests/edge_impulse/test_area_resize.py). What is left are the 11-bit weights of its linear
interpolation and the order of its additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BLOCK = 1 << 17  # numbers


@dataclass(frozen=True)
class Taps:
    """Which inputs make the outputs of one axis: `index` intp and `weight` float32, both (taps, outputs)."""

    index: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


def area_resize(image: Array, size: tuple[int, int]) -> Array:
    """A resized copy of a picture.

    Args:
        image: (height, width) or (height, width, channels), not empty; integers are rounded and clipped to their type.
        size: (width, height) of the result, both at least 1.
    """
    height, width = image.shape[:2]
    out_width, out_height = size
    if (out_width, out_height) == (width, height):
        return image.copy()
    taps_of = _area_taps if out_width <= width and out_height <= height else _linear_taps
    across, down = taps_of(width, out_width), taps_of(height, out_height)
    resized = np.empty((out_height, out_width, *image.shape[2:]), image.dtype)
    # A few rows at a time, so that what lies between stays in the cache.
    step = max(_BLOCK * height // image.size, 1)
    for start in range(0, out_height, step):
        rows = _weighted(image, down.index[:, start : start + step], down.weight[:, start : start + step])
        # Gathering rows of the transposed picture is several times faster than gathering single pixels.
        columns = _weighted(np.ascontiguousarray(rows.swapaxes(0, 1)), across.index, across.weight)
        if image.dtype.kind in "iu":
            limits = np.iinfo(image.dtype)
            np.clip(np.rint(columns, out=columns), limits.min, limits.max, out=columns)
        resized[start : start + step] = columns.swapaxes(0, 1)
    return resized


def _area_taps(size: int, out_size: int) -> Taps:
    scale = 1.0 / (out_size / size)
    begin = np.arange(out_size) * scale
    end = np.minimum(begin + scale, size)
    index = np.floor(begin + 1e-9).astype(np.intp) + np.arange(int(np.ceil(scale)) + 1)[:, np.newaxis]
    covered = np.minimum(index + 1, end) - np.maximum(index, begin)
    weight = np.maximum(covered, 0.0)
    weight /= weight.sum(axis=0)
    return Taps(np.minimum(index, size - 1), weight.astype(np.float32))


def _linear_taps(size: int, out_size: int) -> Taps:
    grown = out_size / size
    outputs = np.arange(out_size)
    first = np.floor(outputs * (1.0 / grown)).astype(np.intp)
    second_weight = ((outputs + 1) - (first + 1) * grown).astype(np.float32)
    second_weight = np.where(second_weight <= 0, np.float32(0), second_weight - np.floor(second_weight))
    second_weight[first >= size - 1] = 0
    index = np.minimum(np.stack([first, first + 1]), size - 1)
    return Taps(index, np.stack([1 - second_weight, second_weight]).astype(np.float32))


def _weighted(image: Array, index: npt.NDArray[np.intp], weight: npt.NDArray[np.float32]) -> Array:
    """Sums of weighted rows of `image`, one an output."""
    weight = weight.reshape(*weight.shape, *(1,) * (image.ndim - 1))
    total: Array = weight[0] * image[index[0]]
    for rows, factor in zip(index[1:], weight[1:], strict=True):
        total += factor * image[rows]
    return total
