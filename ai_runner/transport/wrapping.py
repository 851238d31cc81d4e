"""A transport around another one: what gets under a driver, such as a recorder, changes reading and writing only."""

from __future__ import annotations

from ai_runner.deadline import Deadline
from ai_runner.transport import Transport


class WrappingTransport(Transport):
    """Leaves everything but `read` and `write` to the transport inside."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def describe(self) -> str:
        return self._transport.describe()

    def deadline(self, seconds: float | None) -> Deadline:
        return self._transport.deadline(seconds)

    @property
    def baudrate(self) -> int | None:
        return self._transport.baudrate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        self._transport.baudrate = value
