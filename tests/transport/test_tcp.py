"""TCP: both ends in this process, on the loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkLostError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.opening import open_transport
from ai_runner.transport.tcp import host_and_port

LATER = Deadline(3600)  # made when the tests are collected; what hangs is ended by the limit of a test
NOW = Deadline(0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def ends(listener: socket.socket) -> Iterator[tuple[Transport, socket.socket]]:
    with open_transport(f"socket://127.0.0.1:{listener.getsockname()[1]}", 115200, LATER) as transport:
        device, _ = listener.accept()
        with device:
            yield transport, device


def test_bytes_go_both_ways(ends: tuple[Transport, socket.socket]) -> None:
    transport, device = ends
    transport.write(b"\x00\xaa\xff", LATER)
    assert device.recv(10) == b"\x00\xaa\xff"
    device.sendall(b"\xff\xff\x00")
    assert transport.read(2, LATER) == b"\xff\xff"
    assert transport.read(10, LATER) == b"\x00"
    assert transport.read(10, NOW) == b""


def test_there_is_no_rate(ends: tuple[Transport, socket.socket]) -> None:
    transport, _ = ends
    transport.baudrate = 9600
    assert transport.baudrate is None
    assert transport.describe().startswith("socket://127.0.0.1:")


def test_small_packets_are_not_held_back(ends: tuple[Transport, socket.socket]) -> None:
    stream: socket.socket = ends[0]._stream  # type: ignore[attr-defined]
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_peer_that_ends_is_lost_after_its_last_bytes(ends: tuple[Transport, socket.socket]) -> None:
    transport, device = ends
    device.sendall(b"last")
    device.close()
    assert transport.read(10, LATER) == b"last"
    with pytest.raises(LinkLostError, match="closed the connection"):
        transport.read(10, LATER)


def test_a_peer_that_resets_is_lost(ends: tuple[Transport, socket.socket]) -> None:
    transport, device = ends
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    device.close()
    with pytest.raises(LinkLostError, match="closed the connection"):
        transport.read(10, LATER)
    with pytest.raises(LinkLostError):
        transport.write(b"x", LATER)


def test_a_peer_that_does_not_read(ends: tuple[Transport, socket.socket]) -> None:
    with pytest.raises(LinkTimeoutError, match="took"):
        ends[0].write(bytes(1 << 25), NOW)


def test_closing_is_idempotent(ends: tuple[Transport, socket.socket]) -> None:
    transport, device = ends
    transport.close()
    transport.close()
    assert device.recv(10) == b""
    with pytest.raises(LinkLostError):
        transport.write(b"x", LATER)


def test_nobody_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(HwIOError, match="cannot be reached") as caught:
        open_transport(f"socket://127.0.0.1:{port}", 115200, LATER)
    assert caught.value.retryable


def test_a_host_that_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **keywords: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(HwIOError, match="host is unknown"):
        open_transport("socket://nowhere:4000", 115200, LATER)


def test_a_host_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*args: object, **keywords: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(LinkTimeoutError, match="does not answer"):
        open_transport("socket://lab:4000", 115200, LATER)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("socket://lab:4000", ("lab", 4000)), ("rfc2217://[::1]:4000", ("::1", 4000)), ("socket://h:1/", ("h", 1))],
)
def test_host_and_port(url: str, expected: tuple[str, int]) -> None:
    assert host_and_port(url) == expected


@pytest.mark.parametrize(
    "url", ["socket://", "socket://lab", "socket://:4000", "socket://lab:x", "socket://lab:70000", "socket://h:1/path"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidParamError, match="host or port") as caught:
        open_transport(url, 115200, LATER)
    assert "socket://HOST:PORT" in caught.value.hint
