"""Entries of a target's outputs, put where the reference has the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.errors import InvalidModelError
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]


class LabelOrder:
    """Reorders outputs by label; those without labels on both sides stay as they are.

    Attributes:
        tensors: the target's outputs as they are after reordering.
    """

    def __init__(self, reference: Sequence[TensorInfo], target: Sequence[TensorInfo], who: str) -> None:
        """Matches the labels.

        Raises:
            InvalidModelError: two outputs that belong together have different labels, or labels that occur twice.
        """
        self._orders: dict[int, npt.NDArray[np.intp]] = {}
        tensors = list(target)
        for mine, theirs in enumerate(align_tensors(reference, target)):
            if theirs is None:
                continue
            wanted, given = reference[mine].labels, target[theirs].labels
            if not wanted or not given or wanted == given:
                continue
            _check(wanted, given, reference[mine].name, who)
            order = [given.index(label) for label in wanted]
            self._orders[theirs] = np.array(order)
            quantization = _reordered(target[theirs], order)
            tensors[theirs] = replace(target[theirs], labels=wanted, quantization=quantization)
        self.tensors = tuple(tensors)

    def __call__(self, outputs: Sequence[Array]) -> tuple[Array, ...]:
        """Outputs ``(batch,) + sample_shape`` of the target with their last dimension in the reference's order."""
        return tuple(
            output[..., self._orders[place]] if place in self._orders else output
            for place, output in enumerate(outputs)
        )


def _reordered(tensor: TensorInfo, order: Sequence[int]) -> Quantization | None:
    """Its quantization with the scales of the last dimension, where there are several, in the new order."""
    found = tensor.quantization
    if found is None or not found.per_channel or found.axis != len(tensor.shape) - 1:
        return found
    return replace(
        found, scale=tuple(found.scale[k] for k in order), zero_point=tuple(found.zero_point[k] for k in order)
    )


def _check(wanted: tuple[str, ...], given: tuple[str, ...], output: str, who: str) -> None:
    if len(set(wanted)) == len(wanted) and set(wanted) == set(given) and len(wanted) == len(given):
        return
    lacking = [label for label in wanted if label not in given]
    what = f"has no label '{lacking[0]}'" if lacking else "has labels that occur twice"
    raise InvalidModelError(
        f"{who}: {what} for output '{output}' of the reference: it has {', '.join(given)}",
        hint="is it the same model as the reference? labels=... of tflite: names the reference's",
    )
