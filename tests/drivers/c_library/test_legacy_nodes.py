"""Times of an observer that counts whole microseconds, told more finely by the host's clock."""

from __future__ import annotations

import numpy as np
import pytest

from ai_runner.drivers.c_library.legacy_nodes import finer

US = 1e-3


def observed(*microseconds: float) -> np.ndarray:
    """As a library hands them over: milliseconds in single precision."""
    return np.array([[np.float32(us) * np.float32(US) for us in microseconds]], np.float64)


def ns(*nanoseconds: int) -> np.ndarray:
    return np.array([nanoseconds], np.int64)


def test_our_clock_tells_what_is_between_two_ticks() -> None:
    found = finer(observed(10, 3, 0, 12345), ns(10_700, 2_300, 600, 12_346_200))
    assert found[0] == pytest.approx([10.7 * US, 2.3 * US, 0.6 * US, 12346.2 * US])


def test_what_disagrees_is_the_observer_s() -> None:
    """Another process had the processor between its clock and ours, or it does not measure at all."""
    found = finer(observed(10, 250, 20), ns(4_000_000, 600, 18_900))
    assert found[0] == pytest.approx([10 * US, 250 * US, 20 * US])


def test_a_finer_observer_is_left_alone() -> None:
    times = observed(10.25, 3)
    assert finer(times, ns(10_700, 3_300)) is times
