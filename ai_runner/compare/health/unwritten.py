"""Elements of outputs in which a canary survived the run: nothing was written there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.canary import holds_canary
from ai_runner.compare.health.unchanged import apart

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]

_EVIDENCE = 3  # bytes of a pattern that are no chance


class Unwritten:
    """Finds the elements of one output that are not written.

    One real element that holds a canary is evidence enough. An integer may have such a value by chance. It counts where
    a chunk has nothing else at its place, in at least half of the chunks, and both patterns were seen; and where a run
    has nothing else in a whole output that should be something else.

    Args:
        elements: of one sample.
    """

    def __init__(self, elements: int) -> None:
        self._real = np.zeros(elements, bool)
        self._seen = np.zeros((2, elements), bool)
        self._held = np.zeros(elements, np.int32)  # chunks
        self._chunks = 0
        self._runs = 0
        self._unwritten_runs = 0

    def update(self, rows: Array, expected: Array | None = None, slack: float = 0) -> int:
        """Adds a chunk.

        Args:
            rows: ``(batch, elements)`` as stored.
            expected: what should be there, of the same shape; None where nobody knows.
            slack: how far `rows` may be from that.

        Returns:
            How many of its elements are NaN for this reason.
        """
        self._chunks += 1
        self._runs += len(rows)
        if rows.dtype.kind == "f":
            return self._update_real(rows) if np.isnan(rows).any() else 0
        self._update_places(rows)
        if expected is not None and rows[:1].nbytes >= _EVIDENCE:
            self._update_runs(rows, expected, slack)
        return 0

    def _update_places(self, rows: Array) -> None:
        places = np.flatnonzero(holds_canary(rows[0]))
        patterns = [holds_canary(rows[:, places], turn) for turn in (0, 1)]
        held = (patterns[0] | patterns[1]).all(axis=0)
        self._held[places] += held
        for seen, pattern in zip(self._seen, patterns, strict=True):
            seen[places] |= held & pattern.any(axis=0)

    def _update_runs(self, rows: Array, expected: Array, slack: float) -> None:
        for place in np.flatnonzero(holds_canary(rows[:, 0])):
            whole = any(holds_canary(rows[place], turn).all() for turn in (0, 1))
            self._unwritten_runs += whole and apart(rows[place], expected[place], slack)

    def _update_real(self, rows: Array) -> int:
        canaries = holds_canary(rows)
        self._real |= canaries.any(axis=0)
        self._unwritten_runs += int(canaries.any(axis=1).sum())
        return int(canaries.sum())

    @property
    def places(self) -> Flags:
        """Which elements are not written, ``(elements,)``."""
        return self._real | (self._seen.all(axis=0) & (2 * self._held >= self._chunks))

    @property
    def count(self) -> int:
        """How many elements of a sample are not written, in all runs or in some."""
        known = int(self.places.sum())
        return known or (len(self._held) if self._unwritten_runs else 0)

    @property
    def never(self) -> bool:
        """Whether no element of any run was written."""
        whole = bool(self.places.all()) if self.places.any() else self._unwritten_runs > 0
        return whole and not self._sometimes

    @property
    def _sometimes(self) -> bool:
        """Whether it is known of runs, not of places, and not of all of them."""
        by_run = bool(self._real.any()) or not self.places.any()
        return by_run and self._unwritten_runs < self._runs

    @property
    def finding(self) -> str:
        """What a reader should know, one clause; '' when everything is written."""
        places = np.flatnonzero(self.places)
        if not len(places) and not self._unwritten_runs:
            return ""
        which = _named(places, len(self._held)) if len(places) else "it was"
        runs = f" in at least {self._unwritten_runs} of {self._runs} runs" if self._sometimes else ""
        return f"{which} not written{runs}: what the memory held before is still there"


def _named(places: npt.NDArray[np.intp], elements: int) -> str:
    first, last = int(places[0]), int(places[-1])
    if len(places) == elements:
        return "it was"
    if first == last:
        return f"element {first} of {elements} was"
    if len(places) == last + 1 - first:
        return f"elements {first} to {last} of {elements} were"
    return f"{len(places)} of {elements} elements, from {first} to {last}, were"
