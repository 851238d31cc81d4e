"""Two ends of a line that exists in memory only, with a clock of its own: nothing waits, time passes by reading."""

from __future__ import annotations

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

    def pass_to(self, deadline: Deadline) -> None:
        """Moves on until `deadline` is over."""
        self.now += deadline.remaining() or 0.0
        if not deadline.expired:  # what rounding left
            self.now += 1e-6


class MemoryTransport(Transport):
    """One end; make both with `memory_pair`.

    Attributes:
        on_data: called after the other end has written: a device answers there.
        rate: Bd, or None where the line has none; what is written takes no time either way.
    """

    def __init__(self, clock: MemoryClock, rate: int | None = None) -> None:
        self.on_data: Callable[[], None] | None = None
        self.rate = rate
        self._clock = clock
        self._received = bytearray()
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
            self._clock.pass_to(deadline)
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        other = self._other
        if other is None:
            raise LinkLostError("the other end of the line in memory is closed", retryable=True)
        other._received += data
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


def memory_pair(rate: int | None = None) -> tuple[MemoryTransport, MemoryTransport]:
    """Two joined ends with one clock; `rate` is that of the first."""
    clock = MemoryClock()
    host, device = MemoryTransport(clock, rate), MemoryTransport(clock)
    host.join(device)
    return host, device
