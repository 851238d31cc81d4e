"""What may look on while a validation goes on: told of every run, with its tensors, chunk by chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ai_runner.profile import RunResult

Array = npt.NDArray[Any]
Observer = Callable[[Sequence[Array], RunResult], None]


class Recorder(Protocol):
    """Takes what runtimes compute. Chunks come in the order of the samples; arrays are not changed later.

    What it raises ends the validation and is blamed on no runtime, unless it is an AiRunnerError.
    """

    def ran(self, place: int | None, inputs: Sequence[Array], result: RunResult) -> None:
        """A runtime has run some samples.

        Args:
            place: of the target; None for the reference, which runs each chunk first.
            inputs: ``(batch,) + sample_shape`` in the runtime's own types.
            result: outputs in the order and form in which they are compared, and what nodes showed.
        """

    def differed(self, place: int, errors: npt.NDArray[np.float64]) -> None:
        """How far each sample of the last chunk is from the reference, ``(batch,)``, as `sample_errors` gives it."""


def sample_errors(reference: Sequence[Array], target: Sequence[Array]) -> npt.NDArray[np.float64]:
    """The error of each sample, ``(batch,)``: of its worst output, norm of the difference over norm of the reference.

    Infinite where a side has NaN or Inf, or where an error meets a reference of zeros.

    Args:
        reference, target: real values of the outputs, each ``(batch, ...)``, of equal sizes.
    """
    worst = np.zeros(len(reference[0]) if reference else 0)
    for mine, theirs in zip(reference, target, strict=True):
        ours = mine.reshape(len(mine), -1).astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            error = np.linalg.norm(ours - theirs.reshape(len(mine), -1), axis=1)
            relative = np.where(error == 0, 0.0, error / np.linalg.norm(ours, axis=1))
        worst = np.maximum(worst, np.nan_to_num(relative, nan=np.inf, posinf=np.inf))
    return worst


class DataDigest:
    """SHA-256 of inputs and labels, the same whatever the chunks are."""

    def __init__(self) -> None:
        self._streams: list[Any] = []

    def update(self, inputs: Sequence[Array], labels: Array | None) -> None:
        """Adds a chunk: ``(batch,) + sample_shape`` each, and class numbers ``(batch,)``."""
        arrays = list(inputs) if labels is None else [*inputs, labels.astype(np.int64)]
        if not self._streams:
            heads = [f"{array.dtype.str}{array.shape[1:]}" for array in arrays]
            self._streams = [hashlib.sha256(head.encode()) for head in heads]
        for stream, array in zip(self._streams, arrays, strict=True):
            stream.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")

    def result(self) -> str:
        """64 hexadecimal digits; '' before anything was added."""
        joined = b"".join(stream.digest() for stream in self._streams)
        return hashlib.sha256(joined).hexdigest() if joined else ""
