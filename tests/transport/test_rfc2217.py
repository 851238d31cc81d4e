"""RFC 2217 against pyserial's own server, which here has no hardware behind it and answers no purge."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from serial import rfc2217

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, LinkLostError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.opening import open_transport

LATER = Deadline(3600)  # made when the tests are collected; what hangs is ended by the limit of a test


def read_on(port: Transport) -> None:
    while True:
        port.read(100, LATER)


class Server:
    """Serves one client, sends back what it gets."""

    def __init__(self) -> None:
        self.purges = 0
        self.port: Any = SimpleNamespace(
            baudrate=9600, bytesize=8, parity="N", stopbits=1, xonxoff=False, rtscts=False, break_condition=False,
            dtr=False, rts=False, cts=False, dsr=False, ri=False, cd=False,
            reset_input_buffer=self.purge, reset_output_buffer=self.purge,
        )  # fmt: skip
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def purge(self) -> None:
        self.purges += 1

    def write(self, data: bytes) -> None:
        self._client.sendall(data)

    def end(self) -> None:
        self._thread.join()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as self._client:
            connection: Any = self
            manager = rfc2217.PortManager(self.port, connection)
            try:
                while data := self._client.recv(1024):
                    self._client.sendall(b"".join(manager.escape(b"".join(manager.filter(data)))))
                    if b"end of the server" in data:
                        return
            except OSError:
                return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("time.sleep", lambda seconds: threading.Event().wait(min(seconds, 0.002)))
    made = Server()
    yield made
    made.end()


def test_bytes_go_both_ways_and_nothing_is_purged(server: Server) -> None:
    threads = threading.active_count()
    with open_transport(server.url, 460800, LATER) as port:
        assert server.port.baudrate == port.baudrate == 460800
        port.write(b"\x00\xaa\xff\xff", LATER)
        heard = b""
        while len(heard) < 4:
            heard += port.read(100, LATER)
        assert heard == b"\x00\xaa\xff\xff"
        assert port.read(100, Deadline(0)) == b""
        port.baudrate = 115200
        assert server.port.baudrate == 115200
    assert server.purges == 0
    assert threading.active_count() <= threads


def test_a_server_that_ends_is_lost(server: Server) -> None:
    with open_transport(server.url, 115200, LATER) as port:
        port.write(b"end of the server", LATER)
        server.end()
        with pytest.raises(LinkLostError, match="is gone"):
            read_on(port)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        number = closed.getsockname()[1]
    with pytest.raises(HwIOError, match="cannot be opened") as caught:
        open_transport(f"rfc2217://127.0.0.1:{number}", 115200, LATER)
    assert "socket://" in caught.value.hint


class TestAServerThatSaysNothing:
    """It accepts the connection, and that is all."""

    @pytest.fixture
    def url(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"

    def test_is_given_up_at_the_deadline(self, url: str) -> None:
        deadline = Deadline(0.1)
        with pytest.raises(LinkTimeoutError, match="does not negotiate within the deadline"):
            open_transport(url, 115200, deadline)
        assert not [t for t in threading.enumerate() if "RFC 2217" in t.name]

    def test_waits_no_longer_than_pyserial_would_by_itself(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ai_runner.transport.rfc2217._STEP", 0.1)
        with pytest.raises(HwIOError, match="cannot be opened"):
            open_transport(url, 115200, LATER)
