"""A simulated aiValidation firmware: its packet layer and just enough of its commands to be left in any state."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest

from ai_runner.transport import Transport
from ai_runner.transport.memory import MemoryTransport, memory_pair

SYNC, SYS_INFO, RUN = 0, 1, 11
IDLE, WAITING, PROCESSING, DONE = 0, 1, 2, 3

Reading = Generator[None, None, bytes]


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def request_fields(message: bytes) -> dict[int, int] | None:
    """Field number -> value (of a string: its length); None where the firmware would not understand it."""
    fields: dict[int, int] = {}
    rest = iter(message)
    try:
        while (tag := next(rest, None)) is not None:
            value = shift = 0
            while True:
                byte = next(rest)
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            if tag & 7 == 2:
                for _ in range(value):
                    next(rest)
            elif tag & 7:
                return None
            fields[tag >> 3] = value
    except StopIteration:
        return None
    return fields if fields.keys() >= {1, 2, 3, 4, 5} else None


@dataclass(frozen=True)
class Kind:
    """A build of the firmware."""

    name: str
    header_bytes: int
    version: int
    capability: int
    runtime: int | None
    large: int = 0


KINDS = (
    Kind("v2.1", 1, 0x0201, 131, None),
    Kind("v2.2", 1, 0x0202, 131, 0x0101),
    Kind("v3.0", 1, 0x0300, 129, 0x0101),
    Kind("v3.1-1b", 1, 0x0301, 137, 0x010001),
    Kind("v3.1-2b", 2, 0x0301, 137, 0x010001),
    Kind("v3.2", 2, 0x0302, 201, 0x010001),
)


class Firmware:
    """Attached to the device's end of a line in memory.

    Attributes:
        speaks_at: baud rate; bytes of another one arrive as other bytes. None: any.
        idle: True while it waits for the first packet of a request and holds no byte of it.
        longest_header: the highest count that a packet announced while it was idle.
    """

    def __init__(
        self, kind: Kind, host: MemoryTransport, device: MemoryTransport, speaks_at: int | None = None
    ) -> None:
        self.kind = kind
        self.speaks_at = speaks_at
        self.size = 32
        self.idle = False
        self.requests: list[int] = []
        self._host, self._device = host, device
        self._pending = bytearray()
        self._packet = b""
        self._program = self._run()
        next(self._program)
        device.on_data = self.take

    def take(self) -> None:
        """Reads what the host wrote, and runs until it needs more."""
        now = self._device.deadline(0)
        data = self._device.read(1 << 20, now)
        if self.speaks_at not in (None, self._host.baudrate):
            return  # framing errors: the UART drops them
        self._pending += data
        next(self._program)

    def say(self, data: bytes) -> None:
        self._device.write(data, self._device.deadline(None))

    def answer(self, reqid: int, state: int, number: int, content: bytes) -> None:
        message = field(1, reqid) + field(2, state) + field(number, content)
        width, size = self.kind.header_bytes, self.size
        for start in range(0, len(message) + 1, size):
            part = message[start : start + size]
            end = 0x80 << 8 * (width - 1) if len(part) < size else 0
            self.say((len(part) | end).to_bytes(width, "big") + part.ljust(size, b"\xaa"))  # stale memory

    def _run(self) -> Generator[None, None, None]:
        while True:
            message = yield from self._message()
            fields = request_fields(message)
            if fields is None:
                continue
            reqid, command = fields[1], fields[2]
            self.requests.append(command)
            if command == SYNC:
                self.size = 32
                runtime = b"" if self.kind.runtime is None else field(5, self.kind.runtime)
                self.answer(reqid, IDLE, 10, field(1, self.kind.version) + field(4, self.kind.capability) + runtime)
            elif command == SYS_INFO:
                self.answer(reqid, IDLE, 11, b"".join(field(n, n) for n in (1, 2, 3, 4)) + field(5, self.kind.large))
                self.size = self.kind.large or 32
            elif command == RUN:
                self.answer(reqid, WAITING, 12, field(1, 4096) + field(2, 0))
                yield from self._message()
                self.answer(reqid, PROCESSING, 12, field(1, 4096) + field(2, 0))
                yield from self._message()
                self.answer(reqid, DONE, 17, field(9, bytes(200)))
            else:
                self.answer(reqid, 4, 12, field(1, 4) + field(2, 4))

    def _message(self) -> Reading:
        self._packet = b""
        self.idle = True
        yield from self._next_packet()
        length = shift = 0
        while True:
            byte = (yield from self._bytes(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        return (yield from self._bytes(length))

    def _bytes(self, count: int) -> Reading:
        data = b""
        while len(data) < count:
            if not self._packet:
                self.say(b"\xaa")
                yield from self._next_packet()
            taken = count - len(data)
            data += self._packet[:taken]
            self._packet = self._packet[taken:]
        return data

    def _next_packet(self) -> Generator[None, None, None]:
        width = self.kind.header_bytes
        while len(self._pending) < width + self.size:
            self.idle = self.idle and not self._pending
            yield
        count = int.from_bytes(self._pending[:width], "big")
        self._packet = bytes(self._pending[width : width + min(count, self.size)])
        del self._pending[: width + self.size]
        self.idle = False


def request(command: int, reqid: int, kind: Kind, size: int = 32, name: bytes = b"", param: int = 0) -> bytes:
    """A packet with a request, as a client of the right dialect sends it."""
    message = field(1, reqid) + field(2, command) + field(3, param) + field(4, name) + field(5, 0)
    payload = varint(len(message)) + message
    return len(payload).to_bytes(kind.header_bytes, "big") + payload.ljust(size, b"\0")


def abandoned_input(kind: Kind, packets: int, size: int = 32) -> bytes:
    """The first packets of an input message of 4 KiB."""
    payload = varint(4100) + bytes(range(256)) * 17
    parts = [payload[start : start + size] for start in range(0, packets * size, size)]
    return b"".join(len(part).to_bytes(kind.header_bytes, "big") + part.ljust(size, b"\0") for part in parts)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every build there is, small packets."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="session")
def kinds() -> dict[str, Kind]:
    return {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="session")
def board() -> Callable[..., tuple[MemoryTransport, Firmware]]:
    """Makes (host's end, firmware): ``board(kind, rate=None, speaks_at=None, latency=0.0)``."""

    def make(kind: Kind, rate: int | None = None, speaks_at: int | None = None, latency: float = 0.0) -> Any:
        host, device = memory_pair(rate, latency)
        return host, Firmware(kind, host, device, speaks_at)

    return make


@pytest.fixture(scope="session")
def leave() -> Callable[..., None]:
    """Brings an idle board into a state: ``leave(host, kind, "zeros 7")``.

    `size` is that of its packets, `model` what a run names, `wait` how long answers may take, s.
    """

    def bring(
        host: Transport, kind: Kind, state: str, size: int = 32, model: bytes = b"network", wait: float = 0
    ) -> None:
        def write(data: bytes) -> None:
            host.write(data, host.deadline(1))
            while host.read(1 << 16, host.deadline(wait)):
                pass

        what, _, rest = state.partition(" ")
        if what == "large":
            write(request(SYS_INFO, 5, kind))
            what, _, rest = rest.partition(" ")
            size = kind.large
        run = request(RUN, 6, kind, size, model, kind.version >> 8 == 3)
        match what:
            case "zeros":
                write(bytes(int(rest)))
            case "text":
                write(rest.encode())
            case "foreign":  # syncs of the other header width, which fail
                other = Kind("other", 3 - kind.header_bytes, 0, 0, None)
                for _ in range(int(rest)):
                    write(request(SYNC, 1, other))
            case "cut":  # a sync of the right header width without its last byte, and the same number as ours
                write(request(SYNC, 1, kind, size)[:-1])
            case "run":
                write(run)
            case "input":
                write(run)
                write(abandoned_input(kind, int(rest), size))
                write(bytes([0, 9, 9]))  # killed inside a packet
            case _:
                assert what in ("idle", "")

    return bring
