"""The child process seen from its parent: start, last words, how it died, end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from ai_runner.errors import HwIOError
from ai_runner.isolation.channel import Channel

_KEPT_STDERR = 1 << 14
_SHOWN_LINES = 40
_END_S = 2.0


class Child:
    """A running child process.

    Attributes:
        channel: to its standard input and from its standard output.

    Raises:
        HwIOError: it cannot be started.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "ai_runner.isolation"]
        # The child shall find the modules that this process finds; '' stands for the working directory.
        paths = [path or os.getcwd() for path in sys.path if isinstance(path, str)]  # noqa: PTH109
        # A child that dies cannot clear up behind itself.
        self._folder = tempfile.mkdtemp(prefix="ai_runner_")
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), self._folder)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **temporary, "PYTHONPATH": os.pathsep.join(paths)},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise HwIOError(f"cannot start {sys.executable}: {error.strerror or error}") from error
        self._owner = os.getpid()
        self._stdin = cast(BinaryIO, self._process.stdin)
        self._stdout = cast(BinaryIO, self._process.stdout)
        self._last_words = _LastWords(cast(BinaryIO, self._process.stderr))
        self.channel = Channel(self._stdout, self._stdin)
        self.pid = self._process.pid

    @contextmanager
    def time_limit(self, seconds: float | None) -> Iterator[threading.Event]:
        """Kills the child after `seconds`, which ends every wait for it; the event tells that this happened."""
        expired = threading.Event()
        if seconds is None:
            yield expired
            return

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()
            timer.join()

    def end(self) -> None:
        """Makes an end of it, by force when it does not end by itself; never raises, may be called again."""
        # A forked copy of this process holds this object too, but the child is not its own.
        if os.getpid() != self._owner:
            return
        for stream in (self._stdin, self._stdout):
            with suppress(OSError):  # what was not written yet meets a dead child
                stream.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._last_words.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """Ends it at once."""
        if os.getpid() == self._owner:
            self._process.kill()
        self.end()

    def obituary(self) -> tuple[str, dict[str, Any]]:
        """How it died, in words, and the evidence: signal or exit code, last lines of its standard error."""
        code = self._process.returncode
        evidence: dict[str, Any] = {"returncode": code, "pid": self.pid, "stderr": self._last_words.lines()}
        if code is not None and code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return f"died of {name}", {"signal": name, **evidence}
        # Windows reports an unhandled exception as a status such as 0xC0000005, an access violation.
        shown = f"0x{code:08X}" if code is not None and code > 0xFFFF else str(code)
        return f"ended with exit code {shown}", evidence


class _LastWords:
    """Reads a stream to its end in the background and keeps the end of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # closed in the middle of it
            while chunk := self._stream.read1(4096):  # type: ignore[attr-defined]
                self._kept += chunk
                del self._kept[:-_KEPT_STDERR]

    def lines(self) -> list[str]:
        text = bytes(self._kept).decode("utf-8", "replace")
        return text.splitlines()[-_SHOWN_LINES:]

    def close(self) -> None:
        # A process that the child has started may keep the stream open.
        self._thread.join(_END_S)
        if not self._thread.is_alive():
            self._stream.close()
