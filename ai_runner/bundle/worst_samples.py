"""The samples of a target that are farthest from the reference, with all tensors that were shown, on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.profile import RunResult

Array = npt.NDArray[Any]

KEPT = 16


@dataclass(frozen=True)
class Chunk:
    """What a runtime made of some samples: the number of the first, its inputs, its results."""

    start: int
    inputs: Sequence[Array]
    result: RunResult


class WorstSamples:
    """Keeps the worst samples seen so far, a .npz each; of equally bad ones the first.

    Args:
        folder: where they go; made when there is one.
        kept: how many.
    """

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder = folder
        self._most = kept
        self._kept: list[tuple[float, int]] = []  # error, sample; the worst first

    def update(self, errors: npt.NDArray[np.float64], reference: Chunk, target: Chunk) -> None:
        """Adds the samples of a chunk; `errors` ``(batch,)``, larger is worse."""
        new = [(float(error), target.start + row) for row, error in enumerate(errors)]
        worst = sorted([*self._kept, *new], key=lambda one: (-one[0], one[1]))[: self._most]
        for _, sample in set(self._kept) - set(worst):
            self._path(sample).unlink()
        for _, sample in worst:
            if sample >= target.start:
                self._save(sample, reference, target)
        self._kept = worst

    def listing(self) -> list[tuple[int, float | None, str]]:
        """Sample, error (None where it is infinite) and file name, the worst first."""
        return [(sample, error if isfinite(error) else None, self._path(sample).name) for error, sample in self._kept]

    def _path(self, sample: int) -> Path:
        return self._folder / f"sample-{sample:06d}.npz"

    def _save(self, sample: int, reference: Chunk, target: Chunk) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Array] = {}
        for side, chunk in (("reference", reference), ("target", target)):
            row = sample - chunk.start
            arrays |= {f"{side}.input.{k}": array[row] for k, array in enumerate(chunk.inputs)}
            arrays |= {f"{side}.output.{k}": array[row] for k, array in enumerate(chunk.result.outputs)}
            for position, node in enumerate(chunk.result.nodes):
                arrays |= {f"{side}.node.{position}.{k}": array[row] for k, array in enumerate(node.data)}
        with self._path(sample).open("wb") as file:
            np.savez(file, **{name: array for name, array in arrays.items() if array.dtype.kind in "biuf"})  # type: ignore[arg-type]
