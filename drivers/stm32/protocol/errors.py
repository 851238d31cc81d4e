"""What is raised when the peer breaks the protocol."""

from __future__ import annotations

from ai_runner.errors import InvalidMsgError


class ProtocolError(InvalidMsgError):
    """The device sent something that the protocol does not allow here: noise, another dialect, or a lost byte.

    The connection that raised it stays failed. `retryable`: after the line has been synchronised again (see
    `ai_runner.drivers.stm32.protocol.probing`) the same command may succeed on a new connection.
    """

    def __init__(self, message: str, *, hint: str = "", data: bytes | bytearray | memoryview = b"") -> None:
        """`data`: the bytes that gave offence; the first 64 go into `evidence`."""
        evidence = {"bytes": data[:64].hex(" ")} if data else None
        super().__init__(message, hint=hint, evidence=evidence, retryable=True)


class UnsupportedDialectError(ProtocolError):
    """The device answers properly, in a protocol that this library does not speak."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retryable = False
