"""Area resize without OpenCV: what its INTER_AREA computes, to within one grey level.

Both axes are resized one after the other; on an axis every output is a weighted sum of a few neighbouring inputs
(taps). Shrinking on both axes, the weights are the shares of the output's cell that the inputs cover. Where an axis
grows, OpenCV turns to a linear interpolation on both: output x takes its two inputs from the boundary between input
cells nearest to the left, so that a picture grown by a whole factor repeats its pixels. Source: OpenCV's documented
behaviour, measured against OpenCV 5.0 (tests/edge_impulse/test_area_resize.py); the difference left over is the
11-bit weights that OpenCV uses for 8-bit pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


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
    if out_height <= height:  # the axis that makes the picture smaller goes first
        resized = _along_columns(_along_rows(image, down), across)
    else:
        resized = _along_rows(_along_columns(image, across), down)
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        np.clip(np.rint(resized, out=resized), limits.min, limits.max, out=resized)
    return np.ascontiguousarray(resized, image.dtype)


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


def _along_rows(image: Array, taps: Taps) -> Array:
    weights = taps.weight.reshape(taps.weight.shape + (1,) * (image.ndim - 1))
    resized: Array = weights[0] * image[taps.index[0]]
    for index, weight in zip(taps.index[1:], weights[1:], strict=True):
        resized += weight * image[index]
    return resized


def _along_columns(image: Array, taps: Taps) -> Array:
    # Gathering whole rows of the transposed picture is several times faster than gathering single pixels.
    return _along_rows(np.ascontiguousarray(image.swapaxes(0, 1)), taps).swapaxes(0, 1)
