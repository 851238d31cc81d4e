"""From a descriptor to an open line: options, what the address is, the process or the socket."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.drivers.eim.executable import check_executable, start_error
from ai_runner.drivers.eim.protocol import Framing
from ai_runner.errors import AiRunnerError, InvalidParamError, MissingRuntimeError
from ai_runner.impulse.description import pixel_scale
from ai_runner.transport import Transport
from ai_runner.transport.process import start_listening, start_talking
from ai_runner.transport.unix_socket import connect_unix

_TIMEOUT = 30.0  # s, as the official client
_START_TIMEOUT = 10.0  # s
_SLOW_FIRST_TIMEOUT = 3600.0  # s, as the official client allows engines that set up a GPU
_MAX_SECONDS = 86400.0

OPTIONS = {
    "timeout": f"seconds that a request may take (default: {_TIMEOUT:.0f})",
    "first_timeout": "seconds for the first classification (default: as timeout; an hour where a GPU is set up)",
    "start_timeout": f"seconds until the engine has said hello (default: {_START_TIMEOUT:.0f})",
    "shm": "auto, always or never: pass features in shared memory (default: auto)",
    "mode": "socket or stdin: how to talk to the engine (default: socket)",
    "debug": "1: the engine prints what it does, into the log at level DEBUG",
    "scale": "0..1, -1..1 or 0..255: what pixels are to an image model, for a comparison with it (default: what "
    "the quantisation of its input comes nearest to, else 0..1)",
    "max_message": "MiB that the engine reads at once, 10 or, since December 2025, 32 (default: 10)",
}


@dataclass(frozen=True)
class EngineOptions:
    """What a descriptor says beside the address.

    Attributes:
        timeout, start_timeout: s.
        first_timeout: s; None where it was not given.
        shm: ``auto``, ``always`` or ``never``.
        framing: of the mode.
        debug: ask the engine to print.
        max_message: bytes.
        scale: one of PIXEL_SCALES; None where it was not given.
    """

    timeout: float
    first_timeout: float | None
    start_timeout: float
    shm: str
    framing: Framing
    debug: bool
    max_message: int
    scale: str | None

    @classmethod
    def of(cls, descriptor: Descriptor) -> EngineOptions:
        """Reads them.

        Raises:
            InvalidParamError: a value that is not possible.
        """
        first = "first_timeout" in descriptor.options
        return cls(
            timeout=_seconds(descriptor, "timeout", _TIMEOUT),
            first_timeout=_seconds(descriptor, "first_timeout", 0.0) if first else None,
            start_timeout=_seconds(descriptor, "start_timeout", _START_TIMEOUT),
            shm=descriptor.choice("shm", ("auto", "always", "never"), "auto"),
            framing=Framing(descriptor.choice("mode", ("socket", "stdin"), "socket")),
            debug=descriptor.choice("debug", ("0", "1"), "0") == "1",
            max_message=descriptor.integer("max_message", 10, 1, 32) << 20,
            scale=pixel_scale(descriptor),
        )

    def first(self, starts_slowly: bool) -> float:
        """s for the first classification of an engine."""
        if self.first_timeout is not None:
            return self.first_timeout
        return max(self.timeout, _SLOW_FIRST_TIMEOUT) if starts_slowly else self.timeout


def open_line(descriptor: Descriptor, options: EngineOptions, deadline: Deadline) -> Transport:
    """Starts the engine, or connects to a socket that somebody else's listens on.

    Raises:
        InvalidParamError: the address names nothing that can be opened.
        InvalidModelError: it names something that cannot be executed here.
        HwIOError: it does not start, ends at once, or does not listen.
    """
    if os.name != "posix":
        raise MissingRuntimeError(f"{descriptor}: Edge Impulse executables are for Linux and macOS")
    if not descriptor.address:
        raise InvalidParamError(f"{descriptor}: no file is named", hint="eim:PATH.eim, or the path of a socket")
    path = Path(descriptor.address).absolute()
    if _is_socket(path):
        if options.framing is Framing.LINE:
            raise InvalidParamError(f"{descriptor}: is a socket, which has no stdin", hint="leave mode=stdin out")
        return connect_unix(str(path), deadline)
    check_executable(path)
    try:
        if options.framing is Framing.LINE:
            return start_talking([str(path), "stdin"])
        return start_listening([str(path)], deadline)
    except OSError as error:
        if isinstance(error, AiRunnerError):
            raise
        raise start_error(path, error) from error


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _seconds(descriptor: Descriptor, option: str, default: float) -> float:
    text = descriptor.options.get(option)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _MAX_SECONDS:
        raise InvalidParamError(f"{descriptor}: {option}={text!r} is not a number of seconds up to a day")
    return seconds
