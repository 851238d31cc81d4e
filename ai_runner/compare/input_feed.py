"""The same real values for every runtime, each in its own types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.alignment.arrangement import Arrangement, declared_arrangement
from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.compare.tensor_pair import real_values
from ai_runner.compare.tolerance import is_integer, same_integers
from ai_runner.errors import InvalidModelError
from ai_runner.impulse.description import takes_raw_features
from ai_runner.model import TensorInfo
from ai_runner.packed_pixels import ASSUMED_SCALE, PIXEL_SCALES, nearest_scale

Array = npt.NDArray[Any]


class InputFeed:
    """Turns inputs of the reference into inputs of a target.

    Raw integers pass unchanged where both sides mean the same by them; otherwise the real values they stand for are
    stored in the target's way: quantized, flattened, channels first or last, or packed as pixels.
    """

    def __init__(
        self,
        reference: Sequence[TensorInfo],
        target: Sequence[TensorInfo],
        who: str,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Matches the inputs.

        Args:
            reference, target: their inputs.
            who: the target in messages.
            warn: told what a target cannot be given as it is.

        Raises:
            InvalidModelError: the target has other inputs than the reference, or cannot store their values.
        """
        if len(reference) != len(target):
            raise InvalidModelError(
                f"{who}: {len(target)} inputs where the reference has {len(reference)}",
                hint="is it the same model as the reference?",
            )
        self._warn = warn
        order = align_tensors(reference, target)
        if None in order and takes_raw_features(target):
            raise _own_features(reference, target[0], who)
        self._sources: list[tuple[int, TensorInfo, TensorInfo]] = []
        self._ways: dict[int, Arrangement] = {}
        for place, tensor in enumerate(target):
            if place not in order:
                raise InvalidModelError(
                    f"{who}: input '{tensor.name}' {list(tensor.shape)} fits none of the reference's: "
                    + ", ".join(f"'{one.name}' {list(one.shape)}" for one in reference),
                    hint="is it the same model as the reference?",
                )
            source = order.index(place)
            self._check(reference[source], tensor, who)
            way = declared_arrangement(tensor, reference[source])
            if way is not None and tensor.pixels is None and reference[source].pixels is None:
                self._ways[place] = way
                shapes = f"{list(tensor.shape)} is given the reference's {list(reference[source].shape)}"
                warn(f"input '{tensor.name}' {shapes} with the channels moved")
            self._sources.append((source, reference[source], self._with_scale(tensor, reference[source])))

    @staticmethod
    def _check(source: TensorInfo, tensor: TensorInfo, who: str) -> None:
        storable = not is_integer(tensor) or tensor.quantization is not None or same_integers(source, tensor)
        if not storable:
            raise InvalidModelError(
                f"{who}: input '{tensor.name}' is {tensor.dtype.name} without quantization, the reference's "
                f"'{source.name}' is {source.dtype.name}: its values cannot be stored",
            )

    def _with_scale(self, tensor: TensorInfo, source: TensorInfo) -> TensorInfo:
        """`tensor`, its pixels standing for what the reference makes of them where nobody has told."""
        pixels = tensor.pixels
        if pixels is None or not pixels.assumed:
            return tensor
        low, high = _pixel_range(source)
        if (low, high) != (pixels.low, pixels.high):
            self._warn(f"pixels are taken for {low:g}..{high:g}, as the reference's input suggests (scale=)")
        return replace(tensor, pixels=replace(pixels, low=low, high=high))

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Positions of the inputs that belong together, reference and target."""
        return [(source, place) for place, (source, _, _) in enumerate(self._sources)]

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The target's inputs for the reference's, both ``(batch,) + sample_shape`` in their stored types."""
        return [
            self._given(self._moved(inputs[source], place), described, tensor)
            for place, (source, described, tensor) in enumerate(self._sources)
        ]

    def _moved(self, values: Array, place: int) -> Array:
        return self._ways[place](values) if place in self._ways else values

    def nearest(self, inputs: Sequence[Array]) -> list[Array]:
        """The reference's inputs nearest to `inputs` that the target can be given as they are; both as it has them."""
        found = list(inputs)
        for place, source, tensor in self._sources:
            if tensor.pixels is not None and source.pixels is None:
                real = real_values(source, inputs[place])
                pixels = tensor.pixels.nearest(real).reshape(real.shape)
                found[place] = _stored_as(pixels, replace(source, dtype=pixels.dtype, quantization=None), source)
        return found

    def _given(self, values: Array, source: TensorInfo, tensor: TensorInfo) -> Array:
        if source.pixels == tensor.pixels:
            return _stored_as(values, source, tensor)
        if source.pixels is not None:
            values = source.pixels.unpack(values)
        if tensor.pixels is None:
            return _stored_as(values, source, tensor)
        real = real_values(source, values)
        if tensor.pixels.off_pixel(real):
            low, high = tensor.pixels.low, tensor.pixels.high
            self._warn(f"takes pixels of 8 bits for {low:g}..{high:g} (scale=): other values were rounded to them")
        return tensor.pixels.pack(real).reshape(len(real), *tensor.sample_shape)


def _pixel_range(source: TensorInfo) -> tuple[float, float]:
    """What 0 and 255 probably are to a model with this input."""
    if source.pixels is not None:
        return source.pixels.low, source.pixels.high
    if not is_integer(source) or source.quantization is None or source.quantization.per_channel:
        return PIXEL_SCALES[ASSUMED_SCALE]
    limits = np.iinfo(source.dtype)
    lowest, highest = source.quantization.dequantize(np.array([limits.min, limits.max]))
    return PIXEL_SCALES[nearest_scale(float(lowest), float(highest))]


def _own_features(reference: Sequence[TensorInfo], tensor: TensorInfo, who: str) -> InvalidModelError:
    listing = ", ".join(f"'{one.name}' {list(one.shape)}" for one in reference)
    return InvalidModelError(
        f"{who}: takes {prod(tensor.sample_shape)} raw features and computes its model's input from them itself, the "
        f"reference takes that input: {listing}",
        hint="give the raw features of the same samples with --features, one window a row: then outputs are compared",
    )


def _stored_as(values: Array, source: TensorInfo, tensor: TensorInfo) -> Array:
    shape = (len(values), *tensor.sample_shape)
    if same_integers(source, tensor):
        return values.astype(tensor.dtype, copy=False).reshape(shape)
    real = real_values(source, values).reshape(shape)
    if is_integer(tensor) and tensor.quantization is not None:
        return tensor.quantization.quantize(real, tensor.dtype)
    return np.ascontiguousarray(real, tensor.dtype)
