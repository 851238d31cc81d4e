"""Listing ports, and telling those of ST boards."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from ai_runner.transport.port_list import SerialPortInfo, list_serial_ports
from ai_runner.transport.st_usb import by_preference, candidates, kind_of

OTHER = SerialPortInfo("/dev/ttyUSB0", "CP2102", "", 0x10C4, 0xEA60)
BUILT_IN = SerialPortInfo("/dev/ttyS0")
LINK_V2 = SerialPortInfo("/dev/ttyACM2", "STLink", "", 0x0483, 0x374B)
LINK_V3 = SerialPortInfo("/dev/ttyACM1", "STLINK-V3", "", 0x0483, 0x3754)
OWN = SerialPortInfo("/dev/ttyACM3", "", "", 0x0483, 0x5740)
UNKNOWN = SerialPortInfo("/dev/ttyACM0", "", "", 0x0483, 0x1234)


def test_ports_of_st_come_first() -> None:
    ports = [BUILT_IN, OTHER, UNKNOWN, LINK_V3, LINK_V2, OWN]
    assert by_preference(ports) == (OWN, LINK_V3, LINK_V2, UNKNOWN, BUILT_IN, OTHER)


def test_ports_of_others_are_no_candidates() -> None:
    assert candidates([BUILT_IN, OTHER, LINK_V2]) == (LINK_V2,)
    assert candidates([BUILT_IN, OTHER]) == ()


def test_what_a_port_is() -> None:
    kinds = [kind_of(port) for port in (OWN, LINK_V2, LINK_V3, UNKNOWN, OTHER, BUILT_IN)]
    assert kinds == ["STM32 USB", "ST-LINK/V2-1", "STLINK-V3", "ST", "", ""]


def test_what_pyserial_does_not_know_is_left_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    port = SimpleNamespace(device="COM9", description="n/a", manufacturer=None, vid=None, pid=None, serial_number=None)
    monkeypatch.setattr(list_ports, "comports", lambda: [port])
    assert list_serial_ports() == (SerialPortInfo("COM9"),)
