"""Where one reply ends and the next begins."""

from __future__ import annotations

from collections import deque
from enum import Enum

from ai_runner.drivers.eim.protocol.errors import ProtocolError

# The largest buffer of an engine, and the newline and NUL behind it.
MAX_REPLY = 32 * 1024 * 1024 + 2


class Framing(Enum):
    """How an engine ends its replies; the value is the mode it runs in."""

    NUL = "socket"
    LINE = "stdin"


class Frames:
    """Cuts a byte stream at its terminators; every byte is looked at once."""

    def __init__(self, framing: Framing, max_bytes: int = MAX_REPLY) -> None:
        self._terminator = b"\0" if framing is Framing.NUL else b"\n"
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._whole: deque[bytes] = deque()

    @property
    def held(self) -> int:
        """Bytes of a frame that is not whole."""
        return len(self._rest)

    def receive(self, data: bytes) -> None:
        """Takes what was read."""
        *ended, rest = data.split(self._terminator)
        for part in ended:
            self._check(len(part))
            if self._rest:
                part = bytes(self._rest) + part
                self._rest.clear()
            self._whole.append(part)
        self._check(len(rest))
        self._rest += rest

    def next(self) -> bytes | None:
        """The next whole frame without its terminator; None when more data is needed."""
        return self._whole.popleft() if self._whole else None

    def _check(self, more: int) -> None:
        if len(self._rest) + more + 1 > self._max_bytes:
            raise ProtocolError(
                f"a reply of more than {self._max_bytes} bytes",
                hint="engines have a buffer of 32 MiB: this one does not speak the protocol",
                data=bytes(self._rest[:80]),
            )
