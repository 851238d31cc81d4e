"""Which input or output of the target is which of the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from ai_runner.compare.alignment.arrangement import declared_arrangement, shape_without_ones
from ai_runner.model import TensorInfo

Fits = Callable[[TensorInfo, TensorInfo], bool]


def align_tensors(reference: Sequence[TensorInfo], target: Sequence[TensorInfo]) -> list[int | None]:
    """Position in `target` of every tensor of `reference`, None where there is no counterpart.

    By name when all names of the reference are there with fitting shapes; else by order when shapes fit in order;
    else by shape where only one fits. Shapes fit when they are equal without their dimensions of 1, when one is the
    other flattened, and when one is an image and the other its packed pixels; where that is not enough, also when one
    has its channels first and the other last.
    """
    as_they_are = _aligned(reference, target, _fits)
    return as_they_are if None not in as_they_are else _aligned(reference, target, _fits_moved)


def _aligned(reference: Sequence[TensorInfo], target: Sequence[TensorInfo], fits: Fits) -> list[int | None]:
    by_name = {tensor.name: place for place, tensor in enumerate(target)}
    named = [by_name.get(tensor.name) for tensor in reference]
    if all(place is not None and fits(one, target[place]) for one, place in zip(reference, named, strict=True)):
        return named
    if len(reference) == len(target) and all(map(fits, reference, target)):
        return list(range(len(reference)))
    return [_only_fit(one, reference, target, fits) for one in reference]


def _fits(one: TensorInfo, other: TensorInfo) -> bool:
    mine, theirs = _values(one, other), _values(other, one)
    return mine == theirs or (prod(mine) == prod(theirs) and 1 in (len(mine), len(theirs)))


def _fits_moved(one: TensorInfo, other: TensorInfo) -> bool:
    return _fits(one, other) or declared_arrangement(one, other) is not None


def _values(tensor: TensorInfo, counterpart: TensorInfo) -> tuple[int, ...]:
    """The dimensions of the values that it stands for: packed pixels are an image to who has no packed pixels."""
    if tensor.pixels is not None and counterpart.pixels is None:
        return tuple(size for size in tensor.pixels.image_shape if size != 1)
    return shape_without_ones(tensor)


def _only_fit(one: TensorInfo, reference: Sequence[TensorInfo], target: Sequence[TensorInfo], fits: Fits) -> int | None:
    places = [place for place, other in enumerate(target) if fits(one, other)]
    rivals = sum(fits(one, other) for other in reference)
    return places[0] if len(places) == rivals == 1 else None
