"""Finds out when a board that has just been started accepts bytes.

What arrives before it has set up its serial port is lost, be it a part of a packet. So zeros go first, one at a time:
with whatever was lost they complete an empty packet, which the firmware answers with a sync byte. Then a CMD_SYNC has
to be answered, because zeros may have been under way still.
"""

from __future__ import annotations

import os

from ai_runner.deadline import Deadline
from ai_runner.errors import LinkTimeoutError

_PAYLOAD = 32
_SYNC_BYTE = b"\xaa"
# reqid 1, CMD_SYNC, param 0, name "", opt 0, and the start of the answer: reqid 1, S_IDLE, field 10.
_REQUEST = bytes.fromhex("0a 0801 1000 1800 2200 2800")
_ANSWER = bytes.fromhex("0801 1000 52")

_ZERO_PAUSE_S = 0.005
_ANSWER_PAUSE_S = 0.5


def wake(terminal: int, header_bytes: int, deadline: Deadline) -> None:
    """Returns when the firmware at the other end of a raw terminal is idle and has answered.

    Raises:
        LinkTimeoutError: not before the deadline.
    """
    while not deadline.expired:
        os.write(terminal, b"\0")
        if _SYNC_BYTE in _read(terminal, _ZERO_PAUSE_S) and _is_answering(terminal, header_bytes):
            return
    raise LinkTimeoutError("the firmware was started and does not answer", hint="try again", retryable=True)


def _is_answering(terminal: int, header_bytes: int) -> bool:
    size = header_bytes + _PAYLOAD
    os.write(terminal, (len(_REQUEST).to_bytes(header_bytes) + _REQUEST).ljust(size, b"\0"))
    answer = b""
    while len(answer) < size:
        more = _read(terminal, _ANSWER_PAUSE_S)
        if not more:
            return False
        answer += more
    return answer[header_bytes:].startswith(_ANSWER)


def _read(terminal: int, seconds: float) -> bytes:
    import select

    readable, _, _ = select.select([terminal], [], [], seconds)
    return os.read(terminal, 4096) if readable else b""
