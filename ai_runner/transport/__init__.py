"""Bytes under a deadline: what a driver with a wire talks through, whatever the wire is.

A transport knows no message and no driver. It owns the clock: every wait of a conversation is a `Deadline` made by
`Transport.deadline`, so that a recorded session can be played with its own time. Nothing here starts a thread, except
pyserial for an ``rfc2217://`` port.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from ai_runner.deadline import Deadline

__all__ = ["Transport"]


class Transport(ABC):
    """A byte stream in both directions, open from construction to `close`."""

    @abstractmethod
    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        """What is there, 1 to `max_bytes` bytes, as soon as anything is; b"" only when the deadline has passed.

        A deadline that has passed still takes what is there.

        Raises:
            LinkLostError: the other end is gone; what it sent before has been read.
        """

    @abstractmethod
    def write(self, data: bytes, deadline: Deadline) -> None:
        """Hands over all of `data`.

        Raises:
            LinkTimeoutError: the other end does not take it; an unknown part has gone out.
            LinkLostError: the other end is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Releases the line. Idempotent, never raises."""

    @abstractmethod
    def describe(self) -> str:
        """One line for a person: ``COM3 at 921600 Bd``, ``socket://lab:4000``."""

    def deadline(self, seconds: float | None) -> Deadline:
        """`seconds` from now on the clock of this transport, or never (None)."""
        return Deadline(seconds)

    @property
    def baudrate(self) -> int | None:
        """Bd; None where the line has no rate. Setting it there changes nothing.

        Raises:
            LinkLostError: the port is gone.
            InvalidParamError: the port does not do this rate.
        """
        return None

    @baudrate.setter  # noqa: B027 (what has no rate need not override it)
    def baudrate(self, value: int) -> None:
        """Ignored where there is no rate."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
