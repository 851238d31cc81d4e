"""In what a target differs from its reference before anything runs: types, shapes, scales, the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_runner.compare.alignment.arrangement import shape_without_ones
from ai_runner.compare.tolerance import same_scale
from ai_runner.model import ModelInfo, TensorInfo
from ai_runner.model_hash import normalised
from ai_runner.quantization import Quantization


@dataclass(frozen=True)
class StructuralDifference:
    """One fact in which the two differ.

    Attributes:
        where: ``model``, ``input 0 'x'``, ``output 1 'y'``, ``layer 3 'conv'``.
        what: ``hash``, ``dtype``, ``shape``, ``scale``, ``zero point``, ``count``.
        reference, target: the fact on both sides.
    """

    where: str
    what: str
    reference: str
    target: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} is {self.target}, the reference has {self.reference}"


def structural_differences(
    reference: ModelInfo,
    target: ModelInfo,
    inputs: Sequence[tuple[int, int]],
    outputs: Sequence[tuple[int, int]],
) -> tuple[StructuralDifference, ...]:
    """What a target declares otherwise than the reference.

    Args:
        inputs, outputs: positions that were paired, reference and target.
    """
    found = []
    if same_model(reference, target) is False:
        found.append(StructuralDifference("model", "hash", normalised(reference.hash), normalised(target.hash)))
    for word, pairs, ours, others in (
        ("input", inputs, reference.inputs, target.inputs),
        ("output", outputs, reference.outputs, target.outputs),
    ):
        if len(ours) != len(others):
            found.append(StructuralDifference("model", f"count of {word}s", str(len(ours)), str(len(others))))
        for place, other in pairs:
            where = f"{word} {place} '{ours[place].name}'"
            found += tensor_differences(where, ours[place], others[other])
    return tuple(found)


def same_model(reference: ModelInfo, target: ModelInfo) -> bool | None:
    """Whether both were made from one file; None where one does not tell, or by another kind of hash."""
    mine, theirs = normalised(reference.hash), normalised(target.hash)
    return mine == theirs if mine and theirs and len(mine) == len(theirs) else None


def tensor_differences(where: str, reference: TensorInfo, target: TensorInfo) -> list[StructuralDifference]:
    """What is declared otherwise about one tensor; dimensions of 1 do not count, nor a scale that is not told."""
    found = []
    if reference.dtype != target.dtype:
        found.append(StructuralDifference(where, "dtype", reference.dtype.name, target.dtype.name))
    if shape_without_ones(reference) != shape_without_ones(target):
        found.append(StructuralDifference(where, "shape", _dimensions(reference), _dimensions(target)))
    mine, theirs = reference.quantization, target.quantization
    if mine is None or theirs is None or reference.dtype != target.dtype:
        return found
    if len(mine.scale) != len(theirs.scale) or not all(map(same_scale, mine.scale, theirs.scale)):
        found.append(StructuralDifference(where, "scale", _first(mine, "scale"), _first(theirs, "scale")))
    if mine.zero_point != theirs.zero_point:
        found.append(StructuralDifference(where, "zero point", _first(mine, "zero"), _first(theirs, "zero")))
    return found


def _dimensions(tensor: TensorInfo) -> str:
    return str(list(tensor.shape))


def _first(quantization: Quantization, which: str) -> str:
    values = quantization.scale if which == "scale" else quantization.zero_point
    return f"{values[0]:.9g}" if len(values) == 1 else f"{values[0]:.9g} and {len(values) - 1} more"
