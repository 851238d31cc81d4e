"""Outputs of records (boxes, tracks) as one output a field: numbers, which is what can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]


class RecordFields:
    """Takes records apart: ``boxes`` of fields x and y becomes ``boxes.x`` and ``boxes.y``; numbers stay as they are.

    Attributes:
        tensors: the outputs as they are afterwards.
    """

    def __init__(self, outputs: Sequence[TensorInfo]) -> None:
        self._parts = [(place, field) for place, tensor in enumerate(outputs) for field in _fields(tensor)]
        self.tensors = tuple(_part(outputs[place], field) for place, field in self._parts)

    def __call__(self, outputs: Sequence[Array]) -> tuple[Array, ...]:
        """The parts of outputs, each ``(batch,) + sample_shape``; none where a run returned no outputs."""
        if not outputs:
            return ()
        return tuple(
            outputs[place] if field is None else np.ascontiguousarray(outputs[place][field])
            for place, field in self._parts
        )


def _fields(tensor: TensorInfo) -> Iterator[str | None]:
    yield from tensor.dtype.names or (None,)


def _part(tensor: TensorInfo, field: str | None) -> TensorInfo:
    if field is None:
        return tensor
    return replace(tensor, name=f"{tensor.name}.{field}", dtype=tensor.dtype[field], labels=())
