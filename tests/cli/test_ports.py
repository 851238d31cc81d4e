"""``ai-runner ports`` and ``ai-runner doctor``."""

from __future__ import annotations

from typing import Any

import pytest

from ai_runner.transport import port_list, st_usb
from ai_runner.transport.port_list import PortHolder, SerialPortInfo

PORTS = (
    SerialPortInfo("/dev/ttyS0", "16550A"),
    SerialPortInfo("/dev/ttyACM0", "STM32 STLink", "STMicroelectronics", 0x0483, 0x374B, "0669FF"),
    SerialPortInfo("/dev/ttyACM1", "evil\x1b[2J", "", 0x0483, 0x5740, ""),
)


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> list[SerialPortInfo]:
    listed = list(PORTS)
    for module in (port_list, st_usb):
        monkeypatch.setattr(module, "list_serial_ports", lambda: tuple(listed))
    monkeypatch.setattr(
        port_list, "holders", lambda device: (PortHolder(7, "minicom"),) if device.endswith("ACM0") else ()
    )
    return listed


def test_boards_of_st_are_listed_first(ai_runner: Any, ports: Any) -> None:
    ended = ai_runner("ports")
    assert (ended.code, ended.err) == (0, "")
    header, _, *rows = ended.out.splitlines()
    assert header.split()[0] == "port"
    assert [row.split()[0] for row in rows] == ["/dev/ttyACM1", "/dev/ttyACM0", "/dev/ttyS0"]
    assert "0483:374b" in rows[1]
    assert "0669FF" in rows[1]
    assert "minicom (pid 7)" in rows[1]
    assert "\x1b" not in ended.out


def test_a_host_without_ports_says_so(ai_runner: Any, ports: Any) -> None:
    ports.clear()
    assert ai_runner("ports").out == "no serial ports\n"


def test_the_doctor_looks_at_the_host(ai_runner: Any, ports: Any) -> None:
    del ports[1:]
    ended = ai_runner("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert "pyserial" in ended.out
    assert "/dev/ttyS0" in ended.out
    assert "answers" not in ended.out


def test_the_doctor_connects(ai_runner: Any) -> None:
    ended = ai_runner("doctor", "-d", "fake:good")
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "fake:good: answers, models: network"


def test_the_doctor_shows_the_evidence_and_the_next_step(ai_runner: Any) -> None:
    ended = ai_runner("doctor", "-d", "fake:busy")
    assert (ended.code, ended.err) == (3, "")
    assert ended.out.splitlines() == [
        "fake:busy: port COM3 is in use",
        "  port      COM3",
        "  next      close the terminal",
    ]


def test_the_doctor_tells_a_wrong_model_from_a_bad_bench(ai_runner: Any) -> None:
    ended = ai_runner("doctor", "-d", "fake:broken")
    assert ended.code == 4
    assert "the model\\nis broken" in ended.out


def test_a_descriptor_that_cannot_be_read_is_the_users_fault(ai_runner: Any) -> None:
    ended = ai_runner("doctor", "-d", "nobody:there")
    assert ended.code == 2
    assert "nobody" in ended.err
