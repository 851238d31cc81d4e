"""From what was seen to the likeliest cause."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_runner.drivers.stm32.diagnosis import explain, no_board
from ai_runner.drivers.stm32.evidence import Attempt, PortEvidence, readable
from ai_runner.drivers.stm32.protocol import DIALECTS, SyncReply
from ai_runner.drivers.stm32.protocol.codes import Capability
from ai_runner.errors import ExitCode, HwIOError, LinkTimeoutError

REPLY = SyncReply(DIALECTS[0], (2, 1), Capability(0), None)


def explained(port: str = "COM3", holders: tuple[str, ...] = (), **attempt: Any) -> PortEvidence:
    seen = PortEvidence(port, holders=holders, attempts=[Attempt(115200, **attempt)])
    explain(seen)
    return seen


@pytest.mark.parametrize(
    ("attempt", "cause", "next_step"),
    [
        ({}, "no aiValidation firmware runs there, or not at 115200 Bd", "reset the board"),
        ({"answer": b"\xaa\xaa\xaa", "answered": 3}, "stuck in the middle", "reset"),
        ({"answer": b"\xfe\x00\x80\xfe\xfe", "answered": 5}, "baud rate", "serial:PORT:BAUD"),
        ({"banner": b"\x00\xff\x81"}, "baud rate", "serial:PORT:BAUD"),
        ({"banner": b"Hello from the blinky demo\r\n"}, "prints 'Hello from the blinky", "flash"),
        ({"answer": b"> unknown command\r\n", "answered": 19}, "another application", "flash"),
        ({"banner": b"m-timeout-(2000)\r\nm-ready\r\n"}, "MLPerf Tiny", "flash"),
        ({"banner": b"...\r\nProtocol version = 3.1\r\n"}, "protocol 3.1 has started", "reset"),
        ({"refusal": "protocol 1.5 is not supported"}, "1.5 is not supported", "flash"),
        ({"reply": REPLY, "answer": b"\x8c\x08", "answered": 2}, "has answered, and then no more", "connect again"),
    ],
)
def test_the_likeliest_cause(attempt: dict[str, Any], cause: str, next_step: str) -> None:
    seen = explained(**attempt)
    assert cause in seen.cause
    assert next_step in seen.next_step
    assert cause in str(seen)


def test_who_reads_the_same_port_may_take_the_answers() -> None:
    assert "minicom (pid 7)" in explained(holders=("minicom (pid 7)",)).cause
    assert "qemu" not in explained("/dev/pts/3", holders=("qemu (pid 7)",)).cause


def test_what_opening_said_is_not_overruled() -> None:
    seen = PortEvidence("COM3", problem="busy", cause="busy", next_step="close it")
    explain(seen)
    assert (seen.cause, seen.next_step) == ("busy", "close it")


def test_the_error_is_about_the_port_that_tells_most() -> None:
    silent, busy, chatty = explained("COM1"), PortEvidence("COM2", problem="busy", cause="busy"), PortEvidence("COM3")
    chatty.attempts.append(Attempt(115200, b"some text"))
    explain(chatty)
    error = no_board([silent, busy, chatty])
    assert isinstance(error, LinkTimeoutError)
    assert error.message == "COM3: another application runs on the board: it prints 'some text' (3 ports tried)"
    assert list(error.evidence) == ["COM1", "COM2", "COM3"]
    assert error.EXIT_CODE == ExitCode.BENCH
    assert "\n" not in error.message


def test_ports_that_do_not_open_are_no_timeout() -> None:
    error = no_board([PortEvidence("COM2", problem="busy", cause="busy", next_step="close it")])
    assert type(error) is HwIOError
    assert error.hint == "close it"


def test_much_is_kept_in_little() -> None:
    attempt = Attempt(115200)
    for _ in range(100):
        attempt.heard(b"x" * 999)
        attempt.greeted(b"y" * 999)
    assert attempt.answered == 99900
    assert len(attempt.answer) + len(attempt.banner) <= 1024
    shown = str(PortEvidence("COM3", attempts=[attempt]))
    assert len(shown) < 500
    assert "99900 bytes" in shown


def test_evidence_becomes_json() -> None:
    seen = explained(reply=REPLY, answer=b"\x8c\x08", answered=2)
    told = json.loads(json.dumps(seen.to_dict()))
    assert told["attempts"][0]["dialect"] == "v2.1"
    assert told["attempts"][0]["answer"] == "8c08"


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"ok\r\n", "ok"), (b"abc", ""), (b"\xaa\x00ab", ""), (b"caf\xe9 au lait", "caf\ufffd au lait")],
)
def test_what_is_text(data: bytes, text: str) -> None:
    assert readable(data) == text
