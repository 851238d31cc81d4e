"""Pairs of values, reference and target, for a picture: a fair sample of all, and those that are farthest apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.reservoir import Reservoir

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

    def update(self, reference: Array, target: Array) -> None:
        """Adds samples: the real values of both sides, of one size."""
        mine, theirs = reference.reshape(-1), target.reshape(-1)
        finite = np.isfinite(mine) & np.isfinite(theirs)
        if not finite.all():
            mine, theirs = mine[finite], theirs[finite]
        if not mine.size:
            return
        self._fair.update(mine, theirs)
        unequal = np.flatnonzero(mine != theirs)
        if unequal.size:
            self._keep_worst(mine[unequal].astype(np.float64), theirs[unequal].astype(np.float64))

    def _keep_worst(self, mine: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> None:
        if mine.size > WORST:
            # Ties at the edge stay for the stable sort: which of them remain must not depend on the chunks.
            error = np.abs(mine - theirs)
            edge = np.partition(error, mine.size - WORST)[mine.size - WORST]
            mine, theirs = mine[error >= edge], theirs[error >= edge]
        pairs = np.concatenate([self._worst, np.stack([mine, theirs], axis=1)])
        order = np.argsort(-np.abs(pairs[:, 0] - pairs[:, 1]), kind="stable")
        self._worst = pairs[order[:WORST]]

    def result(self) -> ScatterSample:
        """What was kept so far."""
        return ScatterSample(self._fair.count, _pairs(self._fair.rows), _pairs(self._worst))


def _pairs(rows: npt.NDArray[np.float64]) -> Pairs:
    return tuple((float(mine), float(theirs)) for mine, theirs in rows)
