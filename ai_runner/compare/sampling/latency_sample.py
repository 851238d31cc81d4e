"""Times of single samples, for a picture of how they are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from ai_runner.compare.sampling.reservoir import Reservoir

KEPT = 1000


@dataclass(frozen=True)
class LatencySample:
    """What was kept of the times of one runtime.

    Attributes:
        count: samples that were timed.
        minimum, maximum: of all of them, ms.
        times: those that were kept, ms, in the order they were run; each had the same chance.
    """

    count: int
    minimum: float
    maximum: float
    times: tuple[float, ...]


class LatencySampler:
    """Accumulates a `LatencySample`; the same whatever way the samples come in chunks."""

    def __init__(self) -> None:
        self._kept = Reservoir(KEPT, 1)
        self._minimum = inf
        self._maximum = 0.0

    def update(self, durations: Sequence[float]) -> None:
        """Adds the times of consecutive samples, ms."""
        if len(durations):
            times = np.asarray(durations, np.float64)
            self._kept.update(times)
            self._minimum = min(self._minimum, float(times.min()))
            self._maximum = max(self._maximum, float(times.max()))

    def result(self) -> LatencySample | None:
        """What was kept so far; None without a time."""
        if not self._kept.count:
            return None
        times = tuple(float(time) for time in self._kept.rows[:, 0])
        return LatencySample(self._kept.count, self._minimum, self._maximum, times)
