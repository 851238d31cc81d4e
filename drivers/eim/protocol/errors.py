"""What is raised when the engine breaks the protocol."""

from __future__ import annotations

from ai_runner.errors import InvalidMsgError

_SHOWN = 80


class ProtocolError(InvalidMsgError):
    """The engine sent something that is no reply, or not the reply to anything asked. The connection stays failed."""

    def __init__(self, message: str, *, hint: str = "", data: bytes = b"") -> None:
        """`data`: the bytes that gave offence; the first go into `evidence`."""
        evidence = {"bytes": data[:_SHOWN].decode("utf-8", "backslashreplace")} if data else None
        super().__init__(message, hint=hint, evidence=evidence)
