"""What is counted of a tensor's values, chunk by chunk: their range, its ends, NaN and Inf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass
class ValueCounts:
    """Counts of one tensor.

    Attributes:
        low, high: smallest and largest finite value by channel (last dimension), ``(channels,)``; inf and -inf without.
        count, nan, inf: elements.
        at_lower, at_upper: elements at the ends of an integer's range; of real ones at `lowest` and `highest`. Those of
            a reference may be as near as values can be rounded.
    """

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    count: int = 0
    nan: int = 0
    inf: int = 0
    at_lower: int = 0
    at_upper: int = 0

    @classmethod
    def none(cls, channels: int) -> ValueCounts:
        """Before anything was seen."""
        return cls(np.full(channels, np.inf), np.full(channels, -np.inf))

    @classmethod
    def of(cls, values: Array, channels: int, near: float = 0) -> ValueCounts:
        """Of a chunk.

        Args:
            values: ``(batch, ..., channels)``, or any shape with as many values.
            channels: size of the last dimension.
            near: how far from an end of the range still counts as there.
        """
        found = cls.none(channels)
        found.count = values.size
        rows = values.reshape(-1, channels)
        if values.dtype.kind == "f":
            found.nan, found.inf = (int(np.count_nonzero(odd(values))) for odd in (np.isnan, np.isinf))
            rows = np.where(np.isfinite(rows), rows, np.nan) if found.nan or found.inf else rows
        found.low, found.high = (f.reduce(rows, axis=0).astype(np.float64) for f in (np.fmin, np.fmax))
        lower, upper = found.lowest + near, found.highest - near
        if values.dtype.kind in "iu":
            limits = np.iinfo(values.dtype)
            lower, upper = limits.min + int(near), limits.max - int(near)
        found.at_lower = int(np.count_nonzero(rows <= lower)) if found.lowest <= lower else 0
        found.at_upper = int(np.count_nonzero(rows >= upper)) if found.highest >= upper else 0
        return found

    def add(self, other: ValueCounts, near: float = 0) -> None:
        """Adds those of another chunk, whose ends count as the same within `near`."""
        self.at_lower = _joined(other.lowest - self.lowest, self.at_lower, other.at_lower, near)
        self.at_upper = _joined(self.highest - other.highest, self.at_upper, other.at_upper, near)
        self.low, self.high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        for name in ("count", "nan", "inf"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def lowest(self) -> float:
        """Of all channels."""
        return float(np.fmin.reduce(self.low, initial=np.inf))

    @property
    def highest(self) -> float:
        """Of all channels."""
        return float(np.fmax.reduce(self.high, initial=-np.inf))

    @property
    def known(self) -> bool:
        """Whether there is a finite value."""
        return bool(self.count) and self.lowest <= self.highest

    @property
    def span(self) -> float:
        """From the lowest to the highest value; 0 without any."""
        return self.highest - self.lowest if self.known else 0.0

    @property
    def constant(self) -> bool:
        """Whether all finite values are the same."""
        return self.known and self.lowest == self.highest

    def dead(self) -> npt.NDArray[np.bool_]:
        """Which channels have one value throughout."""
        return np.asarray(self.low == self.high, bool)

    def alive(self, slack: float) -> npt.NDArray[np.bool_]:
        """Which channels have values further apart than `slack`."""
        return np.asarray(self.high > self.low + slack, bool)


def _joined(further: float, mine: int, theirs: int, near: float) -> int:
    """How many are at the end that is further out: mine where that is by `further`, both where within `near`."""
    if abs(further) <= near:
        return mine + theirs
    return theirs if further < 0 else mine
