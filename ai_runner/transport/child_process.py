"""A child process that prints while it is talked to: what it says is read along, so that it never blocks, and its last
lines are kept for error messages. No thread: whoever waits for the child reads."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError

_KEPT_BYTES = 1 << 14
_KEPT_LINES = 40
_READ_SIZE = 1 << 16
_MAX_PIECES = 64  # of a child that prints without end
_STEP = 0.001  # s
# s that a child may need to end: after its channel was closed, after SIGINT, after SIGKILL
_GRACE = ((None, 0.3), (signal.SIGINT, 1.0), (getattr(signal, "SIGKILL", signal.SIGTERM), 10.0))


def ending(code: int) -> str:
    """In words how a process with this return code ended; negative: by which signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"died of {signal.Signals(-code).name}"
    return f"died of signal {-code}"


class ChildProcess:
    """A running process. POSIX only.

    Attributes:
        incoming, outgoing: its standard output and input, where they are a channel; None elsewhere.
        printed: bytes that it has printed, as far as they were read.

    What it prints, standard error included and standard output unless that is a channel, is kept by `said`.
    """

    def __init__(self, command: Sequence[str], channel: bool = False) -> None:
        """`channel`: standard input and output are for talking.

        Raises:
            OSError: it cannot be started.
        """
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if channel else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if channel else subprocess.STDOUT,
            bufsize=0,
            process_group=0,  # Ctrl-C at the terminal is for this process: the child is ended by it, in order
        )
        self.name = command[0]
        self.pid = self._process.pid
        self._owner = os.getpid()
        self.incoming: IO[Any] | None = self._process.stdout if channel else None
        self.outgoing: IO[Any] | None = self._process.stdin if channel else None
        self.printed = 0
        self._kept = bytearray()
        self._pollers: dict[tuple[int, int], select.poll] = {}
        # What is read along; at the end the channel too, for a child that dies of a broken pipe cannot clear up.
        self._printed: dict[int, IO[Any]] = {}
        self._listen_to(self._process.stderr if channel else self._process.stdout)

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the number of the signal that ended it; None while it runs.

        Looking leaves the dead process there, so that its number stays that of its group until `stop`.
        """
        if self._process.returncode is not None or not hasattr(os, "waitid"):
            return self._process.poll()
        try:
            state = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # somebody else has reaped it
            return self._process.poll()
        if state is None:
            return None
        return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status

    def readable(self, fd: int, deadline: Deadline) -> bool:
        """True when `fd` can be read; False when the deadline has passed before."""
        return self._wait(fd, select.POLLIN, deadline)

    def writable(self, fd: int, deadline: Deadline) -> bool:
        """True when `fd` can be written; False when the deadline has passed before."""
        return self._wait(fd, select.POLLOUT, deadline)

    def pause(self, seconds: float = _STEP) -> None:
        """Waits until it prints something or ends, `seconds` at most."""
        for fd, _ in self._poller(-1, 0).poll(seconds * 1e3):
            self._read(fd)

    def keep(self, data: bytes) -> None:
        """Adds to what it said."""
        self.printed += len(data)
        self._kept += data
        if len(self._kept) > 4 * _KEPT_BYTES:
            del self._kept[:-_KEPT_BYTES]

    def said(self, since: int = 0) -> list[str]:
        """Its last lines; those only that came after it had `printed` so much."""
        self._read_along()
        kept = min(_KEPT_BYTES, self.printed - since)
        text = bytes(self._kept[-kept:] if kept > 0 else b"").decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-_KEPT_LINES:]

    def ended_within(self, seconds: float) -> bool:
        """Waits for its end."""
        deadline = Deadline(seconds)
        while self.returncode is None:
            if deadline.expired:
                return False
            self.pause()
        return True

    def is_stopped(self) -> bool:
        """True when a signal has stopped it, and none has continued it."""
        try:
            state = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        except (OSError, AttributeError):  # macOS had none before Python 3.13
            return False
        return state is not None and state.si_pid == self.pid

    def obituary(self) -> str:
        """How it ended, in words; or that it runs."""
        code = self.returncode
        if code is None:
            return "is stopped" if self.is_stopped() else "is running"
        return ending(code)

    def evidence(self) -> dict[str, Any]:
        """For errors."""
        return {"pid": self.pid, "returncode": self.returncode, "output": self.said()}

    def stop(self) -> None:
        """Makes an end of it, by force when closing its channel was not enough. Idempotent.

        Raises:
            HwIOError: the system does not end it.
        """
        if os.getpid() != self._owner:  # a forked copy of this process holds this object too
            return
        if self.outgoing is not None:
            self.outgoing.close()
        self._listen_to(self.incoming)
        for number, seconds in _GRACE:
            if number is not None:
                self._signal(number)
            if self.ended_within(seconds):
                break
        else:
            raise HwIOError(f"{self.name}: process {self.pid} does not end", evidence=self.evidence())
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._read_along()
        for fd in tuple(self._printed):
            self._hang_up(fd)

    def _signal(self, number: int) -> None:
        """To the whole group: a script may have started the engine proper."""
        with suppress(OSError):
            os.killpg(self.pid, number)
            os.killpg(self.pid, signal.SIGCONT)  # one that is stopped would not hear it

    def _wait(self, fd: int, event: int, deadline: Deadline) -> bool:
        while True:
            found = False
            for number, _ in self._poller(fd, event).poll(deadline.milliseconds()):
                if number == fd:
                    found = True
                else:
                    self._read(number)
            if found or deadline.expired:
                return found

    def _poller(self, fd: int, event: int) -> select.poll:
        """Of `fd` and of what is read along; of the latter alone where `fd` is negative."""
        poller = self._pollers.get((fd, event))
        if poller is None:
            poller = select.poll()
            for printed in self._printed:
                poller.register(printed, select.POLLIN)
            if fd >= 0:
                poller.register(fd, event)
            self._pollers[fd, event] = poller
        return poller

    def _listen_to(self, stream: IO[Any] | None) -> None:
        if stream is not None and not stream.closed:
            os.set_blocking(stream.fileno(), False)
            self._printed[stream.fileno()] = stream
            self._pollers.clear()

    def _read_along(self) -> None:
        """Takes what it has printed, as far as it is there."""
        for fd in tuple(self._printed):
            for _ in range(_MAX_PIECES):
                if not self._read(fd):
                    break

    def _read(self, fd: int) -> bool:
        """Takes a piece; False when nothing was there."""
        if fd not in self._printed:
            return False
        try:
            data = os.read(fd, _READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._hang_up(fd)
            return False
        self.keep(data)
        return True

    def _hang_up(self, fd: int) -> None:
        self._printed.pop(fd).close()
        self._pollers.clear()
