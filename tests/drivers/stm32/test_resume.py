"""Runs that outlive a pulled cable: another pseudo-terminal and another process take the place of the board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.stm32 import recovery, replugging
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.drivers.stm32.replugging import PortIdentity, is_same_board
from ai_runner.errors import InvalidModelError, LinkLostError, LinkTimeoutError
from ai_runner.model import Mode
from ai_runner.transport import Transport
from ai_runner.transport.fault_injector import Fault, FaultInjector, FaultKind
from ai_runner.transport.port_list import SerialPortInfo

SERIAL_NUMBER = "066AFF"
SAMPLES = 6
WITH_DATA = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
FIRMWARES: list[dict[str, Any]] = [{}, {"large_packet": 4094}, {"dialect": "v3.1-1b"}, {"dialect": "v2.1"}]


class Desk:
    """Where boards are plugged in and pulled out.

    Attributes:
        ports: that the host lists now.
        absences: how often the host looks, after the cable was pulled, before the board is there again.
        lines: that were opened, in order.
        on_pulled: what to plug in then; called once for each pulled cable.
    """

    def __init__(self, start: Callable[..., Any]) -> None:
        self._start = start
        self.ports: list[SerialPortInfo] = []
        self.absences = 0
        self.lines: list[FaultInjector] = []
        self.faults: list[Fault] = []
        self.next_choices: dict[str, Any] | None = {}
        self.serial_number = SERIAL_NUMBER

    def plug_in(self, **choices: Any) -> str:
        """Starts a board; returns its port."""
        device = parse_descriptor(self._start(**choices).descriptor).address
        self.ports = [SerialPortInfo(device, vid=0x0483, pid=0x374E, serial_number=self.serial_number)]
        return device

    def listed(self) -> tuple[SerialPortInfo, ...]:
        if self.lines and self.lines[-1].fired and self.lines[-1].fired[-1].kind is FaultKind.DISCONNECT:
            if self.absences > 0:
                self.absences -= 1
                return ()
            self.lines.append(FaultInjector(self.lines[-1]._transport))  # plugged in once
            if self.next_choices is None:
                self.ports = []
            else:
                self.plug_in(**self.next_choices)
        return tuple(self.ports)

    def wrap(self, transport: Transport) -> Transport:
        self.lines.append(FaultInjector(transport, self.faults.pop(0) if self.faults else None))
        return self.lines[-1]


@pytest.fixture
def desk(host_firmware: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(host_firmware)
    monkeypatch.setattr(replugging, "list_serial_ports", made.listed)
    monkeypatch.setattr(recovery, "_LOOK_AGAIN", 0.001)
    return made


@pytest.fixture
def opened(desk: Desk) -> Iterator[Callable[..., Stm32Driver]]:
    """A driver on a board that has just been plugged in."""
    drivers: list[Stm32Driver] = []

    def make(resume: float = 20, **choices: Any) -> Stm32Driver:
        descriptor = f"serial:{desk.plug_in(**choices)}:115200?silence=0.2" + (f"&resume={resume}" if resume else "")
        drivers.append(Stm32Driver(parse_descriptor(descriptor), wrap=desk.wrap))
        drivers[-1].open(Deadline(20))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.close()


class Diary(AiRunnerCallback):
    """Everything that is called, in order; may stop after a sample."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int]] = []
        self.outputs: list[bytes] = []

    def on_sample_begin(self, idx: int) -> None:
        self.entries.append(("begin", idx))

    def on_sample_end(self, idx: int, data: Any, logs: Any = None) -> bool:
        self.entries.append(("end", idx))
        self.outputs.append(data[0].tobytes())
        return True

    def on_node_begin(self, idx: int, data: Any, logs: Any = None) -> None:
        self.entries.append(("node begin", idx))

    def on_node_end(self, idx: int, data: Any, logs: Any = None) -> None:
        self.entries.append(("node end", idx))


def inputs_of(driver: Stm32Driver) -> list[Any]:
    (tensor,) = driver.info("digits").inputs
    return [np.random.default_rng(3).integers(-128, 128, (SAMPLES, *tensor.sample_shape), np.int8)]


def measured(driver: Stm32Driver, mode: Mode) -> tuple[list[bytes], list[tuple[str, int]], list[bytes]]:
    """Tensors, calls and the outputs that came with them, of one batch."""
    diary = Diary()
    found = driver.invoke("digits", inputs_of(driver), mode, diary)
    tensors = [array.tobytes() for array in (*found.outputs, *(data for node in found.nodes for data in node.data))]
    assert len(found.durations) == len(found.exec_times) == SAMPLES
    assert all(len(node.durations) == SAMPLES for node in found.nodes)
    return tensors, diary.entries, diary.outputs


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
@pytest.mark.parametrize("mode", [Mode.IO_ONLY, WITH_DATA])
def test_a_cable_pulled_anywhere_loses_and_doubles_no_sample(
    choices: dict[str, Any], mode: Mode, desk: Desk, opened: Callable[..., Stm32Driver]
) -> None:
    desk.next_choices = choices
    driver = opened(**choices)
    before = desk.lines[-1].written, desk.lines[-1].read_bytes
    undisturbed = measured(driver, mode)
    moved = desk.lines[-1].written - before[0], desk.lines[-1].read_bytes - before[1]

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(outgoing=st.booleans(), place=st.floats(0, 0.999), absences=st.integers(0, 3))
    def holds(outgoing: bool, place: float, absences: int) -> None:
        desk.absences = absences
        there = desk.lines[-1]
        there.inject(Fault(FaultKind.DISCONNECT, outgoing, int(place * moved[0 if outgoing else 1])))
        assert measured(driver, mode) == undisturbed
        assert there.fired
        assert desk.lines[-1] is not there

    holds()


def test_a_cable_pulled_twice_and_while_it_is_plugged_in(desk: Desk, opened: Callable[..., Stm32Driver]) -> None:
    driver = opened()
    undisturbed = measured(driver, Mode.IO_ONLY)
    desk.faults = [Fault(FaultKind.DISCONNECT, False, 60), Fault(FaultKind.DISCONNECT, True, 500)]
    desk.lines[-1].inject(Fault(FaultKind.DISCONNECT, True, 300))
    assert measured(driver, Mode.IO_ONLY) == undisturbed
    assert not desk.faults


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.TRUNCATE, FaultKind.DELAY])
def test_a_live_line_is_resumed_without_opening_it_again(
    kind: FaultKind, desk: Desk, opened: Callable[..., Stm32Driver]
) -> None:
    driver = opened()
    undisturbed = measured(driver, WITH_DATA)
    for outgoing, offset in ((True, 400), (False, 3000), (True, 3), (False, 0)):
        desk.lines[-1].inject(Fault(kind, outgoing, offset, seconds=0.4))
        assert measured(driver, WITH_DATA) == undisturbed
    assert len(desk.lines) == 1


def test_without_being_told_to_a_run_is_not_resumed(desk: Desk, opened: Callable[..., Stm32Driver]) -> None:
    driver = opened(resume=0)
    desk.lines[-1].inject(Fault(FaultKind.DISCONNECT, True, 300))
    with pytest.raises(LinkLostError):
        measured(driver, Mode.IO_ONLY)
    assert len(desk.lines) == 1


def test_a_board_that_stays_away_is_an_error_and_is_found_by_a_later_run(
    desk: Desk, opened: Callable[..., Stm32Driver]
) -> None:
    driver = opened(resume=0.3)
    undisturbed = measured(driver, Mode.IO_ONLY)
    desk.next_choices = None
    desk.lines[-1].inject(Fault(FaultKind.DISCONNECT, True, 300))
    with pytest.raises(LinkLostError, match=rf"serial number {SERIAL_NUMBER} has not come back within 0\.3 s"):
        measured(driver, Mode.IO_ONLY)
    desk.plug_in()
    assert measured(driver, Mode.IO_ONLY) == undisturbed


def test_what_makes_another_board(opened: Callable[..., Stm32Driver]) -> None:
    opened()
    recovered = opened()._recovery
    assert recovered is not None
    board = recovered._board
    first, *others = board.models

    def like(**changes: Any) -> bool:
        return is_same_board(replace(board, models=(replace(first, **changes), *others)), board)

    assert like(install_time=5.0, init_time=3.0, activations=(), inputs=(replace(first.inputs[0], address=7),))
    assert not like(signature="another")
    assert not like(name="another")
    assert not like(inputs=(replace(first.inputs[0], scale=0.75),))
    assert not like(outputs=first.outputs * 2)
    assert not is_same_board(replace(board, models=board.models[:1]), board)


def test_another_dialect_is_another_board(desk: Desk, opened: Callable[..., Stm32Driver]) -> None:
    driver = opened()
    desk.next_choices = {"dialect": "v2.1"}
    desk.lines[-1].inject(Fault(FaultKind.DISCONNECT, True, 300))
    for _ in range(2):  # and stays so, although it is at rest
        with pytest.raises(InvalidModelError, match="other models"):
            measured(driver, Mode.IO_ONLY)


def test_an_interrupt_while_waiting_ends_cleanly(
    desk: Desk, opened: Callable[..., Stm32Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = opened()
    undisturbed = measured(driver, Mode.IO_ONLY)

    class Impatience:
        @staticmethod
        def sleep(seconds: float) -> None:
            raise KeyboardInterrupt

    desk.next_choices = None
    desk.lines[-1].inject(Fault(FaultKind.DISCONNECT, True, 300))
    with monkeypatch.context() as patched:
        patched.setattr(recovery, "time", Impatience)
        with pytest.raises(KeyboardInterrupt):
            measured(driver, Mode.IO_ONLY)
    desk.plug_in()
    assert measured(driver, Mode.IO_ONLY) == undisturbed
    driver.close()


def test_a_given_line_is_not_opened_again(
    host_firmware: Callable[..., Any], driver_on: Callable[..., Stm32Driver]
) -> None:
    from ai_runner.transport.opening import open_transport

    address = parse_descriptor(host_firmware().descriptor).address
    line = FaultInjector(open_transport(address, 115200, Deadline(10)))
    driver = driver_on(line, silence="0.2", resume="5")
    line.inject(Fault(FaultKind.DISCONNECT, True, 300))
    with pytest.raises((LinkLostError, LinkTimeoutError)):
        measured(driver, Mode.IO_ONLY)
    line.close()


class TestIdentity:
    def identity(self, monkeypatch: pytest.MonkeyPatch, ports: list[SerialPortInfo], address: str) -> PortIdentity:
        monkeypatch.setattr(replugging, "list_serial_ports", lambda: tuple(ports))
        return PortIdentity.of(address)

    def test_by_serial_number_whatever_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ports = [
            SerialPortInfo("COM3", vid=0x483, pid=0x374E, serial_number="A"),
            SerialPortInfo("COM4", vid=0x483, pid=0x374E, serial_number="A"),
            SerialPortInfo("COM5", vid=0x483, pid=0x374E, serial_number="B"),
        ]
        identity = self.identity(monkeypatch, ports, "COM4")
        ports[:] = [
            SerialPortInfo("COM5", vid=0x483, pid=0x374E, serial_number="B"),
            SerialPortInfo("COM7", vid=0x483, pid=0x374E, serial_number="A"),
            SerialPortInfo("COM8", vid=0x483, pid=0x374E, serial_number="A"),
        ]
        assert identity.now() == "COM8"  # the second port of the same device, as before
        ports.pop()
        assert identity.now() == ""
        assert "serial number A" in str(identity)

    def test_by_name_without_serial_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ports = [SerialPortInfo("COM3")]
        identity = self.identity(monkeypatch, ports, "COM3")
        assert identity == PortIdentity("COM3")
        assert identity.now() == "COM3"
        ports[:] = [SerialPortInfo("COM4")]
        assert identity.now() == ""

    def test_a_link_to_a_port(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        device, link = tmp_path / "ttyACM0", tmp_path / "by-id"
        device.touch()
        link.symlink_to(device)
        ports = [SerialPortInfo(str(device), vid=1, pid=2, serial_number="S")]
        identity = self.identity(monkeypatch, ports, str(link))
        assert identity.usb == (1, 2, "S")

    def test_an_address_on_the_network_is_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.identity(monkeypatch, [], "socket://lab:4000").now() == "socket://lab:4000"
