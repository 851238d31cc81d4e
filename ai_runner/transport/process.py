"""The channel to a child process: its standard input and output, or a Unix socket that it listens on."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, LinkLostError, LinkTimeoutError, TargetCrashError
from ai_runner.transport import Transport
from ai_runner.transport.child_process import ChildProcess
from ai_runner.transport.unix_socket import MAX_SOCKET_PATH

_DEATH = 1.0  # s that a child may need to be gone after it has closed its channel


class ProcessTransport(Transport):
    """A child process that is talked to; ends with it.

    Attributes:
        child: the process.
    """

    def __init__(
        self, child: ChildProcess, stream: socket.socket | None, folder: tempfile.TemporaryDirectory[str] | None
    ) -> None:
        """`stream`: connected to it, or None for its standard input and output; `folder`: removed at the end."""
        self.child = child
        self._stream = stream
        self._folder = folder
        if stream is not None:
            self._incoming = self._outgoing = stream.fileno()
        elif child.incoming is not None and child.outgoing is not None:
            self._incoming, self._outgoing = child.incoming.fileno(), child.outgoing.fileno()
        for fd in (self._incoming, self._outgoing):
            os.set_blocking(fd, False)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        self._check_open()
        while self.child.readable(self._incoming, deadline):
            try:
                data = os.read(self._incoming, max_bytes)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                raise self._lost()
            return data
        return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._check_open()
        rest: bytes | memoryview = data
        while rest:
            try:
                sent = os.write(self._outgoing, rest)
                if sent == len(rest):
                    return
                rest = memoryview(rest)[sent:]
            except BlockingIOError:
                if not self.child.writable(self._outgoing, deadline):
                    raise LinkTimeoutError(
                        f"{self.describe()} took {len(data) - len(rest)} of {len(data)} bytes within the deadline, and "
                        f"{self.child.obituary()}{last_line(self.child)}",
                        evidence=self.child.evidence(),
                    ) from None
            except OSError as error:
                raise self._lost() from error

    def close(self) -> None:
        """Ends the process and removes what it was given; never raises."""
        self._incoming = self._outgoing = -1
        if self._stream is not None:
            self._stream.close()
        with suppress(HwIOError):
            self.child.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def describe(self) -> str:
        return f"{Path(self.child.name).name} (process {self.child.pid})"

    def _check_open(self) -> None:
        if self._incoming < 0:
            raise LinkLostError(f"{self.describe()} is closed")

    def _lost(self) -> HwIOError:
        if self.child.ended_within(_DEATH):
            return TargetCrashError(
                f"{self.describe()} {self.child.obituary()}{last_line(self.child)}",
                hint="what it printed last is in the evidence",
                evidence=self.child.evidence(),
            )
        return LinkLostError(
            f"{self.describe()} closed the connection and {self.child.obituary()}{last_line(self.child)}",
            evidence=self.child.evidence(),
        )


def start_talking(command: Sequence[str]) -> ProcessTransport:
    """Starts a process whose standard input and output are the channel.

    Raises:
        OSError: it cannot be started.
    """
    return ProcessTransport(ChildProcess(command, channel=True), None, None)


def start_listening(command: Sequence[str], deadline: Deadline) -> ProcessTransport:
    """Starts a process that gets the path of a Unix socket as its last argument, and connects as soon as it listens.

    The socket lies in a folder that only this user can look into.

    Raises:
        OSError: it cannot be started.
        TargetCrashError: it ended before it listened.
        LinkTimeoutError: it does not listen.
    """
    folder = _short_folder()
    child = None
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.setblocking(False)
        path = str(Path(folder.name) / "s")
        child = ChildProcess([*command, path])
        _connect(stream, path, child, deadline)
        return ProcessTransport(child, stream, folder)
    except BaseException:
        stream.close()
        if child is not None:
            child.stop()
        folder.cleanup()
        raise


def _short_folder() -> tempfile.TemporaryDirectory[str]:
    """In the usual place, or in /tmp where that would make the path of a socket too long."""
    folder = tempfile.TemporaryDirectory(prefix="ai_runner_", ignore_cleanup_errors=True)
    if len(os.fsencode(folder.name)) + len("/s") > MAX_SOCKET_PATH:
        folder.cleanup()
        folder = tempfile.TemporaryDirectory(prefix="ai_runner_", dir="/tmp", ignore_cleanup_errors=True)
    return folder


def _connect(stream: socket.socket, path: str, child: ChildProcess, deadline: Deadline) -> None:
    name = Path(child.name).name
    while True:
        # The file is there a moment before anybody listens.
        with suppress(FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            stream.connect(path)
            return
        if child.returncode is not None:
            raise TargetCrashError(
                f"{name} {child.obituary()} before it listened{last_line(child)}",
                hint="start it by hand with the path of a socket, to see what it says",
                evidence=child.evidence(),
            )
        if deadline.expired:
            raise LinkTimeoutError(
                f"{name} does not listen on its socket, and {child.obituary()}{last_line(child)}",
                hint="does it need longer to start? start_timeout=SECONDS allows more",
                evidence=child.evidence(),
            )
        child.pause()


def last_line(child: ChildProcess) -> str:
    """What it said last, to be put behind a message."""
    lines = child.said()
    return f"; it said last: {lines[-1][:200]!r}" if lines else ""
