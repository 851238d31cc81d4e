"""Boards for the driver: captures of ST's real firmware that answer again, and our firmware as a process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.firmware_proto.messages import message_classes
from ai_runner.transport.memory import MemoryTransport, memory_pair

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "captures" / "stm32"
SYNC, RUN = 0, 11

# Command, param, name, opt; that of a run tells the first sample, in ST's client only.
Question = tuple[int, int, str, int]


class HostStream:
    """Messages in what a host writes; `starved` counts the packets that leave a message unfinished."""

    def __init__(self, header_bytes: int) -> None:
        self.size = 32
        self._width = header_bytes
        self._bytes = b""
        self._message = b""
        self.starved = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._bytes += data
        while len(self._bytes) >= self._width + self.size:
            count = int.from_bytes(self._bytes[: self._width], "big")
            assert count <= self.size
            self._message += self._bytes[self._width : self._width + count]
            self._bytes = self._bytes[self._width + self.size :]
            length, start = self._length()
            if start and len(self._message) >= start + length:
                message, self._message = self._message[start : start + length], b""
                yield message
            else:
                self.starved += 1

    def _length(self) -> tuple[int, int]:
        value = 0
        for i, byte in enumerate(self._message):
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                return value, i + 1
        return 0, 0


class DeviceStream:
    """Messages in what a device writes."""

    def __init__(self, header_bytes: int) -> None:
        self._width = header_bytes
        self._bytes = b""
        self._message = b""

    def feed(self, data: bytes, size: int) -> Iterator[bytes]:
        self._bytes += data
        while self._bytes:
            if self._bytes[0] == 0xAA:
                self._bytes = self._bytes[1:]
                continue
            header = int.from_bytes(self._bytes[: self._width], "big")
            end = 0x80 << 8 * (self._width - 1)
            self._message += self._bytes[self._width : self._width + (header & ~end)]
            self._bytes = self._bytes[self._width + size :]
            if header & end:
                message, self._message = self._message, b""
                yield message


@dataclass
class Turn:
    """What a host said, None where that is the request itself, and what the device answered to it."""

    said: bytes | None
    answers: list[bytes] = field(default_factory=list)


@dataclass
class CapturedBoard:
    """A capture that answers the same questions again, in any order, whatever the numbers of the requests.

    Attributes:
        header: the first line of the capture.
        transport: the host's end of the line.
        questions: requests that came.
    """

    header: dict[str, Any]
    transport: MemoryTransport
    questions: list[Question] = field(default_factory=list)

    @property
    def expected(self) -> dict[str, Any]:
        found: dict[str, Any] = self.header["expected"]
        return found

    def prepare(self, device: MemoryTransport, exchanges: list[tuple[str, bytes]]) -> None:
        self._device = device
        self._width = int(self.header["header_bytes"])
        self._family = str(self.header["dialect"])[:2]
        self._classes = message_classes(self._family)
        self._answers: dict[Question, list[Turn]] = {}
        self._host = HostStream(self._width)
        self._turns: list[Turn] = []
        self._reqid = 0
        self._read(exchanges)
        device.on_data = self._hear

    def _read(self, exchanges: list[tuple[str, bytes]]) -> None:
        host, device = HostStream(self._width), DeviceStream(self._width)
        turns: list[Turn] = []
        for way, data in exchanges:
            if way == "h2d":
                for message in host.feed(data):
                    request = self._request(message)
                    if request is not None:
                        turns = self._answers.setdefault(self._key(request), [])
                        turns[:] = [Turn(None)]
                        host.size = 32 if request.cmd == SYNC else host.size
                    else:
                        turns.append(Turn(message))
            else:
                for message in device.feed(data, host.size):
                    turns[-1].answers.append(message)
                    host.size = self._size_after(message) or host.size

    def _request(self, message: bytes) -> Any:
        """A request has all five fields; data and acks have not."""
        try:
            request = self._classes["reqMsg"].FromString(message)
        except Exception:  # a tensor
            return None
        complete = all(request.HasField(name) for name in ("reqid", "cmd", "param", "name", "opt"))
        return request if complete else None

    def _key(self, request: Any) -> Question:
        name = request.name if isinstance(request.name, str) else request.name.decode()
        return request.cmd, request.param, name, 0 if request.cmd == RUN else request.opt

    def _size_after(self, message: bytes) -> int:
        answer = self._classes["respMsg"].FromString(message)
        if self._family == "v2" or self._width == 1 or answer.WhichOneof("payload") != "sinfo":
            return 0
        return int(answer.sinfo.com_param_or_extra[-1]) if answer.sinfo.com_param_or_extra else 0

    def _hear(self) -> None:
        data = self._device.read(1 << 20, Deadline(0))
        self._host.starved = 0
        for message in self._host.feed(data):
            request = self._request(message)
            if request is not None:
                self._reqid = request.reqid
                self.questions.append(self._key(request))
                self._turns = list(self._answers[self._key(request)])
                self._host.size = 32 if request.cmd == SYNC else self._host.size
            else:
                assert self._turns, "the host says more than it had said"
                assert self._same(message, self._turns[0].said), "the host says something else"
            for answer in self._turns.pop(0).answers:
                self._say(answer)
        self._device.write(b"\xaa" * self._host.starved, Deadline(1))

    def _same(self, message: bytes, captured: bytes | None) -> bool:
        """v2: a description may have more fields than the captured client knew."""
        if self._family == "v3" or len(message) < 8 or captured is None:
            return message == captured
        kind = self._classes["aiBufferByteMsg"]
        a, b = kind.FromString(message), kind.FromString(captured)
        return bool(a.datas == b.datas and a.shape.format == b.shape.format)

    def _say(self, answer: bytes) -> None:
        assert answer[0] == 0x08
        message = bytes([0x08, self._reqid]) + answer[2:]
        width, size = self._width, self._host.size
        full, rest = divmod(len(message), size)
        stream = b"".join(size.to_bytes(width, "big") + message[i * size : (i + 1) * size] for i in range(full))
        end = (rest | 0x80 << 8 * (width - 1)).to_bytes(width, "big")
        self._device.write(stream + end + message[full * size :].ljust(size, b"\xaa"), Deadline(1))
        self._host.size = self._size_after(message) or self._host.size


@pytest.fixture
def captured_board() -> Callable[[str], CapturedBoard]:
    """A board that answers as in the capture of a name; skips where that is absent."""

    def make(name: str) -> CapturedBoard:
        path = FOLDER / f"{name}.jsonl"
        if not path.is_file():
            pytest.skip("no folder ../shared beside the checkout")
        first, *lines = path.read_text("utf-8").splitlines()
        host, device = memory_pair()
        board = CapturedBoard(json.loads(first), host)
        board.prepare(device, [(entry["dir"], bytes.fromhex(entry["hex"])) for entry in map(json.loads, lines)])
        return board

    return make


@pytest.fixture
def driver_on() -> Iterator[Callable[..., Stm32Driver]]:
    """Opens the driver on a transport; `options` are those of the descriptor."""
    opened: list[Stm32Driver] = []

    def make(transport: Any, keywords: dict[str, Any] | None = None, **options: str) -> Stm32Driver:
        driver = Stm32Driver(Descriptor("serial", options=options), transport=transport, **(keywords or {}))
        opened.append(driver)
        driver.open(transport.deadline(60))
        return driver

    yield make
    for driver in opened:
        driver.close()


@pytest.fixture(scope="session")
def firmware_folder(
    digits_int8: Path, digits_float: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Builds our firmware for this host with the two bundled models, once for each choice of dialect and packets."""
    from ai_runner.firmware import build_firmware

    built: dict[tuple[tuple[str, Any], ...], Path] = {}

    def build(**choices: Any) -> Path:
        key = tuple(sorted(choices.items()))
        if key not in built:
            models = {"digits": digits_int8, "real": digits_float}
            built[key] = build_firmware(models, tmp_path_factory.mktemp("firmware") / "out", **choices).folder
        return built[key]

    return build


@pytest.fixture
def host_firmware(firmware_folder: Callable[..., Path]) -> Iterator[Callable[..., Any]]:
    """Starts our firmware behind a pseudo-terminal; what is returned has its `descriptor` and `process`."""
    from ai_runner.firmware import start_firmware

    if not hasattr(os, "openpty"):
        pytest.skip("no pseudo-terminals")
    running: list[Any] = []

    def start(**choices: Any) -> Any:
        running.append(start_firmware(firmware_folder(**choices)))
        return running[-1]

    yield start
    for each in running:
        each.stop()
