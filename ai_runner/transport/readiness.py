"""Waiting for a file descriptor under a deadline."""

from __future__ import annotations

import select
import sys

from ai_runner.deadline import Deadline

# Windows has no poll, and that of macOS does not know terminals.
_HAS_POLL = hasattr(select, "poll") and sys.platform != "darwin"


class Readiness:
    """Tells when a file descriptor (on Windows: a socket) can be read or written."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        if _HAS_POLL:
            self._reader = select.poll()
            self._reader.register(fd, select.POLLIN)
            self._writer = select.poll()
            self._writer.register(fd, select.POLLOUT)

    def readable(self, deadline: Deadline) -> bool:
        """True when a read returns at once, data or the end; False when the deadline has passed before."""
        if _HAS_POLL:
            return bool(self._reader.poll(deadline.milliseconds()))
        return bool(select.select([self._fd], [], [], deadline.remaining())[0])

    def writable(self, deadline: Deadline) -> bool:
        """True when a write takes something at once, or fails; False when the deadline has passed before."""
        if _HAS_POLL:
            return bool(self._writer.poll(deadline.milliseconds()))
        return bool(select.select([], [self._fd], [], deadline.remaining())[1])
