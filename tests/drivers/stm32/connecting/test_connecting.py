"""From a descriptor to a connection: options, ports, what is done where none answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32 import connecting
from ai_runner.drivers.stm32.connecting import establish
from ai_runner.drivers.stm32.evidence import PortEvidence
from ai_runner.drivers.stm32.options import BAUDRATES, LinkOptions, relay_address
from ai_runner.drivers.stm32.protocol import State
from ai_runner.errors import HwIOError, InvalidParamError, LinkLostError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.port_list import PortHolder, SerialPortInfo
from ai_runner.transport.serial_port import PortBusyError, open_serial_port

LATER = Deadline(3600)  # made when the tests are collected; what hangs is ended by the limit of a test
SERIAL = parse_descriptor("serial")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Name -> transport, or the error of opening it; these are the ports of this host."""
    ports: dict[str, Any] = {}

    def opened(address: str, baudrate: int, patience: Deadline) -> Transport:
        found = ports[address]
        if isinstance(found, Exception):
            raise found
        found.baudrate = baudrate
        return found  # type: ignore[no-any-return]

    monkeypatch.setattr(connecting, "open_transport", opened)
    monkeypatch.setattr(
        connecting, "candidates", lambda: [SerialPortInfo(name, vid=0x0483, pid=0x374B) for name in ports]
    )
    monkeypatch.setattr(connecting, "holders", lambda port: ())
    return ports


def options(text: str, **keywords: Any) -> LinkOptions:
    return LinkOptions.of(parse_descriptor(text), keywords)


def test_options() -> None:
    assert options("serial") == LinkOptions("", BAUDRATES, "", 20.0, False)
    assert options("serial:COM3:921600") == LinkOptions("COM3", (921600,), "", 20.0, False)
    assert options("serial:COM3", baudrate=460800, timeout=3) == LinkOptions("COM3", (460800,), "", 3.0, False)
    assert options("serial:?dialect=v3&timeout=2.5&recover=1") == LinkOptions("", BAUDRATES, "v3", 2.5, True)
    assert options("serial:?silence=0.5&resume=60&verify=1") == LinkOptions(
        "", BAUDRATES, "", 20.0, False, silence=0.5, resume=60.0, verify=True
    )
    assert options("serial", timeout=3).silence is None  # it is about connecting
    assert options("socket://lab:4000").address == "socket://lab:4000"
    assert options("socket:lab:4000").address == "socket://lab:4000"


@pytest.mark.parametrize(
    "text",
    [
        "?dialect=v9",
        "?timeout=0",
        "?timeout=soon",
        "?timeout=nan",
        "?silence=x",
        "?resume=0",
        "?verify=2",
        "?recover=yes",
        "?baudrate=0",
        "?baudrate=x",
    ],
)
def test_options_that_are_not_possible(text: str) -> None:
    with pytest.raises(InvalidParamError):
        options(f"serial:{text}")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("lab:4000", "socket://lab:4000"),
        ("localhost:10000", "socket://localhost:10000"),
        ("4000", "socket://localhost:4000"),
        (":4000", "socket://localhost:4000"),
        ("lab2", "socket://lab2:10000"),
        ("192.0.2.7", "socket://192.0.2.7:10000"),
        ("192.0.2.7:", "socket://192.0.2.7:10000"),
        ("[::1]:4000", "socket://[::1]:4000"),
        ("", "socket://localhost:10000"),
    ],
)
def test_the_address_of_a_relay_is_as_short_as_with_the_client_of_st(address: str, url: str) -> None:
    assert relay_address(address) == url


@pytest.mark.parametrize("address", ["a:b:c", "lab:port", "::1", "//lab"])
def test_what_is_no_relay(address: str) -> None:
    with pytest.raises(InvalidParamError, match="neither host nor port"):
        relay_address(address)


def test_the_first_port_with_a_board_is_taken(kind: Any, board: Any, bench: Any) -> None:
    bench["silent"] = board(kind, rate=9600, speaks_at=1)[0]
    bench["board"], firmware = board(kind, rate=9600, speaks_at=921600)
    bench["never asked"] = None
    transport, connection, _ = establish(SERIAL, {}, LATER)
    assert transport is bench["board"]
    assert transport.baudrate == 921600
    assert connection.state is State.READY
    assert connection.dialect is not None
    assert connection.dialect.name == kind.name
    assert firmware.idle
    with pytest.raises(LinkLostError):
        bench["silent"].write(b"x", LATER)  # closed


def test_a_given_transport_is_used_and_stays_open(kinds: Any, board: Any) -> None:
    host, _ = board(kinds["v3.1-2b"])
    transport, connection, _ = establish(SERIAL, {"transport": host}, LATER)
    assert transport is host
    assert connection.dialect is not None
    silent, _ = board(kinds["v2.1"], rate=1, speaks_at=2)
    with pytest.raises(LinkTimeoutError):
        establish(SERIAL, {"transport": silent}, LATER)
    silent.write(b"x", LATER)


def test_a_dialect_that_is_asked_for_chooses_the_board(kinds: Any, board: Any, bench: Any) -> None:
    bench["old"], bench["new"] = board(kinds["v2.1"])[0], board(kinds["v3.1-2b"])[0]
    transport, *_ = establish(parse_descriptor("serial:?dialect=v3"), {}, LATER)
    assert transport is bench["new"]


def test_no_board_of_the_dialect(kinds: Any, board: Any, bench: Any) -> None:
    bench["old"] = board(kinds["v2.1"])[0]
    with pytest.raises(LinkTimeoutError, match=r"speaks v2\.1, and v3\.2 is asked for"):
        establish(parse_descriptor("serial:?dialect=v3.2"), {}, LATER)


def test_every_port_has_its_evidence(kinds: Any, board: Any, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "holders", lambda port: (PortHolder(7, "minicom"),) if port == "busy" else ())
    bench["busy"] = PortBusyError("busy is in use by another program", hint="close it")
    bench["silent"] = board(kinds["v2.1"], rate=1, speaks_at=2)[0]
    chatty, firmware = board(kinds["v2.1"], rate=1, speaks_at=2)
    firmware.say(b"m-timeout-(2000)\r\nm-ready\r\n")
    bench["benchmark"] = chatty
    with pytest.raises(LinkTimeoutError, match="MLPerf Tiny") as caught:
        establish(SERIAL, {}, LATER)
    evidence = caught.value.evidence
    assert list(evidence) == ["busy", "silent", "benchmark"]
    assert "minicom (pid 7)" in str(evidence["busy"])
    assert "no aiValidation firmware runs there" in str(evidence["silent"])
    assert str(evidence["silent"]).count("silent") == len(BAUDRATES)
    assert "m-ready" in str(evidence["benchmark"])
    assert caught.value.hint == evidence["benchmark"].next_step != ""


def test_no_port_at_all(bench: Any) -> None:
    with pytest.raises(HwIOError, match="no serial port of an ST board") as caught:
        establish(SERIAL, {}, LATER)
    assert "ai-runner ports" in caught.value.hint


def test_ports_that_were_left_alone_are_told(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "list_serial_ports", lambda: (SerialPortInfo("/dev/ttyUSB7"),))
    with pytest.raises(HwIOError, match="no serial port of an ST board") as caught:
        establish(SERIAL, {}, LATER)
    (seen,) = caught.value.evidence.values()
    assert "left alone" in str(seen)
    assert seen.to_dict()["next_step"] == "if the board is there, name it: serial:/dev/ttyUSB7"


def test_a_port_that_cannot_be_opened_is_the_error(bench: Any) -> None:
    bench["COM3"] = HwIOError("COM3 may not be opened: permission denied", hint="join the group")
    with pytest.raises(HwIOError, match="permission denied") as caught:
        establish(parse_descriptor("serial:COM3"), {}, LATER)
    assert caught.value.hint == "join the group"


def test_a_cable_that_is_pulled_meanwhile(kinds: Any, board: Any, bench: Any) -> None:
    host, firmware = board(kinds["v2.1"])
    firmware._device.on_data = firmware._device.close
    bench["COM3"] = host
    with pytest.raises(HwIOError, match="closed"):
        establish(SERIAL, {}, LATER)


def test_an_interrupt_closes_the_port(kinds: Any, board: Any, bench: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    host, firmware = board(kinds["v2.1"])
    firmware._device.on_data = interrupt
    bench["COM3"] = host
    with pytest.raises(KeyboardInterrupt):
        establish(SERIAL, {}, LATER)
    with pytest.raises(LinkLostError):
        host.write(b"x", LATER)


def test_the_timeout_counts(kinds: Any, board: Any, bench: Any) -> None:
    bench["COM3"] = board(kinds["v2.1"], rate=1, speaks_at=2)[0]
    end = bench["COM3"].deadline(0.51)
    with pytest.raises(LinkTimeoutError) as caught:
        establish(parse_descriptor("serial:?timeout=0.5"), {}, LATER)
    assert not end.expired
    assert isinstance(caught.value.evidence["COM3"], PortEvidence)


@pytest.fixture
def pseudo_terminal(kinds: Any) -> Iterator[Callable[[Any], str]]:
    """Puts a simulated board behind a pseudo-terminal; returns the name of its port."""
    tty = pytest.importorskip("tty", reason="no pseudo-terminals on this system")
    threads, descriptors = [], []

    def serve(host: Transport) -> str:
        device, slave = os.openpty()
        tty.setraw(slave)
        stop, stopped = os.pipe()

        def relay() -> None:
            import select

            while True:
                ready = select.select([device, stop], [], [])[0]
                if stop in ready:
                    return
                host.write(os.read(device, 4096), host.deadline(1))
                os.write(device, host.read(1 << 16, host.deadline(0)))

        threads.append((threading.Thread(target=relay), stopped))
        threads[-1][0].start()
        descriptors.extend([device, slave, stop, stopped])
        return os.ttyname(slave)

    yield serve
    for thread, stopped in threads:
        os.write(stopped, b"x")
        thread.join()
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("name", "state"),
    [("v2.1", "idle"), ("v3.2", "idle"), ("v3.1-2b", "text hello"), ("v3.1-1b", "zeros 30"), ("v2.2", "input 1")],
)
def test_a_board_behind_a_real_port(
    name: str, state: str, kinds: Any, board: Any, leave: Any, pseudo_terminal: Any
) -> None:
    host, firmware = board(kinds[name])
    leave(host, firmware.kind, state)
    transport, connection, _ = establish(parse_descriptor(f"serial:{pseudo_terminal(host)}:115200"), {}, Deadline(60))
    with transport:
        assert connection.dialect is not None
        assert connection.dialect.name == name
        assert firmware.idle


def test_a_port_that_somebody_else_reads(kinds: Any, board: Any, pseudo_terminal: Any) -> None:
    name = pseudo_terminal(board(kinds["v2.1"])[0])
    descriptor = parse_descriptor(f"serial:{name}")
    with open_serial_port(name, 115200), pytest.raises(HwIOError, match="in use") as caught:
        establish(descriptor, {"timeout": 0.001}, LATER)
    assert "close" in caught.value.hint
