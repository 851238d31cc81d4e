"""Samples that repeat the one before count where they should not have, whatever the chunks are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.health.unchanged import Unchanged, equal_rows

Array = npt.NDArray[Any]
ROWS = hnp.arrays(np.int8, (12, 3), elements=st.integers(0, 1))


def count(rows: Array, expected: Array | None, step: int = 12, slack: float = 0, new: bool = True) -> int:
    found = Unchanged()
    for start in range(0, len(rows), step):
        here = slice(start, start + step)
        due = None if expected is None else expected[here]
        found.update(rows[here], due, np.full(len(rows[here]), new), slack)
    return found.count


@given(ROWS, ROWS, st.integers(1, 12))
def test_as_the_definition_says(rows: Array, expected: Array, step: int) -> None:
    pairs = range(1, len(rows))
    repeated = [i for i in pairs if (rows[i] == rows[i - 1]).all()]
    assert count(rows, None, step) == len(repeated)
    assert count(rows, expected, step) == sum((expected[i] != expected[i - 1]).any() for i in repeated)
    assert count(rows, None, step, new=False) == 0


def test_a_reference_that_moves_within_the_slack_may_not_move() -> None:
    constant, moving = np.zeros((5, 1), np.uint8), np.array([[0], [2], [0], [3], [0]], np.uint8)
    assert count(constant, moving, slack=2) == 2


def test_rows_that_differ_far_behind() -> None:
    rows = np.zeros((3, 1000), np.int8)
    rows[1, 999] = 1
    np.testing.assert_array_equal(equal_rows(rows, rows[[0, 0, 0]]), [True, False, True])
