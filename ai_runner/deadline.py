"""A point in time that several steps must share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_LONGEST = 1e6  # s


class Deadline:
    """`seconds` from now, or never (None). The clock is monotonic and can be replaced."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def remaining(self) -> float | None:
        """Seconds left, never negative; None when there is no end."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def milliseconds(self) -> int | None:
        """As `remaining`, in ms as poll() takes them: rounded up, because a wait that ends early had to be repeated."""
        if self._end is None:
            return None
        left = self._end - self._clock()
        return 0 if left <= 0 else math.ceil(min(left, _LONGEST) * 1e3)

    def within(self, seconds: float) -> bool:
        """True when no more than `seconds` are left."""
        return self._end is not None and self._end - self._clock() <= seconds

    @property
    def expired(self) -> bool:
        """True when nothing is left."""
        return self._end is not None and self._clock() >= self._end
