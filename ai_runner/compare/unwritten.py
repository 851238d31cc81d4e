"""Elements of outputs in which a canary survived the run: nothing was written there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.canary import holds_canary

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]


class Unwritten:
    """Finds the elements of one output that are not written.

    One real element that holds a canary is evidence enough. An integer may have such a value by chance: it counts where
    a chunk has nothing else at its place, in at least half of the chunks, and both patterns were seen.

    Args:
        elements: of one sample.
    """

    def __init__(self, elements: int) -> None:
        self._real = np.zeros(elements, bool)
        self._seen = np.zeros((2, elements), bool)
        self._held = np.zeros(elements, np.int32)  # chunks
        self._chunks = 0

    def update(self, rows: Array) -> int:
        """Adds a chunk, ``(batch, elements)`` as stored; returns how many of its elements are NaN for this reason."""
        self._chunks += 1
        if rows.dtype.kind == "f":
            if np.isnan(rows).any():
                canaries = holds_canary(rows, 0) | holds_canary(rows, 1)
                self._real |= canaries.any(axis=0)
                return int(canaries.sum())
            return 0
        patterns = [holds_canary(rows, turn) for turn in (0, 1)]
        held = (patterns[0] | patterns[1]).all(axis=0)
        if held.any():
            self._held += held
            for seen, pattern in zip(self._seen, patterns, strict=True):
                seen |= held & pattern.any(axis=0)
        return 0

    @property
    def places(self) -> Flags:
        """Which elements are not written, ``(elements,)``."""
        return self._real | (self._seen.all(axis=0) & (2 * self._held >= self._chunks))

    @property
    def finding(self) -> str:
        """What a reader should know, one clause; '' when everything is written."""
        places = np.flatnonzero(self.places)
        if not len(places):
            return ""
        return f"{_named(places, len(self._held))} not written: what the memory held before the run is still there"


def _named(places: npt.NDArray[np.intp], elements: int) -> str:
    first, last = int(places[0]), int(places[-1])
    if len(places) == elements:
        return "it was"
    if first == last:
        return f"element {first} of {elements} was"
    if len(places) == last + 1 - first:
        return f"elements {first} to {last} of {elements} were"
    return f"{len(places)} of {elements} elements, from {first} to {last}, were"
