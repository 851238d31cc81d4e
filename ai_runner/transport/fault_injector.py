"""A line that goes wrong where it is told to: bytes lost, changed, doubled, late, cut off, or the cable pulled.

Places are numbers of bytes, not times, so that a fault drawn from a seed hits the same byte in every run. It wraps any
transport, also as the `wrap=` of a driver.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from ai_runner.deadline import Deadline
from ai_runner.errors import LinkLostError
from ai_runner.transport import Transport
from ai_runner.transport.wrapping import WrappingTransport

_READ_SIZE = 1 << 16


class FaultKind(StrEnum):
    """What happens at a byte."""

    DROP = "drop"  # it and some after it never arrive
    FLIP = "flip"  # it arrives with other bits
    DUPLICATE = "duplicate"  # it and some after it arrive twice
    DELAY = "delay"  # it and everything after it arrive later
    TRUNCATE = "truncate"  # it never arrives, nor does the rest of a write, of what is read until the next write
    DISCONNECT = "disconnect"  # the line is gone from there on, in both directions


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: what happens.
        outgoing: to bytes that this host writes, else to those it reads.
        offset: of the byte in that direction, counted from where the fault was injected.
        size: DROP, DUPLICATE: bytes.
        mask: FLIP: bits that change, 1 to 255.
        seconds: DELAY.
    """

    kind: FaultKind
    outgoing: bool
    offset: int
    size: int = 1
    mask: int = 1
    seconds: float = 0.0


def random_fault(source: random.Random, outgoing: int, incoming: int, longest_delay: float = 0.1) -> Fault:
    """A fault at a random one of `outgoing` bytes written and `incoming` bytes read, at least one in all."""
    place = source.randrange(outgoing + incoming)
    return Fault(
        kind=source.choice(tuple(FaultKind)),
        outgoing=place < outgoing,
        offset=place if place < outgoing else place - outgoing,
        size=source.choice((1, 1, 2, 3, 8, 33)),
        mask=1 << source.randrange(8),
        seconds=source.random() * longest_delay,
    )


class _Way:
    """One direction: what becomes of the bytes that pass.

    Attributes:
        count: bytes that came to it.
        late: bytes that are held back.
        until: when they go on; None while nothing is held back.
        truncated: nothing passes.
    """

    def __init__(self) -> None:
        self.count = 0
        self.late = bytearray()
        self.until: Deadline | None = None
        self.truncated = False
        self._fault: Fault | None = None
        self._place = 0
        self._left = 0
        self._doubles = False
        self._copy = b""

    def inject(self, fault: Fault | None) -> None:
        self._fault, self._left, self._copy = fault, 0, b""
        if fault is not None:
            self._place = self.count + fault.offset

    def pass_on(self, data: bytes) -> tuple[bytes, Fault | None, bytes]:
        """What arrives of `data` before its fault, the fault where it begins in `data`, and what arrives after it."""
        start, self.count = self.count, self.count + len(data)
        if self._left:
            return self._spread(data), None, b""
        fault = self._fault
        if fault is None or self._place >= self.count:
            return data, None, b""
        self._fault = None
        place = self._place - start
        return data[:place], fault, self._faulty(data[place:], fault)

    def _faulty(self, data: bytes, fault: Fault) -> bytes:
        match fault.kind:
            case FaultKind.FLIP:
                return bytes([data[0] ^ fault.mask]) + data[1:]
            case FaultKind.DROP | FaultKind.DUPLICATE:
                self._left, self._doubles = fault.size, fault.kind is FaultKind.DUPLICATE
                return self._spread(data)
            case FaultKind.TRUNCATE | FaultKind.DISCONNECT:
                return b""
        return data

    def _spread(self, data: bytes) -> bytes:
        """Drops or doubles the next bytes, in whatever pieces they come."""
        taken, rest = data[: self._left], data[self._left :]
        self._left -= len(taken)
        if not self._doubles:
            return rest
        self._copy += taken
        if self._left:
            return taken
        taken, self._copy = taken + self._copy, b""
        return taken + rest


class FaultInjector(WrappingTransport):
    """`transport` with faults.

    Attributes:
        written, read_bytes: that have been given to `write`, and that have come from the other end, faults not counted.
        fired: faults that have happened, in order.
    """

    def __init__(self, transport: Transport, fault: Fault | None = None) -> None:
        super().__init__(transport)
        self.fired: list[Fault] = []
        self._out, self._in = _Way(), _Way()
        self._arrived = bytearray()
        self._lost = False
        if fault is not None:
            self.inject(fault)

    @property
    def written(self) -> int:
        return self._out.count

    @property
    def read_bytes(self) -> int:
        return self._in.count

    def inject(self, fault: Fault) -> None:
        """Lets `fault` happen once; its offset counts from now."""
        (self._out if fault.outgoing else self._in).inject(fault)

    def clear(self) -> None:
        """Forgets a fault that has not happened; what it held back or cut off stays so."""
        self._out.inject(None)
        self._in.inject(None)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while True:
            self._release()
            if self._arrived:
                data = bytes(self._arrived[:max_bytes])
                del self._arrived[:max_bytes]
                return data
            self._check()
            data = self._transport.read(_READ_SIZE, self._sooner(deadline))
            if data:
                self._take(data)
            elif deadline.expired:
                self._release()
                if not self._arrived:
                    return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._release()
        self._check()
        self._in.truncated = False
        before, fault, after = self._out.pass_on(bytes(data))
        self._send(before, deadline)
        if fault is None:
            return
        self._fire(self._out, fault)
        self._check()
        self._send(after, deadline)

    def _take(self, data: bytes) -> None:
        if self._in.truncated:
            self._in.count += len(data)
            return
        before, fault, after = self._in.pass_on(data)
        (self._in.late if self._in.until else self._arrived).extend(before)
        if fault is not None:
            self._fire(self._in, fault)
            (self._in.late if self._in.until else self._arrived).extend(after)

    def _send(self, data: bytes, deadline: Deadline) -> None:
        if self._out.until is not None:
            self._out.late += data
        elif data:
            self._transport.write(data, deadline)

    def _fire(self, way: _Way, fault: Fault) -> None:
        self.fired.append(fault)
        if fault.kind is FaultKind.DELAY:
            way.until = self._transport.deadline(fault.seconds)
        elif fault.kind is FaultKind.TRUNCATE:
            way.truncated = not fault.outgoing
        elif fault.kind is FaultKind.DISCONNECT:
            self._lost = True

    def _release(self) -> None:
        """What was held back goes on when its time has come."""
        if self._out.until is not None and self._out.until.expired:
            late, self._out.late, self._out.until = bytes(self._out.late), bytearray(), None
            self._transport.write(late, self._transport.deadline(1.0))
        if self._in.until is not None and self._in.until.expired:
            self._arrived += self._in.late
            self._in.late, self._in.until = bytearray(), None

    def _sooner(self, deadline: Deadline) -> Deadline:
        """`deadline`, or the end of a delay where that comes before."""
        waits = [way.until.remaining() or 0.0 for way in (self._out, self._in) if way.until is not None]
        remaining = deadline.remaining()
        if not waits or (remaining is not None and remaining <= min(waits)):
            return deadline
        return self._transport.deadline(min(waits))

    def _check(self) -> None:
        if self._lost:
            raise LinkLostError(f"{self.describe()} is gone: disconnected by a fault", retryable=True)
