"""Firmware built once a session, and a client of its wire: the project's own protocol over a file descriptor."""

from __future__ import annotations

import os
import select
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.drivers.stm32.protocol import (
    NEED_DATA,
    Connection,
    GetModel,
    GetSystemInfo,
    InputWanted,
    NodeReport,
    Run,
    SendTensor,
    Sync,
    Tensor,
)
from ai_runner.firmware import FirmwareBuild, build_firmware, start_firmware
from ai_runner.firmware.image import DIALECTS
from ai_runner.firmware.run import EMULATOR
from ai_runner.firmware.toolchain import ARM_COMPILER

TIMEOUT_S = 10.0

HEADER_BYTES = {name: dialect.header_bytes for name, dialect in DIALECTS.items()}


class Wire:
    """Bytes to and from a firmware."""

    def __init__(self, descriptor: str) -> None:
        scheme, _, rest = descriptor.partition(":")
        self.socket = None
        if scheme == "socket":
            host, _, port = rest.removeprefix("//").partition(":")
            self.socket = socket.create_connection((host, int(port)))
            self.fd = self.socket.fileno()
        else:
            self.fd = os.open(rest.rpartition(":")[0], os.O_RDWR | os.O_NOCTTY)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.fd, data) :]

    def read(self, seconds: float = TIMEOUT_S) -> bytes:
        """What is there, waiting for the first byte; empty after `seconds`."""
        return os.read(self.fd, 65536) if select.select([self.fd], [], [], seconds)[0] else b""

    def read_exactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = self.read()
            assert more, f"{len(data)} of {n} bytes came: {data.hex()}"
            data += more
        assert len(data) == n, data[n:].hex()
        return data

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        else:
            os.close(self.fd)


class Client:
    """One command at a time."""

    def __init__(self, wire: Wire, header_bytes: int) -> None:
        self.wire = wire
        self.connection = Connection(header_bytes)

    def ask(self, command: Any, inputs: tuple[tuple[bytes, Any], ...] = ()) -> list[Any]:
        """All events of a command; `inputs` are data and description of what a run wants."""
        self.wire.write(self.connection.send(command))
        events = []
        while self.connection.busy:
            event = self.connection.next_event()
            self.wire.write(self.connection.data_to_send())
            if event is NEED_DATA:
                data = self.wire.read()
                assert data, "the firmware is silent"
                self.connection.receive_data(data)
            elif isinstance(event, InputWanted):
                self.wire.write(self.connection.send(SendTensor(*inputs[event.index])))
            else:
                events.append(event)
        return events

    def model(self, name: str) -> Any:
        """What a model is."""
        (found,) = self.ask(GetModel(name=name))
        return found

    def run(self, model: Any, *arrays: np.ndarray, **mode: Any) -> list[Any]:
        """The events of a run."""
        inputs = tuple((array.tobytes(), desc) for array, desc in zip(arrays, model.inputs, strict=True))
        return self.ask(Run(model.name, **mode), inputs)

    def nodes(self, model: Any, *arrays: Any) -> tuple[list[Any], list[bytes]]:
        """Reports and first tensors of all nodes, with data, of a run."""
        events = self.run(model, *arrays, per_layer=True, with_data=True)
        reports = [event for event in events if isinstance(event, NodeReport)]
        after = [next_ for event, next_ in pairwise(events) if isinstance(event, NodeReport)]
        assert all(isinstance(event, Tensor) for event in after)
        return reports, [event.data for event in after]


@pytest.fixture(scope="session")
def built(
    digits_int8: Path, digits_float: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., FirmwareBuild]:
    """Builds a firmware with the int8 (``digits``) and the float (``real``) digits model; once for each choice."""
    done: dict[tuple[Any, ...], FirmwareBuild] = {}
    models = {"digits": digits_int8, "real": digits_float}

    def build(**choices: Any) -> FirmwareBuild:
        key = tuple(sorted(choices.items()))
        if key not in done:
            if choices.get("port") == "stm32f405":
                need_board_tools()
            else:
                choices.setdefault("cflags", "-O2")
            done[key] = build_firmware(models, tmp_path_factory.mktemp("firmware") / "out", **choices)
        return done[key]

    return build


@pytest.fixture(scope="session")
def need_port() -> Callable[[str], None]:
    """Skips where the tools of a port are not installed."""
    return lambda port: need_board_tools() if port == "stm32f405" else None


def need_board_tools() -> None:
    missing = [tool for tool in (ARM_COMPILER, EMULATOR) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")


@pytest.fixture
def started() -> Iterator[Callable[..., Wire]]:
    """Starts a firmware and opens its wire; all are closed and stopped in the end."""
    with ExitStack() as running:

        def start(build: FirmwareBuild, **options: Any) -> Wire:
            firmware = running.enter_context(start_firmware(build.folder, **options))
            wire = Wire(firmware.descriptor)
            running.callback(wire.close)
            return wire

        yield start


@pytest.fixture
def connect(started: Any) -> Callable[[FirmwareBuild], Client]:
    """Starts a firmware and synchronises with it."""

    def connect(build: FirmwareBuild) -> Client:
        client = Client(started(build), HEADER_BYTES[build.dialect])
        client.ask(Sync())
        client.ask(GetSystemInfo())
        return client

    return connect


@pytest.fixture
def client(built: Any, connect: Any) -> Callable[..., Client]:
    """A client of a freshly started firmware: of the host port and v3.1-2b unless said otherwise."""
    return lambda **choices: connect(built(**choices))


@pytest.fixture(params=sorted(HEADER_BYTES))
def dialect(request: pytest.FixtureRequest) -> str:
    """Every dialect in turn."""
    return str(request.param)


@pytest.fixture
def image() -> np.ndarray:
    """An input of the int8 model."""
    return np.random.default_rng(7).integers(-128, 128, (1, 8, 8, 1), np.int8)
