"""Captures of real firmware, a host that says again what the captured client said, and a device made of messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ai_runner.drivers.stm32.protocol import (
    DIALECTS,
    NEED_DATA,
    ChecksumMemory,
    Command,
    Connection,
    Dialect,
    Disconnect,
    Event,
    GetModel,
    GetSystemInfo,
    InputsTaken,
    InputWanted,
    ModelDescription,
    ReadMemory,
    Request,
    Run,
    SelfTest,
    SendTensor,
    State,
    Sync,
    TensorDesc,
    WriteMemory,
)
from ai_runner.firmware_proto.messages import message_classes

Split = Callable[[bytes], Iterable[bytes]]

FLOATS = bytes(range(16))
INPUT = TensorDesc("", 0x01821040, 4, (1, 1, 1, 4), 0.0, 0)
X = bytes.fromhex("0000803f000000400000404000008040")
Q = bytes.fromhex("fafbfcfdfeff000102030405")
MEMORY = 0x70100000
V3_TESTS = (
    *(SelfTest(0), SelfTest(1), SelfTest(2), SelfTest(4, opt=5), SelfTest(10), SelfTest(10, opt=4)),
    *(SelfTest(10, opt=12), SelfTest(10, opt=32)),
    *(SelfTest(20, opt=opt, name="abc") for opt in (0, 1, 2)),
    *(SelfTest(40, 70, 9), SelfTest(30, 50)),
    *(SelfTest(100, configuration, 3) for configuration in range(5)),
)
V2_TESTS = (SelfTest(0), SelfTest(1), SelfTest(1, name="abc"), SelfTest(2, opt=0xAABB, name="x"), SelfTest(20))


@dataclass(frozen=True)
class Capture:
    """A capture file: its header, and what went which way."""

    name: str
    header: dict[str, Any]
    exchanges: list[tuple[str, bytes]]

    @property
    def family(self) -> str:
        return str(self.header["dialect"])[:2]

    @property
    def is_minimal_client(self) -> bool:
        return str(self.header["client"]).startswith("minimal")

    @property
    def expected(self) -> dict[str, Any]:
        found: dict[str, Any] = self.header["expected"]
        return found

    def bytes_of(self, direction: str) -> bytes:
        return b"".join(data for way, data in self.exchanges if way == direction)


@dataclass
class Replay:
    """What a host saw and wrote; `events` are kept by command."""

    connection: Connection
    commands: list[Command] = field(default_factory=list)
    events: list[list[Event]] = field(default_factory=list)
    written: bytearray = field(default_factory=bytearray)

    def all(self, kind: type[Event]) -> list[Any]:
        return [event for events in self.events for event in events if isinstance(event, kind)]

    @property
    def model(self) -> ModelDescription:
        found: ModelDescription = self.all(ModelDescription)[0]
        return found


def said(capture: Capture) -> list[tuple[Command, list[bytes]]]:
    """The commands of a captured client, and the data that it sent with each."""
    found: list[tuple[Command, list[bytes]]] = []
    for line in capture.header["commands"]:
        if line == "CMD_SYNC":
            found.append((Sync(), []))
        elif line == "CMD_SYS_INFO":
            found.append((GetSystemInfo(), []))
        elif line.startswith("CMD_NETWORK_INFO"):
            found.append((GetModel(int(line.split()[1])), []))
    scenario = str(capture.header["scenario"])
    # ST's client of protocol 3 marks the first sample, the others do not.
    run = Run("tiny", first_sample=capture.family == "v3" and not capture.is_minimal_client)
    of_scenario: dict[str, list[tuple[Command, list[bytes]]]] = {
        "io_only": [(run, [X, Q])],
        "io_only_large_126": [(run, [X, Q])],
        "per_layer": [(replace(run, per_layer=True), [X, Q])],
        "per_layer_with_data": [(replace(run, with_data=True), [X, Q])],
        "debug_logs": [(replace(run, per_layer=True, debug=capture.family == "v3"), [X, Q])],
        "const_value": [(replace(run, const_value=True), [X[:4], Q[:1]])],
        "perf_only": [(replace(run, const_value=True, perf_only=True), [X[:4], Q[:1]])],
        "bad_size": [(run, [X[:12]]), (run, [X, Q])],
        "bad_format": [(run, [X])],
        "unknown_cmd": [(Request(200), [])],
        "unknown_model": [(Run("nosuch"), [])],
        "disconnect": [(Disconnect(), []), (Sync(), [])],
        "self_test": [
            (test, [bytes(range(50))] if test.number == 30 else [])
            for test in (V3_TESTS if capture.family == "v3" else V2_TESTS)
        ],
    }
    if scenario == "memory":
        data = bytes.fromhex(capture.expected["written"])
        for command in (
            *(SelfTest(500), WriteMemory(MEMORY, data), ChecksumMemory(MEMORY, len(data))),
            ReadMemory(MEMORY, len(data)),
        ):
            found.append((command, []))
    return found + of_scenario.get(scenario, [])


class Host:
    """Says what was said, and hears what was answered once as many bytes are written as the client had written."""

    def __init__(self, capture: Capture, split: Split) -> None:
        self._scenario = str(capture.header["scenario"])
        self.replay = Replay(Connection(capture.header["header_bytes"]))
        self._split = split
        self._exchanges = iter(capture.exchanges)
        self._due = 0
        self._pieces: Iterator[bytes] = iter(())

    def read(self) -> bytes:
        """The next piece of what the device sent."""
        while (piece := next(self._pieces, None)) is None:
            direction, data = next(self._exchanges)
            if direction == "h2d":
                self._due += len(data)
            else:
                assert len(self.replay.written) == self._due
                self._pieces = iter(self._split(data))
        return piece

    def ask(self, command: Command, data: list[bytes]) -> Iterator[Event]:
        connection, written = self.replay.connection, self.replay.written
        written += connection.send(command)
        while connection.busy:
            event = connection.next_event()
            written += connection.data_to_send()
            if event is not NEED_DATA:
                yield event
                if isinstance(event, InputWanted):
                    written += connection.send(self._tensor(data.pop(0), event.index))
            elif connection.state is State.TESTING and data and self._exchange_is_over():
                written += connection.send(SendTensor(data.pop(0)))
            else:
                connection.receive_data(self.read())

    def _exchange_is_over(self) -> bool:
        """Whether a test that takes data has said that it waits: its ack has been read to the end."""
        rest = list(self._pieces)
        self._pieces = iter(rest)
        return not rest and len(self.replay.written) == self._due

    def _tensor(self, data: bytes, index: int) -> SendTensor:
        desc = self.replay.model.inputs[index]
        if self._scenario == "bad_format":
            desc = replace(desc, format=self.replay.model.inputs[1].format)
        if self._scenario == "bad_size":
            desc = replace(desc, size=len(data) // 4) if index == 0 else desc
        return SendTensor(data, desc)


def load(path: Path) -> Capture:
    first, *lines = path.read_text("utf-8").splitlines()
    exchanges = [(entry["dir"], bytes.fromhex(entry["hex"])) for entry in map(json.loads, lines)]
    return Capture(path.stem, json.loads(first), exchanges)


FOLDER = Path(__file__).resolve().parents[5] / "shared" / "captures" / "stm32"
CAPTURES = {path.stem: load(path) for path in sorted(FOLDER.glob("*.jsonl"))}


def captures_with(expected: str = "") -> list[Any]:
    """The conversations whose header lists what is expected of some kind, as parameters."""
    found = [c for c in CAPTURES.values() if c.header["scenario"] != "probe" and expected in (*c.expected, "")]
    absent = pytest.param(None, marks=pytest.mark.skip(reason="no folder ../shared beside the checkout"), id="absent")
    return [pytest.param(capture, id=capture.name) for capture in found] or [absent]


@pytest.fixture(params=captures_with())
def capture(request: pytest.FixtureRequest) -> Capture:
    """Each captured conversation in turn; skips where the captures are absent."""
    found: Capture = request.param
    return found


@pytest.fixture(params=captures_with("events"))
def capture_of_run(request: pytest.FixtureRequest) -> Capture:
    """Each conversation of which the messages of a run are known."""
    found: Capture = request.param
    return found


@pytest.fixture(params=captures_with("profiler"))
def capture_of_profile(request: pytest.FixtureRequest) -> Capture:
    """Each conversation of which ST's client made a profile."""
    found: Capture = request.param
    return found


@pytest.fixture(params=captures_with("logs"))
def capture_of_logs(request: pytest.FixtureRequest) -> Capture:
    """Each conversation with log lines."""
    found: Capture = request.param
    return found


@pytest.fixture
def named_capture() -> Callable[[str], Capture]:
    """A capture by its name; skips where it is absent."""

    def find(name: str) -> Capture:
        if name not in CAPTURES:
            pytest.skip("no folder ../shared beside the checkout")
        return CAPTURES[name]

    return find


@pytest.fixture
def replay() -> Callable[..., Replay]:
    """Does a captured conversation again; `split` cuts what the device sent into the pieces that are read."""

    def run(capture: Capture, split: Split = lambda data: [data]) -> Replay:
        host = Host(capture, split)
        for command, data in said(capture):
            host.replay.commands.append(command)
            host.replay.events.append(list(host.ask(command, list(data))))
        assert next(host._exchanges, None) is None
        return host.replay

    return run


class Device:
    """The other end: answers of a firmware of one dialect, as bytes on the wire."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.classes = message_classes(dialect.family)
        self.size = 32

    def pack(self, message: bytes) -> bytes:
        """Packets of a message; the last one is empty where the message fills the others."""
        width, size = self.dialect.header_bytes, self.size
        full, rest = divmod(len(message), size)
        packets = [size.to_bytes(width, "big") + message[i * size : (i + 1) * size] for i in range(full)]
        end = (rest | 0x80 << 8 * (width - 1)).to_bytes(width, "big")
        stale = b"\xaa" * (size - rest)
        return b"".join(packets) + end + message[full * size :] + stale

    def answer(self, reqid: int, state: int, **payload: Any) -> bytes:
        """Packets of a `respMsg`; payloads are dictionaries of their fields."""
        return self.pack(self.classes["respMsg"](reqid=reqid, state=state, **payload).SerializeToString())

    def ack(self, reqid: int, state: int, param: int = 0, error: int = 0) -> bytes:
        return self.answer(reqid, state, ack={"param": param, "error": error})

    def sync(self, reqid: int, **fields: int) -> bytes:
        major, minor = self.dialect.version
        return self.answer(reqid, 0, sync={"version": major << 8 | minor, "capability": 137, **fields})

    def connection(self, **options: Any) -> Connection:
        """A connection that has just been synchronised; its last request is number 1."""
        made = Connection(self.dialect.header_bytes, **options)
        made.send(Sync())
        made.receive_data(self.sync(1))
        assert type(made.next_event()).__name__ == "SyncReply"
        return made

    def take(self, connection: Connection, first: bytes) -> bytes:
        """Asks for the packets of a message after its first one; returns what was written, with `first` in front."""
        stream = first
        while connection.sending:
            connection.receive_data(b"\xaa")
            assert connection.next_event() is NEED_DATA
            stream += connection.data_to_send()
        return stream

    def message_in(self, stream: bytes) -> bytes:
        """The host-to-device message in whole packets."""
        width, step = self.dialect.header_bytes, self.dialect.header_bytes + self.size
        message = b""
        for start in range(0, len(stream), step):
            count = int.from_bytes(stream[start : start + width], "big")
            message += stream[start + width : start + width + count]
        return message[1 if message[0] < 0x80 else 2 :]

    def running(self, **options: Any) -> Connection:
        """A connection whose request number 2 is a run that has taken its input, `FLOATS`."""
        made = self.connection()
        made.send(Run("m", **options))
        made.receive_data(self.ack(2, 1, 16))
        assert made.next_event() == InputWanted(0, 16)
        self.take(made, made.send(SendTensor(FLOATS, INPUT)))
        made.receive_data(self.ack(2, 2, 16))
        assert made.next_event() == InputsTaken()
        made.data_to_send()
        return made


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def device(request: pytest.FixtureRequest) -> Device:
    """A firmware of every dialect in turn."""
    return Device(request.param)


@pytest.fixture(params=[d for d in DIALECTS if d.family == "v3"], ids=lambda dialect: dialect.name)
def v3_device(request: pytest.FixtureRequest) -> Device:
    """A firmware of every dialect of the v3 family in turn."""
    return Device(request.param)


@pytest.fixture(params=[d for d in DIALECTS if d.family == "v2"], ids=lambda dialect: dialect.name)
def v2_device(request: pytest.FixtureRequest) -> Device:
    """A firmware of every dialect of the v2 family in turn."""
    return Device(request.param)


@pytest.fixture
def device_of() -> Callable[[str], Device]:
    """A firmware of the dialect with a name."""
    return lambda name: Device(next(d for d in DIALECTS if d.name == name))
