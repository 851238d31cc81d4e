"""The error tree: whose fault it is and what to do next.

AiRunnerError (E800)
├── HwIOError (E801, OSError)              the bench: port, process, library loader, missing runtime
│   ├── LinkTimeoutError (TimeoutError)    nobody answered within the deadline
│   ├── LinkLostError (ConnectionError)    the other end went away
│   ├── TargetCrashError (ConnectionError) the process that ran the model died
│   └── MissingRuntimeError                an optional package, compiler or tool is not installed
├── NotInitializedMsgError (E802, RuntimeError)
├── InvalidMsgError (E803, ValueError)     the peer said something malformed
├── InvalidParamError (E804, ValueError)   the caller: descriptor, option, input array
├── InvalidModelError (E805, ValueError)   the artefact: broken, wrong architecture, unsupported
└── NotConnectedError (E810, ConnectionError)

Numbers and names are those of ST's AiRunner, so that scripts which look at them keep working; a subclass
keeps the number and the printed name of its family. A failed comparison is a verdict, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ExitCode:
    """Exit codes of the command line."""

    PASS = 0
    VERDICT_FAILED = 1
    USAGE = 2
    BENCH = 3
    ARTEFACT = 4
    INTERNAL = 5


class AiRunnerError(Exception):
    """Base of every error this library raises on purpose.

    Args:
        message: one line: what, and where.
        hint: what the user can do next, one line.
        evidence: what was seen (port, bytes, version, exit code, last lines of stderr).
        retryable: True when the same call may succeed without changing anything.
    """

    CODE: ClassVar[int] = 800
    NAME: ClassVar[str] = "AiRunnerError"
    EXIT_CODE: ClassVar[int] = ExitCode.INTERNAL

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        evidence: Mapping[str, Any] | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence: dict[str, Any] = dict(evidence or {})
        self.retryable = retryable

    def code(self) -> int:
        """The AiRunner error number, for instance 801."""
        return self.CODE

    def __str__(self) -> str:
        return f"E{self.CODE}({self.NAME}): {self.message}"


class HwIOError(AiRunnerError, OSError):
    """The bench is at fault: port, cable, process, loader or a missing runtime. Says nothing about the model."""

    CODE = 801
    NAME = "HwIOError"
    EXIT_CODE = ExitCode.BENCH


class LinkTimeoutError(HwIOError, TimeoutError):
    """The peer did not answer within the deadline."""


class LinkLostError(HwIOError, ConnectionError):
    """The link or the peer went away while it was in use."""


class TargetCrashError(HwIOError, ConnectionError):
    """The process that ran the model died; `evidence` has the signal or exit code."""


class MissingRuntimeError(HwIOError):
    """A package, compiler or tool that this runtime needs is not installed; `hint` names the command."""


class NotInitializedMsgError(AiRunnerError, RuntimeError):
    """The runtime was used before it was initialised."""

    CODE = 802
    NAME = "NotInitializedMsgError"


class InvalidMsgError(AiRunnerError, ValueError):
    """The peer sent something that its protocol does not allow."""

    CODE = 803
    NAME = "InvalidMsgError"
    EXIT_CODE = ExitCode.BENCH


class InvalidParamError(AiRunnerError, ValueError):
    """The caller is at fault: a descriptor, an option or an input array."""

    CODE = 804
    NAME = "InvalidParamError"
    EXIT_CODE = ExitCode.USAGE


class InvalidModelError(AiRunnerError, ValueError):
    """The model or the library that holds it is broken, of another kind, or not supported."""

    CODE = 805
    NAME = "InvalidModelError"
    EXIT_CODE = ExitCode.ARTEFACT


class NotConnectedError(AiRunnerError, ConnectionError):
    """The runner is not connected."""

    CODE = 810
    NAME = "NotConnectedError"
    EXIT_CODE = ExitCode.USAGE
