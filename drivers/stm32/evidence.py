"""What was seen while looking for a board: a table of ports and baud rates, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ai_runner.drivers.stm32.protocol import SyncReply

_KEPT = 512  # bytes of each kind
_SHOWN = 96


@dataclass
class Attempt:
    """One baud rate; filled while it is tried.

    Attributes:
        baudrate: Bd; None where the line has none.
        banner: what came before anything was said.
        answer: what came back, the first and the last of it.
        answered: bytes that came back.
        steps: what was done, a few words each.
        reply: of the board, where it answered.
        header_bytes: of its packets.
        refusal: why an answer is of no use: another protocol, another dialect than the one asked for.
    """

    baudrate: int | None
    banner: bytes = b""
    answer: bytes = b""
    answered: int = 0
    steps: list[str] = field(default_factory=list)
    reply: SyncReply | None = None
    header_bytes: int = 0
    refusal: str = ""

    def heard(self, data: bytes) -> None:
        """Keeps what came back."""
        self.answered += len(data)
        kept = self.answer + data
        self.answer = kept if len(kept) <= _KEPT else kept[: _KEPT // 2] + kept[-(_KEPT // 2) :]

    def greeted(self, data: bytes) -> None:
        """Keeps what came unasked."""
        self.banner = (self.banner + data)[-_KEPT:]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; bytes as hexadecimal text."""
        return {
            "baudrate": self.baudrate,
            "banner": self.banner.hex(),
            "answer": self.answer.hex(),
            "answered": self.answered,
            "steps": list(self.steps),
            "dialect": self.reply.dialect.name if self.reply else None,
            "refusal": self.refusal,
        }


@dataclass
class PortEvidence:
    """One port; ``str()`` is several lines for a person.

    Attributes:
        port: its name.
        kind: what it is, as far as the system tells.
        problem: why it could not be opened, or how it was lost; '' when it was neither.
        holders: who else has it open.
        attempts: one for every baud rate tried.
        cause: the likeliest.
        next_step: what to do about it.
    """

    port: str
    kind: str = ""
    problem: str = ""
    holders: tuple[str, ...] = ()
    attempts: list[Attempt] = field(default_factory=list)
    cause: str = ""
    next_step: str = ""

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "port": self.port,
            "kind": self.kind,
            "problem": self.problem,
            "holders": list(self.holders),
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "cause": self.cause,
            "next_step": self.next_step,
        }

    def _lines(self) -> Iterator[str]:
        if self.kind:
            yield f"is          {self.kind}"
        if self.problem:
            yield f"problem     {self.problem}"
        elif self.attempts:
            yield "opened      yes"
        if self.holders:
            yield f"open in     {', '.join(self.holders)}"
        for attempt in self.attempts:
            yield from _attempt_lines(attempt)
        if self.cause and self.cause != self.problem:
            yield f"likely      {self.cause}"
        if self.next_step:
            yield f"next        {self.next_step}"


def readable(data: bytes) -> str:
    """The text of `data` where it is mostly text, otherwise ''."""
    if not data:
        return ""
    plain = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in data)
    return data.decode("ascii", "replace").strip() if plain >= 0.85 * len(data) and plain >= 4 else ""


def _attempt_lines(attempt: Attempt) -> Iterator[str]:
    name = f"{attempt.baudrate} Bd" if attempt.baudrate else "line"
    if attempt.reply is not None:
        major, minor = attempt.reply.version
        said = f"protocol {major}.{minor} with {attempt.header_bytes}-byte headers: {attempt.reply.dialect.name}"
    else:
        said = _shown(attempt.answer, attempt.answered) if attempt.answered else "silent"
    yield f"{name:<11} {attempt.refusal or said}"
    if attempt.banner:
        yield f"{'':<11} unasked: {_shown(attempt.banner, len(attempt.banner))}"
    if attempt.steps:
        yield f"{'':<11} tried: {', '.join(attempt.steps)}"


def _shown(data: bytes, total: int) -> str:
    text = readable(data)
    if text:
        short = text if len(text) <= _SHOWN else f"...{text[-_SHOWN:]}"
        return f"{total} bytes, text: {short!r}"
    short = data[: _SHOWN // 4].hex(" ") + (" ..." if len(data) > _SHOWN // 4 else "")
    return f"{total} bytes: {short}"
