"""Pairs of values, reference and target, for a picture: a fair sample of all, and those that are farthest apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.metrics import BLOCK, blocks
from ai_runner.compare.sampling.reservoir import Reservoir

Array = npt.NDArray[Any]
Pairs = tuple[tuple[float, float], ...]

FAIR = 400
WORST = 50


@dataclass(frozen=True)
class ScatterSample:
    """What was kept of a pair of tensors, as real values.

    Attributes:
        count: pairs seen, those with a NaN or Inf on either side apart.
        fair: pairs of which each had the same chance, (reference, target).
        worst: the pairs with the largest absolute error, largest first; without those that are equal.
    """

    count: int
    fair: Pairs
    worst: Pairs


class ScatterSampler:
    """Accumulates a `ScatterSample`; the same whatever way the data is cut."""

    def __init__(self) -> None:
        self._fair = Reservoir(FAIR, 2)
        self._worst = np.empty((0, 2))
        self._edge = 0.0  # what an error has to exceed to be among the worst

    def update(self, reference: Array, target: Array) -> None:
        """Adds samples: the real values of both sides, of one size."""
        mine, theirs = reference.reshape(-1), target.reshape(-1)
        for block in blocks(mine.size, BLOCK):
            self._update_block(mine[block], theirs[block])

    def _update_block(self, mine: Array, theirs: Array) -> None:
        finite = np.isfinite(mine) & np.isfinite(theirs)
        if not finite.all():
            mine, theirs = mine[finite], theirs[finite]
        if not mine.size:
            return
        self._fair.update(mine, theirs)
        with np.errstate(over="ignore"):
            error = np.abs(np.subtract(mine, theirs, dtype=np.float64))
        # Of equal errors the first stay, here as in the stable sort: which ones must not depend on the chunks.
        larger = np.flatnonzero(error > self._edge)
        if larger.size > WORST:
            edge = np.partition(error[larger], larger.size - WORST)[larger.size - WORST]
            larger = larger[error[larger] >= edge]
        if larger.size:
            pairs = np.stack([mine[larger], theirs[larger]], axis=1).astype(np.float64)
            self._keep_worst(np.concatenate([self._worst, pairs]))

    def _keep_worst(self, pairs: npt.NDArray[np.float64]) -> None:
        with np.errstate(over="ignore"):
            errors = np.abs(pairs[:, 0] - pairs[:, 1])
        order = np.argsort(-errors, kind="stable")[:WORST]
        self._worst = pairs[order]
        self._edge = float(errors[order[-1]]) if len(order) == WORST else 0.0

    def result(self) -> ScatterSample:
        """What was kept so far."""
        return ScatterSample(self._fair.count, _pairs(self._fair.rows), _pairs(self._worst))


def _pairs(rows: npt.NDArray[np.float64]) -> Pairs:
    return tuple((float(mine), float(theirs)) for mine, theirs in rows)
