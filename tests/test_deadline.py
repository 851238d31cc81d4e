"""A point in time that several steps share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ai_runner.deadline import Deadline


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_left_grows_less_and_is_never_negative() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock)
    assert (deadline.remaining(), deadline.milliseconds(), deadline.expired) == (2.0, 2000, False)
    assert deadline.within(2.0)
    assert not deadline.within(1.9)
    clock.now = 2.0
    assert (deadline.remaining(), deadline.milliseconds(), deadline.expired) == (0.0, 0, True)
    clock.now = 3.0
    assert (deadline.remaining(), deadline.milliseconds(), deadline.expired) == (0.0, 0, True)


def test_one_without_an_end() -> None:
    deadline = Deadline(None)
    assert (deadline.remaining(), deadline.milliseconds(), deadline.expired) == (None, None, False)
    assert not deadline.within(1e9)


@given(st.floats(0, 1e300))
def test_milliseconds_are_enough_and_fit_into_poll(seconds: float) -> None:
    left = Deadline(seconds, Clock()).milliseconds()
    assert left is not None
    assert min(seconds, 1e6) * 1e3 <= left <= min(seconds, 1e6) * 1e3 + 1
    assert left < 1 << 31
