"""A serial port on a pseudo-terminal: opened by pyserial, read and written by descriptor, lost and blocked."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkLostError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.opening import open_transport
from ai_runner.transport.port_list import PortHolder, holders
from ai_runner.transport.serial_port import PortBusyError, PyserialPort, open_serial_port

pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
LATER = Deadline(3600)  # made when the tests are collected; what hangs is ended by the limit of a test
NOW = Deadline(0)


def open_files() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


@dataclass
class Line:
    """A pseudo-terminal: the device's end as a descriptor, the host's end by name."""

    device: int
    name: str
    slave: int

    def cut(self) -> None:
        os.close(self.device)
        self.device = -1


@pytest.fixture
def line() -> Iterator[Line]:
    import tty

    device, slave = os.openpty()
    tty.setraw(slave)
    made = Line(device, os.ttyname(slave), slave)
    yield made
    os.close(slave)
    if made.device >= 0:
        os.close(made.device)


@pytest.fixture(params=["descriptor", "pyserial"])
def port(request: pytest.FixtureRequest, line: Line) -> Iterator[Transport]:
    """The port as POSIX has it, and as other systems do."""
    opened: Any = open_serial_port(line.name, 115200)
    with PyserialPort(opened._port, line.name) if request.param == "pyserial" else opened as transport:
        yield transport


def test_bytes_go_both_ways(line: Line, port: Transport) -> None:
    port.write(b"\x00\xaa\r\n\x11\x13\x03", LATER)
    assert os.read(line.device, 100) == b"\x00\xaa\r\n\x11\x13\x03"
    os.write(line.device, b"\x00\xaa\r\n\x11\x13\x03")
    assert port.read(100, LATER) == b"\x00\xaa\r\n\x11\x13\x03"


def test_a_read_takes_no_more_than_asked_for(line: Line, port: Transport) -> None:
    os.write(line.device, b"abc")
    assert port.read(2, LATER) == b"ab"
    assert port.read(2, NOW) == b"c"


def test_nothing_comes(port: Transport) -> None:
    assert port.read(10, NOW) == b""
    assert port.read(10, Deadline(0.001)) == b""


def test_a_wait_ends_when_bytes_come(line: Line, port: Transport) -> None:
    writer = threading.Thread(target=os.write, args=(line.device, b"x"))
    writer.start()
    assert port.read(10, LATER) == b"x"
    writer.join()


def test_many_bytes(line: Line, port: Transport) -> None:
    data = bytes(range(256)) * 400
    received = bytearray()

    def device() -> None:
        while len(received) < len(data):
            received.extend(os.read(line.device, 4096))

    reader = threading.Thread(target=device)
    reader.start()
    port.write(data, LATER)
    reader.join()
    assert bytes(received) == data


def test_a_device_that_does_not_read(line: Line) -> None:
    with open_serial_port(line.name, 115200) as port, pytest.raises(LinkTimeoutError, match="took") as caught:
        port.write(bytes(1 << 20), NOW)
    assert caught.value.retryable


def test_a_cut_line_is_lost_after_its_last_bytes(line: Line) -> None:
    with open_serial_port(line.name, 115200) as port:
        os.write(line.device, b"last")
        assert port.read(10, LATER) == b"last"
        line.cut()
        for _ in range(2):
            with pytest.raises(LinkLostError, match="is gone"):
                port.read(10, LATER)
        with pytest.raises(LinkLostError, match="is gone"):
            port.write(b"x", LATER)


def test_a_lost_line_is_lost_for_pyserial_too(line: Line) -> None:
    opened: Any = open_serial_port(line.name, 115200)
    with PyserialPort(opened._port, line.name) as port:
        line.cut()
        with pytest.raises(LinkLostError, match="is gone"):
            port.read(10, LATER)


def test_the_rate_can_be_changed(port: Transport) -> None:
    assert port.baudrate == 115200
    port.baudrate = 921600
    assert port.baudrate == 921600
    assert "921600 Bd" in port.describe()


def test_an_impossible_rate_changes_nothing(port: Transport) -> None:
    with pytest.raises(InvalidParamError, match="Bd is not possible"):
        port.baudrate = -3
    assert port.baudrate == 115200


def test_closing_is_idempotent_and_leaves_nothing_open(line: Line) -> None:
    before = open_files()
    port = open_serial_port(line.name, 115200)
    port.close()
    port.close()
    assert open_files() == before
    with pytest.raises(LinkLostError):
        port.write(b"x", NOW)


def test_a_port_is_ours_alone(line: Line) -> None:
    with open_serial_port(line.name, 115200), pytest.raises(PortBusyError, match="in use") as caught:
        open_serial_port(line.name, 115200)
    assert caught.value.retryable
    open_serial_port(line.name, 115200).close()


def test_a_busy_port_is_tried_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_serial_port(line.name, 115200)
    monkeypatch.setattr("time.sleep", lambda seconds: first.close())
    open_serial_port(line.name, 115200, LATER).close()


@pytest.mark.parametrize(
    ("name", "what"),
    [("/dev/ttyNONE", "there is no serial port"), ("/dev/null", "cannot be opened"), ("COM77", "there is no")],
)
def test_what_is_no_port(name: str, what: str) -> None:
    with pytest.raises(HwIOError, match=what) as caught:
        open_transport(name, 115200, NOW)
    assert caught.value.hint
    assert caught.value.evidence["port"] == name


def test_a_rate_that_is_none(line: Line) -> None:
    with pytest.raises(InvalidParamError, match="Bd is not possible"):
        open_serial_port(line.name, -1)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc that tells who has a file open")
def test_who_has_a_port_open(line: Line) -> None:
    (holder,) = holders(line.name)
    assert holder.pid == os.getpid()
    assert str(holder) == "this process"
    assert str(PortHolder(1 << 30, "screen")) == f"screen (pid {1 << 30})"
    assert holders("/dev/ttyNONE") == ()
