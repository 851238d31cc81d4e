"""Channels first or channels last: the same values of a sample in another order.

PyTorch and ONNX keep images as (C, H, W), LiteRT and C-models as (H, W, C). Only the channels move: rows stay rows.
Dimensions of 1 carry no data and are left out of all shapes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Arrangement:
    """How the values of one tensor are brought into the order of another.

    Attributes:
        view: the dimensions of a sample, as it is.
        axes: which of them come first, second, ... in the order that is wanted.
    """

    view: tuple[int, ...]
    axes: tuple[int, ...]

    def __call__(self, samples: Array) -> Array:
        """``(batch, ...)`` in the order that is wanted, ``(batch,) + shape``."""
        axes = (0, *(axis + 1 for axis in self.axes))
        return np.ascontiguousarray(samples.reshape(len(samples), *self.view).transpose(axes))

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions of a sample afterwards."""
        return tuple(self.view[axis] for axis in self.axes)

    @property
    def to_front(self) -> bool:
        """True when channels that are last come first."""
        return self.axes[0] == len(self.axes) - 1


def shape_without_ones(tensor: TensorInfo) -> tuple[int, ...]:
    """The dimensions that carry data: the same tensor is (1, 10), (1, 1, 1, 10) or (10,) by runtime."""
    return tuple(size for size in tensor.shape if size != 1)


def arrangements(wanted: TensorInfo, given: TensorInfo) -> tuple[Arrangement, ...]:
    """The ways in which `given` may be `wanted` with its channels elsewhere; either of them may be flattened.

    Empty where the two have not the same number of values, or only one dimension each, and where `given` is packed or
    has a scale for each channel.
    """
    mine, theirs = shape_without_ones(wanted), shape_without_ones(given)
    per_channel = given.quantization is not None and given.quantization.per_channel
    packed = given.format is not None and given.format.packed
    if prod(mine) != prod(theirs) or max(len(mine), len(theirs)) < 2 or packed or per_channel:
        return ()
    views = [theirs] if len(theirs) > 1 else [(*mine[1:], *mine[:1]), (*mine[-1:], *mine[:-1])]
    found = [Arrangement(view, axes) for view in views for axes in _moves(len(view))]
    return tuple(dict.fromkeys(way for way in found if len(mine) <= 1 or way.shape == mine))


def declared_arrangement(wanted: TensorInfo, given: TensorInfo) -> Arrangement | None:
    """The way that the shapes themselves tell: both have several dimensions, and they are the same ones moved."""
    mine, theirs = shape_without_ones(wanted), shape_without_ones(given)
    if mine == theirs or min(len(mine), len(theirs)) < 2:
        return None
    return next(iter(arrangements(wanted, given)), None)


def arranged(tensor: TensorInfo, way: Arrangement | None) -> TensorInfo:
    """The tensor afterwards; one that is flattened stays what it is."""
    moved = way is not None and shape_without_ones(tensor) == way.view
    return replace(tensor, shape=(1, *way.shape)) if way is not None and moved else tensor


def same_dimensions(one: TensorInfo, other: TensorInfo) -> bool:
    """True when the shapes are equal, or the same with the channels elsewhere."""
    return shape_without_ones(one) == shape_without_ones(other) or declared_arrangement(one, other) is not None


def _moves(ndim: int) -> Sequence[tuple[int, ...]]:
    """The last dimension to the front, and the first one to the back."""
    return (ndim - 1, *range(ndim - 1)), (*range(1, ndim), 0)
