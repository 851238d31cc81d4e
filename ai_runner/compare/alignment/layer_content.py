"""How alike the data of two tensors are, as far as the first chunk shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.alignment.arrangement import Arrangement, arrangements, shape_without_ones
from ai_runner.compare.alignment.layer_pair import NodeTensor
from ai_runner.compare.metrics import dot
from ai_runner.compare.tensor_pair import real_values
from ai_runner.profile import NodeProfile
from ai_runner.rerun import TensorPlace

Array = npt.NDArray[Any]
Unit = npt.NDArray[np.float64]

SAME_CONTENT = 0.99  # correlation from which two tensors are taken for the same one
_CLEARLY_BETTER = 10.0  # how many times closer to 1 another correlation has to be
_LOOKED_AT = 1 << 14  # values of a tensor that its content is judged by
_TOO_FEW = 8  # fewer values correlate by chance (two always do)


@dataclass(frozen=True)
class Likeness:
    """How alike two tensors are.

    Attributes:
        correlation: Pearson's r of their real values; 0 where nothing can be said.
        arrangement: of the target's values that gives it; None as they are.
        constant: both are constant, and equal: that contradicts no pair, and makes none.
    """

    correlation: float = 0.0
    arrangement: Arrangement | None = None
    constant: bool = False

    @property
    def same(self) -> bool:
        """True when the two may well be the same tensor."""
        return self.constant or self.correlation >= SAME_CONTENT


def clearly_better(one: float, other: float) -> bool:
    """True when a correlation `one` is that of the same tensor and `other` is none beside it."""
    return one >= SAME_CONTENT and (1.0 - one) * _CLEARLY_BETTER <= 1.0 - other


class Contents:
    """The data of a reference and of a target, each tensor looked at when asked for.

    Args:
        reference, target: the nodes of one run over the same samples.
        moving: one side may have channels first where the other has them last.
    """

    def __init__(self, reference: Sequence[NodeProfile], target: Sequence[NodeProfile], moving: bool) -> None:
        self._reference, self._target = reference, target
        self._moving = moving
        shapes = {shape_without_ones(tensor) for profile in target for tensor in profile.info.outputs}
        self._images = sorted(shape for shape in shapes if len(shape) > 1)
        self._units: dict[tuple[int, int, Arrangement | None, bool], Unit | float | None] = {}
        self._found: dict[tuple[int, int, int, int], Likeness] = {}
        self._ways: dict[tuple[tuple[int, ...], TensorPlace], tuple[Arrangement, ...]] = {}

    def known(self) -> bool:
        """True when both sides show data."""
        return all(any(profile.data for profile in side) for side in (self._reference, self._target))

    def likeness(self, mine: NodeTensor, theirs: NodeTensor) -> Likeness:
        """Of a tensor of the reference and one of the target; channels are moved where that is clearly better."""
        key = (mine.position, mine.output, theirs.position, theirs.output)
        if key not in self._found:
            self._found[key] = self._compare(mine, theirs)
        return self._found[key]

    def _compare(self, mine: NodeTensor, theirs: NodeTensor) -> Likeness:
        if prod(mine.tensor.sample_shape) != prod(theirs.tensor.sample_shape):
            return Likeness()
        expected, found = self._unit(mine, None, of_reference=True), self._unit(theirs, None, of_reference=False)
        if isinstance(expected, float) and isinstance(found, float):
            return Likeness(constant=bool(np.isclose(expected, found, rtol=1e-3, atol=1e-6)))
        if not isinstance(expected, np.ndarray) or not isinstance(found, np.ndarray):
            return Likeness()
        best = Likeness(dot(expected, found))
        for way in self._arrangements(mine, theirs) if best.correlation < 1.0 - 1e-6 else ():
            moved = self._unit(theirs, way, of_reference=False)
            # A layer that is wrong is still closer to itself than to itself in another order.
            if isinstance(moved, np.ndarray) and 1.0 - dot(expected, moved) < (1.0 - best.correlation) / 2:
                best = Likeness(dot(expected, moved), way)
        return best

    def _arrangements(self, mine: NodeTensor, theirs: NodeTensor) -> Sequence[Arrangement]:
        """How channels may have moved; of two vectors, as if they were an image of the target, flattened."""
        if not self._moving:
            return ()
        key = mine.tensor.shape, (theirs.position, theirs.output)
        if key not in self._ways:
            found = arrangements(mine.tensor, theirs.tensor)
            if len(shape_without_ones(mine.tensor)) <= 1 and len(shape_without_ones(theirs.tensor)) <= 1:
                images = (replace(theirs.tensor, shape=(1, *shape)) for shape in self._images)
                found = tuple(way for image in images for way in arrangements(mine.tensor, image))
            self._ways[key] = found
        return self._ways[key]

    def _unit(self, place: NodeTensor, way: Arrangement | None, *, of_reference: bool) -> Unit | float | None:
        """The values without their mean, of norm 1; a constant itself; None for no data, too little, NaN or Inf."""
        key = (place.position, place.output, way, of_reference)
        if key not in self._units:
            side = self._reference if of_reference else self._target
            self._units[key] = _unit(side[place.position].data, place, way)
        return self._units[key]


def _unit(data: Sequence[Array], place: NodeTensor, way: Arrangement | None) -> Unit | float | None:
    if place.output >= len(data) or data[place.output].size < _TOO_FEW:
        return None
    stored = data[place.output]
    if way is not None:
        stored = way(stored)
    if place.tensor.quantization is None or not place.tensor.quantization.per_channel:
        stored = stored.reshape(-1)[:: _stride(stored.size)]
    values = real_values(place.tensor, stored).astype(np.float64).reshape(-1)
    if not np.isfinite(values).all():
        return None
    centred = values - values.mean()
    norm = sqrt(dot(centred, centred))
    constant = float(values[0])
    return constant if norm <= 1e-9 * max(1.0, abs(constant)) else centred / norm


def _stride(size: int) -> int:
    """Without a common divisor with the size: one with the number of channels would look at the same channels only."""
    stride = max(1, -(-size // _LOOKED_AT))
    while gcd(stride, size) > 1:
        stride += 1
    return stride
