"""Samples that repeat the one before although something else was due: a buffer that was not written again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]

_GLANCE = 64  # elements: whoever differs has mostly shown it there


class Unchanged:
    """Counts them, chunk by chunk.

    Attributes:
        count: samples equal to the one before although what was expected moved by more than a slack, or where nothing
            is known of that, although the inputs are others.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last: tuple[Array, Array] | None = None

    def update(self, rows: Array, expected: Array | None, new_inputs: Flags, slack: float) -> None:
        """Adds a chunk.

        Args:
            rows: ``(batch, elements)``.
            expected: what should be there, of the same shape; None where nobody knows.
            new_inputs: ``(batch,)``, which samples have other inputs than the one before.
            slack: by how much `expected` may move while `rows` stays what it is.
        """
        due = rows if expected is None else expected
        mine, theirs = (rows[:0], due[:0]) if self._last is None else self._last
        repeats = np.zeros(len(rows), bool)
        repeats[:1] = len(mine) and np.array_equal(mine[0], rows[0])
        repeats[1:] = equal_rows(rows[1:], rows[:-1])
        for place in np.flatnonzero(repeats & new_inputs):
            before = due[place - 1] if place else theirs[0]
            self.count += expected is None or apart(before, due[place], slack)
        self._last = rows[-1:].copy(), due[-1:].copy()


def equal_rows(one: Array, other: Array) -> Flags:
    """Which rows are equal, ``(batch,)``; both ``(batch, elements)``."""
    same = np.asarray((one[:, :_GLANCE] == other[:, :_GLANCE]).all(axis=1), bool)
    for place in np.flatnonzero(same) if one.shape[1] > _GLANCE else ():
        same[place] = np.array_equal(one[place], other[place])
    return same


def apart(one: Array, other: Array, slack: float) -> bool:
    """Whether any of their values are further than `slack` from one another."""
    with np.errstate(invalid="ignore"):
        return bool((np.abs(one.astype(np.float64) - other.astype(np.float64)) > slack).any())
