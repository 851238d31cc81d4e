"""ROC-AUC of scores that come chunk by chunk, in bounded memory."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BINS = 4096  # of a class, before neighbours are merged
_ALL_BINS = 1 << 18  # of all classes
_FEWEST_BINS = 64
_BUFFER = 1 << 16  # scores that are looked at together,
_BUFFERED_SAMPLES = 1 << 10  # and of so many samples at least


class ScoreRanking:
    """Area under the receiver operating characteristic, one class against the rest.

    AUC = P(score of a member > score of a non-member) + P(equal) / 2. For that the scores of a class are kept as counts
    of members and non-members by value: exact while a class has at most `BINS` different scores (fewer where there are
    more than 64 classes), as those of 8-bit outputs always have. Beyond, neighbouring values share a bin, whose pairs
    count as half; `largest_error` bounds what that may change.
    """

    def __init__(self, classes: int) -> None:
        limit = max(_FEWEST_BINS, min(BINS, _ALL_BINS // classes))
        self._classes = [_ClassRanking(limit) for _ in range(classes)]
        self._buffer: list[tuple[Array, Array]] = []
        self._buffered = 0
        self._capacity = max(_BUFFER, _BUFFERED_SAMPLES * classes)

    def update(self, scores: Array, labels: Array) -> None:
        """Adds samples: real scores ``(batch, classes)`` without NaN, class numbers ``(batch,)``."""
        self._buffer.append((np.array(scores), np.array(labels)))
        self._buffered += scores.size
        if self._buffered >= self._capacity:
            self._flush()

    def areas(self) -> list[tuple[float, float]]:
        """(AUC, largest error) of every class; NaN for a class of which there are no members, or only members."""
        self._flush()
        return [ranking.area() for ranking in self._classes]

    def _flush(self) -> None:
        if not self._buffer:
            return
        scores = np.concatenate([part for part, _ in self._buffer])
        labels = np.concatenate([part for _, part in self._buffer])
        self._buffer, self._buffered = [], 0
        for number, ranking in enumerate(self._classes):
            ranking.update(scores[:, number].astype(np.float64), labels == number)


class _ClassRanking:
    """Bins of values in ascending order that do not overlap, each with its members and non-members."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._low: Floats = np.empty(0)
        self._high: Floats = np.empty(0)
        self._members: Counts = np.empty(0, np.int64)
        self._others: Counts = np.empty(0, np.int64)

    def update(self, scores: Floats, is_member: npt.NDArray[np.bool_]) -> None:
        values, places = np.unique(scores, return_inverse=True)
        members = np.bincount(places[is_member], minlength=len(values))
        others = np.bincount(places[~is_member], minlength=len(values))
        bins = np.searchsorted(self._high, values)
        known = bins < len(self._high)
        known[known] = self._low[bins[known]] <= values[known]
        np.add.at(self._members, bins[known], members[known])
        np.add.at(self._others, bins[known], others[known])
        new = ~known
        low = np.concatenate([self._low, values[new]])
        order = np.argsort(low, kind="stable")
        self._low = low[order]
        self._high = np.concatenate([self._high, values[new]])[order]
        self._members = np.concatenate([self._members, members[new]])[order]
        self._others = np.concatenate([self._others, others[new]])[order]
        if len(self._low) > self._limit:
            self._merge()

    def _merge(self) -> None:
        """Lets neighbours share bins of about the same number of samples; frequent values keep theirs."""
        mass = self._members + self._others
        ends = np.cumsum(mass)
        buckets = self._limit // 4
        share = ends[-1] / buckets
        bucket = ((ends - mass / 2) / share).astype(np.int64)
        frequent = mass >= share
        begins = np.ones(len(mass), np.bool_)
        begins[1:] = (bucket[1:] != bucket[:-1]) | frequent[1:] | frequent[:-1]
        starts = np.flatnonzero(begins)
        self._low = self._low[starts]
        self._high = self._high[np.append(starts[1:], len(mass)) - 1]
        self._members = np.add.reduceat(self._members, starts)
        self._others = np.add.reduceat(self._others, starts)

    def area(self) -> tuple[float, float]:
        members, others = float(self._members.sum()), float(self._others.sum())
        if not members or not others:
            return nan, nan
        inside = self._members * self._others.astype(np.float64)
        below = np.cumsum(self._others) - self._others
        won = float((self._members * below.astype(np.float64)).sum()) + float(inside.sum()) / 2
        unknown = float(inside[self._low < self._high].sum()) / 2
        return won / (members * others), unknown / (members * others)
