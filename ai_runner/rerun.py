"""One layer of a model run again, by every set of kernels that is trusted, on inputs of one's choice.

It tells the error that a layer introduces from the error that reaches it: the inputs are those that a target recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]

MODEL_INPUT = -1
MODEL_OUTPUTS = -1

TensorPlace = tuple[int, int]
"""A tensor of a model: the position of the node that writes it and which of its outputs it is; ``(MODEL_INPUT, k)`` for
input `k` of the model."""


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class Rerun:
    """What a node computes from tensors that were recorded.

    Attributes:
        outputs: by name of the kernel set, one array an output, ``(batch,) + sample_shape``.
        operators: how many operators lie between the recorded tensors and the outputs, 1 when every input of the node
            was recorded.
        inputs: the recorded tensors that were read, in the order of the inputs of `model`.
        model: a .tflite file that computes just this, the outputs of the node in order.
        rounded_once: what real arithmetic gives, rounded to the nearest integer after every operator: one array an
            output, none at all where that is not known. Computed when it is called.
        stored_as: one an output: how the integers stand for real numbers that a real output was made of at the end;
            None where it was made otherwise.
    """

    outputs: Mapping[str, tuple[Array, ...]]
    operators: int
    inputs: tuple[TensorPlace, ...]
    model: bytes = field(repr=False, default=b"")
    rounded_once: Callable[[], tuple[Array, ...]] = tuple
    stored_as: tuple[Quantization | None, ...] = ()
