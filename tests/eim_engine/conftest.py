"""Engines to talk to: in this process, and as processes of their own behind a bare socket."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ai_runner.eim_engine import EngineOptions, build_engine

DIGITS = tuple("0123456789")


class Engine:
    """An engine process and the bare client of its socket, without any of our own client code."""

    def __init__(self, path: Path, socket_path: Path) -> None:
        self.socket_path = socket_path
        self.process = subprocess.Popen(
            [path, socket_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=socket_path.parent
        )
        self.connection = self.connect()
        self._identifier = 0

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        while True:
            try:
                connection.connect(str(self.socket_path))
            except (FileNotFoundError, ConnectionRefusedError):
                assert self.process.poll() is None, self.process.communicate()
                time.sleep(0.001)
            else:
                return connection

    def raw(self, data: bytes) -> bytes:
        """Sends bytes, returns one reply with its line feed and NUL; what came before the end of the stream."""
        self.connection.sendall(data)
        reply = b""
        while not reply.endswith(b"\0"):
            part = self.connection.recv(1 << 16)
            if not part:
                break
            reply += part
        return reply

    def ask(self, **request: Any) -> Any:
        self._identifier += 1
        reply = json.loads(self.raw(json.dumps({**request, "id": self._identifier}).encode())[:-1])
        assert reply.pop("id", self._identifier) == self._identifier
        return reply

    def close(self) -> tuple[int, bytes, bytes]:
        """Closes the connection; exit code, standard output and error."""
        self.connection.close()
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path], Engine]]:
    """Starts an engine file and connects to it; ends it with the test."""
    engines: list[Engine] = []

    def start_engine(path: Path) -> Engine:
        engines.append(Engine(path, tmp_path / f"{len(engines)}.sock"))
        return engines[-1]

    yield start_engine
    for engine in engines:
        engine.connection.close()
        with suppress(ProcessLookupError):
            engine.process.kill()
        engine.process.communicate()


@pytest.fixture(scope="session")
def digits_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` as an engine: 64 features in 0..1, labels 0 to 9."""
    path = tmp_path_factory.mktemp("engines") / "digits.eim"
    build_engine(digits_int8, path, EngineOptions(labels=DIGITS, project_name="Digits"))
    return path


@pytest.fixture(scope="session")
def digits_camera_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` as the model of a grayscale camera of 8 x 8 pixels."""
    path = tmp_path_factory.mktemp("engines") / "camera.eim"
    build_engine(digits_int8, path, EngineOptions(sensor="camera", labels=DIGITS))
    return path


@pytest.fixture(scope="session")
def digits_audio_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` as if its 64 features were sound: what continuous classification needs."""
    path = tmp_path_factory.mktemp("engines") / "audio.eim"
    build_engine(digits_int8, path, EngineOptions(sensor="microphone", labels=DIGITS))
    return path


@pytest.fixture(scope="session")
def digits_freeform_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` with its scores as a freeform output."""
    path = tmp_path_factory.mktemp("engines") / "freeform.eim"
    build_engine(digits_int8, path, EngineOptions(model_type="freeform"))
    return path
