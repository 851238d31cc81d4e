"""What an engine says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_SHOWN = 300


class Event:
    """Base of everything that `Connection.next_event` returns, but for NEED_DATA."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Answer(Event):
    """The reply to the request that is waited for; `fields` without ``id`` and ``success``."""

    id: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The engine could not do what was asked, and says why; it can be asked further."""

    id: int
    error: str

    @property
    def reason(self) -> str:
        """`error` as one line that fits a message."""
        return " ".join(self.error.split())[:_SHOWN]


@dataclass(frozen=True, slots=True)
class OldReply(Event):
    """The reply to a request that was given up."""

    id: int


@dataclass(frozen=True, slots=True)
class Printed(Event):
    """In stdin mode: a line that is no reply."""

    text: str
