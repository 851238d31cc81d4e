"""Two ends of a line that exists in memory only, with a clock of its own: nothing waits, time passes by reading."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from ai_runner.deadline import Deadline
from ai_runner.errors import LinkLostError
from ai_runner.transport import Transport


class MemoryClock:
    """Seconds that pass when somebody waits for them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, deadline: Deadline, moment: float) -> bool:
        """Moves on to `moment`, or to the end of `deadline` where that comes first; True in the first case."""
        remaining = deadline.remaining()
        if remaining is None or moment <= self.now + remaining:
            self.now = max(self.now, moment)
            return True
        self.now += remaining
        if not deadline.expired:  # what rounding left
            self.now += 1e-6
        return False


class MemoryTransport(Transport):
    """One end; make both with `memory_pair`.

    Attributes:
        on_data: called after the other end has written: a device answers there.
        rate: Bd, or None where the line has none; what is written takes no time either way.
        latency: s until what the other end writes is here.
    """

    def __init__(self, clock: MemoryClock, rate: int | None = None, latency: float = 0.0) -> None:
        self.on_data: Callable[[], None] | None = None
        self.rate = rate
        self.latency = latency
        self._clock = clock
        self._received: deque[tuple[float, bytes]] = deque()
        self._other: MemoryTransport | None = None

    def join(self, other: MemoryTransport) -> None:
        """Makes `other` the other end."""
        self._other, other._other = other, self

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        if not self._received:
            if self._other is None:
                raise LinkLostError("the other end of the line in memory is closed", retryable=True)
            if deadline.remaining() is None:
                raise LinkLostError("a line in memory has nothing more to read, and nobody else runs meanwhile")
        moment = self._received[0][0] if self._received else math.inf
        if not self._clock.wait(deadline, moment):
            return b""
        data = b""
        while self._received and self._received[0][0] <= self._clock.now and len(data) < max_bytes:
            due, piece = self._received.popleft()
            taken = max_bytes - len(data)
            data += piece[:taken]
            if piece[taken:]:
                self._received.appendleft((due, piece[taken:]))
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        other = self._other
        if other is None:
            raise LinkLostError("the other end of the line in memory is closed", retryable=True)
        if data:
            other._received.append((self._clock.now + other.latency, bytes(data)))
        if other.on_data is not None:
            other.on_data()

    def close(self) -> None:
        if self._other is not None:
            self._other._other = None
            self._other = None

    def describe(self) -> str:
        return "a line in memory"

    def deadline(self, seconds: float | None) -> Deadline:
        return Deadline(seconds, self._clock)

    @property
    def baudrate(self) -> int | None:
        return self.rate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        if self.rate is not None:
            self.rate = value


def memory_pair(rate: int | None = None, latency: float = 0.0) -> tuple[MemoryTransport, MemoryTransport]:
    """Two joined ends with one clock; `rate` and `latency` are those of the first."""
    clock = MemoryClock()
    host, device = MemoryTransport(clock, rate, latency), MemoryTransport(clock)
    host.join(device)
    return host, device
