"""Pairs of 8-bit values, counted: every metric of an int8 tensor follows from how often which pair came up.

Counting takes a fraction of the time that float64 sums over the dequantised values do, and rounds nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.metrics import BLOCK, ErrorMetrics, Moments, blocks

Array = npt.NDArray[Any]
Table = npt.NDArray[np.float64]

_VALUES = 256


class BytePairs:
    """Counts pairs of two tensors of one 8-bit integer dtype; mergeable."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.stored = np.arange(_VALUES, dtype=np.uint8).view(dtype)  # the value behind each byte
        self._equal = np.zeros(_VALUES, np.int64)
        self._unequal: npt.NDArray[np.int64] | None = None  # by reference * 256 + target; few tensors need it

    def update(self, reference: Array, target: Array) -> None:
        """Adds pairs: two contiguous arrays of one shape."""
        flat_reference, flat_target = reference.reshape(-1).view(np.uint8), target.reshape(-1).view(np.uint8)
        for block in blocks(flat_reference.size, BLOCK):
            r, t = flat_reference[block], flat_target[block]
            differing = np.flatnonzero(r != t)
            self._equal += np.bincount(r, minlength=_VALUES)
            if differing.size:
                mine, theirs = r[differing], t[differing]
                self._equal -= np.bincount(mine, minlength=_VALUES)
                pairs = mine.astype(np.uint16) * np.uint16(_VALUES) + theirs
                self._differences()[:] += np.bincount(pairs, minlength=_VALUES * _VALUES)

    def merge(self, other: BytePairs) -> None:
        """Adds what another one has seen."""
        self._equal += other._equal
        if other._unequal is not None:
            self._differences()[:] += other._unequal

    @property
    def count(self) -> int:
        """Pairs seen."""
        return int(self._equal.sum()) + (0 if self._unequal is None else int(self._unequal.sum()))

    def histogram(self) -> dict[int, int]:
        """Error, reference - target, to number of pairs, ascending; without the empty ones."""
        error, counts = self._errors()
        found: dict[int, int] = {}
        for value in np.unique(error):
            found[int(value)] = int(counts[error == value].sum())
        return found

    def metrics(self, of_reference: Table, of_target: Table) -> ErrorMetrics:
        """The metrics of the real values that the bytes stand for.

        Args:
            of_reference, of_target: ``(256,)``, the value behind each byte (`stored`), finite.
        """
        mine, theirs, counts = self._pairs()
        r, t = of_reference[mine], of_target[theirs]
        error = r - t
        weighted = counts.astype(np.float64)
        return ErrorMetrics(
            reference=_moments(r, weighted),
            error=_moments(error, weighted),
            absolute=float((weighted * np.abs(error)).sum()),
            largest=float(np.abs(error).max(initial=0.0)),
            reference_square=float((weighted * r * r).sum()),
            target_square=float((weighted * t * t).sum()),
            product=float((weighted * r * t).sum()),
        )

    def _differences(self) -> npt.NDArray[np.int64]:
        if self._unequal is None:
            self._unequal = np.zeros(_VALUES * _VALUES, np.int64)
        return self._unequal

    def _pairs(self) -> tuple[Array, Array, npt.NDArray[np.int64]]:
        """Bytes of the reference, bytes of the target, how often; the pairs that came up."""
        same = np.flatnonzero(self._equal)
        if self._unequal is None:
            return same, same, self._equal[same]
        other = np.flatnonzero(self._unequal)
        mine = np.concatenate([same, other // _VALUES])
        theirs = np.concatenate([same, other % _VALUES])
        return mine, theirs, np.concatenate([self._equal[same], self._unequal[other]])

    def _errors(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        mine, theirs, counts = self._pairs()
        stored = self.stored.astype(np.int64)
        return stored[mine] - stored[theirs], counts


def _moments(values: Table, weights: Table) -> Moments:
    count = weights.sum()
    if not count:
        return Moments()
    mean = float((weights * values).sum() / count)
    deviation = values - mean
    return Moments(int(count), mean, float((weights * deviation * deviation).sum()))
