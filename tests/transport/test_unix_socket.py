"""Unix sockets that somebody else listens on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkLostError, LinkTimeoutError, MissingRuntimeError
from ai_runner.transport.unix_socket import connect_unix


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


@pytest.fixture
def listener(path: str) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.bind(path)
    stream.listen(0)
    return stream


def test_bytes_go_both_ways(listener: socket.socket, path: str) -> None:
    transport = connect_unix(path, Deadline(20))
    with listener, listener.accept()[0] as other:
        transport.write(b"question", Deadline(20))
        assert other.recv(100) == b"question"
        other.sendall(b"answer")
        assert transport.read(100, Deadline(20)) == b"answer"
        assert transport.read(100, Deadline(0)) == b""
    with pytest.raises(LinkLostError):
        transport.read(1, Deadline(20))
    transport.close()
    assert transport.describe() == path


def test_a_full_queue(listener: socket.socket, path: str) -> None:
    with connect_unix(path, Deadline(20)), pytest.raises(LinkTimeoutError, match="takes no connection"):
        connect_unix(path, Deadline(0.05))
    listener.close()


def test_nobody_listens(listener: socket.socket, path: str) -> None:
    listener.close()
    with pytest.raises(HwIOError, match="refused"):
        connect_unix(path, Deadline(20))
    with pytest.raises(HwIOError, match="No such file"):
        connect_unix(f"{path}-not", Deadline(20))


def test_a_path_that_is_too_long() -> None:
    with pytest.raises(InvalidParamError, match="107 bytes"):
        connect_unix("/tmp/" + "x" * 103, Deadline(20))


def test_a_system_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(MissingRuntimeError):
        connect_unix("/tmp/s", Deadline(20))
