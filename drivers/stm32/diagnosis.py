"""From what was seen on a port to the likeliest cause, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ai_runner.drivers.stm32.evidence import PortEvidence, readable
from ai_runner.drivers.stm32.protocol import SYNC_BYTE
from ai_runner.errors import HwIOError, LinkTimeoutError

_FLASH = "flash the aiValidation firmware and reset the board"
# What a benchmark of MLPerf Tiny says when it waits for a command.
_MLPERF = re.compile(r"m-(ready|timeout|name-)|e-\[|t-ready")
# Whoever emulates a board holds its line open; that explains nothing.
_PSEUDO_TERMINAL = "/dev/pts/"
_BANNER = re.compile(r"Protocol version\s*=\s*(\d+\.\d+)")


def explain(seen: PortEvidence) -> None:
    """Sets `cause` and `next_step`, where what opened or lost the port has not said them."""
    if seen.cause:
        return
    text = " ".join(filter(None, (readable(a.banner) or readable(a.answer) for a in seen.attempts)))
    banner = _BANNER.search(text)
    refused = next((a.refusal for a in seen.attempts if a.refusal), "")
    if refused:
        seen.cause, seen.next_step = refused, "flash another aiValidation firmware, or ask for its dialect"
    elif any(a.reply for a in seen.attempts):
        seen.cause = "the board has answered, and then no more"
        seen.next_step = "connect again; if that does not help, look for a loose cable and at the power of the board"
    elif banner:
        seen.cause = f"an aiValidation firmware of protocol {banner.group(1)} has started, and does not answer now"
        seen.next_step = "reset the board; if that does not help, its stack or heap is too small for the model"
    elif _MLPERF.search(text):
        seen.cause = "the board runs an MLPerf Tiny benchmark, which speaks another protocol"
        seen.next_step = _FLASH
    elif text:
        seen.cause = f"another application runs on the board: it prints {text[:60]!r}"
        seen.next_step = _FLASH
    else:
        _explain_bytes(seen)


def _explain_bytes(seen: PortEvidence) -> None:
    rates = ", ".join(str(a.baudrate) for a in seen.attempts if a.baudrate)
    if any(a.answer.count(SYNC_BYTE) * 2 > len(a.answer) for a in seen.attempts if a.answer):
        seen.cause = "an aiValidation firmware is stuck in the middle of something"
        seen.next_step = "reset the board, or add ?recover=1 to try for longer"
    elif any(a.answered or a.banner for a in seen.attempts):
        seen.cause = "the baud rate is another one, or the firmware speaks another protocol"
        seen.next_step = "give the baud rate that the firmware was built for: serial:PORT:BAUD"
    elif seen.holders and not seen.port.startswith(_PSEUDO_TERMINAL):
        seen.cause = f"{seen.holders[0]} has the port open too and may take the answers"
        seen.next_step = "close it"
    else:
        seen.cause = f"no aiValidation firmware runs there, or not at {rates} Bd" if rates else "nobody listens there"
        seen.next_step = "reset the board; flash the aiValidation firmware; give its baud rate: serial:PORT:BAUD"
        if not rates:
            seen.next_step = "reset the board; a relay serves one client at a time: end the others"


def no_board(ports: Sequence[PortEvidence]) -> HwIOError:
    """The error when no port of `ports` leads to a board; `evidence` has an entry a port.

    Args:
        ports: explained, in the order in which they were tried; at least one.
    """
    evidence = {seen.port: seen for seen in ports}
    told = max(ports, key=_telling)
    others = f" ({len(ports)} ports tried)" if len(ports) > 1 else ""
    kind = HwIOError if told.problem else LinkTimeoutError
    return kind(
        (told.problem or f"{told.port}: {told.cause}") + others,
        hint=told.next_step,
        evidence=evidence,
        retryable=True,
    )


def no_port(others: Sequence[PortEvidence], wanted: str) -> HwIOError:
    """The error when `wanted` leads to no port; `evidence` has an entry for each that was left alone: `others`."""
    return HwIOError(
        f"{wanted}: no serial port of an ST board is there",
        hint="plug the board in, or name another port: `ai-runner ports` lists them",
        evidence={seen.port: seen for seen in others},
    )


def _telling(seen: PortEvidence) -> int:
    """How much of a clue a port is: a refused answer, some answer, silence, not even open."""
    if any(a.refusal for a in seen.attempts):
        return 3
    if any(a.answered or a.banner for a in seen.attempts):
        return 2
    return 0 if seen.problem else 1
