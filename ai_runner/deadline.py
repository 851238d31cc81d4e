"""A point in time that several steps must share."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """`seconds` from now, or never (None). The clock is monotonic and can be replaced."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def remaining(self) -> float | None:
        """Seconds left, never negative; None when there is no end."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def within(self, seconds: float) -> bool:
        """True when no more than `seconds` are left."""
        return self._end is not None and self._end - self._clock() <= seconds

    @property
    def expired(self) -> bool:
        """True when nothing is left."""
        return self._end is not None and self._clock() >= self._end
