"""The probing procedure against the project's firmware, a process of its own, in every dialect it can be built for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32 import alignment
from ai_runner.drivers.stm32.connecting import establish, realign
from ai_runner.drivers.stm32.protocol import NEED_DATA, Connection, GetModel, GetSystemInfo, ModelDescription
from ai_runner.drivers.stm32.protocol.probing import ALIGN_WAITS
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.transport import Transport
from ai_runner.transport.opening import open_transport

DIALECTS = ("v2.1", "v3.1-1b", "v3.1-2b")
STATES = (
    "idle",
    *(f"zeros {count}" for count in (1, 7, 20, 32, 33, 34, 40)),
    "text hello",
    "text some more of it, which is longer than a packet of the firmware",
    *("foreign 1", "foreign 2", "cut", "run", "input 1"),
)
LARGE_STATES = ("idle", "cut", "zeros 100", "zeros 5000", "text hello", "run", "input 1")
MODEL = b"digits_int8"
ANSWER_WAIT = 0.02  # s


@pytest.fixture(scope="session")
def folder(digits_int8: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds a firmware, once for each choice."""
    built: dict[tuple[str, int], Path] = {}

    def build(dialect: str, large: int = 0) -> Path:
        if (dialect, large) not in built:
            out = tmp_path_factory.mktemp("firmware") / "out"
            models = {MODEL.decode(): digits_int8}
            build_firmware(models, out, dialect=dialect, large_packet=large, cflags="-O0")
            built[dialect, large] = out
        return built[dialect, large]

    return build


@pytest.fixture
def started(folder: Callable[..., Path]) -> Iterator[Callable[..., str]]:
    """Starts a firmware; returns its descriptor."""
    running = []

    def start(dialect: str, large: int = 0, tcp: int | None = 0) -> str:
        firmware = start_firmware(folder(dialect, large), tcp=tcp)
        running.append(firmware)
        return firmware.descriptor

    yield start
    for firmware in running:
        firmware.stop()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits less at first: nothing is between the two processes. What comes too late then costs a round, as ever."""
    monkeypatch.setattr(alignment, "ALIGN_WAITS", (0.003, *ALIGN_WAITS))
    monkeypatch.setattr(alignment, "PROBE_WAIT", 0.1)


def models(transport: Transport, connection: Connection) -> list[str]:
    """The name of the first model: the board understands us."""
    transport.write(connection.send(GetModel(0)), transport.deadline(5))
    names = []
    while connection.busy:
        event = connection.next_event()
        if event is NEED_DATA:
            connection.receive_data(transport.read(4096, transport.deadline(20)))
        elif isinstance(event, ModelDescription):
            names.append(event.name)
    return names


def recovered(descriptor: str, dialect: str) -> None:
    transport, connection, _ = establish(parse_descriptor(descriptor), {}, Deadline(60))
    with transport:
        assert connection.dialect is not None
        assert connection.dialect.name == dialect
        assert models(transport, connection) == [MODEL.decode()]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_firmware_in_any_state_is_found(dialect: str, state: str, kinds: Any, leave: Any, started: Any) -> None:
    descriptor = started(dialect)
    with open_transport(parse_descriptor(descriptor).address, 115200, Deadline(60)) as client:
        leave(client, kinds[dialect], state, model=MODEL, wait=ANSWER_WAIT)
    recovered(descriptor, dialect)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("state", LARGE_STATES)
def test_a_firmware_in_large_packets_is_found(state: str, kinds: Any, leave: Any, started: Any) -> None:
    descriptor = started("v3.1-2b", 4094)
    kind = replace(kinds["v3.1-2b"], large=4094)
    with open_transport(parse_descriptor(descriptor).address, 115200, Deadline(60)) as client:
        leave(client, kind, f"large {state}", model=MODEL, wait=ANSWER_WAIT)
    recovered(descriptor, "v3.1-2b")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_firmware_behind_a_pseudo_terminal_is_found_again_and_again(dialect: str, started: Any) -> None:
    descriptor = started(dialect, tcp=None)
    for _ in range(3):
        recovered(descriptor, dialect)


def test_a_firmware_behind_a_relay_is_found(started: Any) -> None:
    recovered(started("v2.1").replace("socket://", "socket:"), "v2.1")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("state", ["idle", "zeros 7", "run", "input 1"])
@pytest.mark.parametrize(("dialect", "large"), [("v2.1", 0), ("v3.1-1b", 0), ("v3.1-2b", 0), ("v3.1-2b", 4094)])
def test_a_fault_is_mended_on_the_same_line(
    dialect: str, large: int, state: str, kinds: Any, leave: Any, started: Any
) -> None:
    transport, connection, _ = establish(parse_descriptor(started(dialect, large)), {}, Deadline(60))
    with transport:
        transport.write(connection.send(GetSystemInfo()), transport.deadline(5))
        while connection.busy:
            if connection.next_event() is NEED_DATA:
                connection.receive_data(transport.read(4096, transport.deadline(20)))
        assert connection.packet_size == (large or 32)
        leave(transport, kinds[dialect], state, connection.packet_size, MODEL, ANSWER_WAIT)
        assert models(transport, realign(transport, connection, Deadline(60))) == [MODEL.decode()]
