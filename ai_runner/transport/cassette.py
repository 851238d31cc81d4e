"""A cassette: everything that went over a line, as lines of JSON. docs/replay.md describes the format.

The file is text that somebody may have sent: what it says is bounded and checked, and nothing in it is executed.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any

from ai_runner.errors import InvalidParamError

SCHEMA = "ai-runner/cassette/1"
PIECE_BYTES = 1 << 16
_MAX_LINE = 1 << 18
_MAX_DATA = 1 << 28
_MAX_PIECES = 1 << 22
MAX_TEXT = 4096
_MAX_TIME = 1e9  # s
_BAUDRATES = range(1, 1 << 31)


class CassetteError(InvalidParamError):
    """The file is no cassette, or not one that this version reads."""


class Kind(Enum):
    """What happened; the value stands in the file."""

    OPENED = "open"
    RATE_SET = "baud"
    WRITTEN = ">"
    READ = "<"
    LOST = "lost"
    CLOSED = "close"
    END = "end"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that were written or read at once.

    Attributes:
        time: s since the recording began.
        written: by the host; else read by it.
        data: at least one byte.
        begins: first of a line that was opened after another one was lost.
    """

    time: float
    written: bool
    data: bytes
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recording.

    Attributes:
        descriptor: of what was recorded.
        line: what the transport said of itself, one line.
        pieces: of the line that was opened last, and of those before it that were lost: others led nowhere.
        complete: it was ended properly; False after a crash, and then the pieces are those that had been written.
        lost: what was said when the last line was lost; '' where it was not.
    """

    descriptor: str
    line: str
    pieces: tuple[Piece, ...]
    complete: bool
    lost: str = ""


def header_line(descriptor: str) -> str:
    """The first line, with its end."""
    return json.dumps({"schema": SCHEMA, "descriptor": descriptor}) + "\n"


def event_line(time: float, kind: Kind, value: bytes | str | int | None = None) -> str:
    """A line for one event, with its end; `value` as the kind wants it."""
    shown = b64encode(value).decode("ascii") if isinstance(value, bytes) else value
    fields = [round(time, 6), kind.value] if shown is None else [round(time, 6), kind.value, shown]
    return json.dumps(fields, separators=(",", ":")) + "\n"


def read_cassette(path: str | Path) -> Cassette:
    """Reads a cassette; a last line that is not whole is left out.

    Raises:
        CassetteError: it cannot be read, is none, is of another version, or is larger than any session.
    """
    try:
        with Path(path).open("rb") as file:
            return _Reader(str(path), file).read()
    except (OSError, ValueError) as error:
        if isinstance(error, CassetteError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise CassetteError(f"{path}: cannot be read: {reason}", hint="ai-runner record writes one") from error


class _Reader:
    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name = name
        self._file = file
        self._number = 0
        self._time = 0.0
        self._bytes = 0

    def read(self) -> Cassette:
        lines = self._lines()
        descriptor = self._header(next(lines, None))
        line, lost, complete, opened, begins = "", "", False, False, False
        pieces: list[Piece] = []
        for fields in lines:
            if complete:
                raise self._wrong("goes on after its end")
            kind, value = self._event(fields)
            if kind is Kind.OPENED:
                line, opened, begins = self._text(value), True, bool(lost)
                pieces, lost = pieces if lost else [], ""
            elif kind is Kind.LOST:
                lost = self._text(value) or "the line was lost"
            elif kind in (Kind.WRITTEN, Kind.READ):
                if not opened:
                    raise self._wrong("bytes before a line is opened")
                pieces.append(Piece(self._time, kind is Kind.WRITTEN, self._data(value), begins))
                begins = False
                if len(pieces) > _MAX_PIECES:
                    raise self._wrong(f"more than {_MAX_PIECES} pieces")
            elif kind is Kind.RATE_SET and not (type(value) is int and value in _BAUDRATES):
                raise self._wrong(f"{value!r} is no baud rate")
            complete = kind is Kind.END
        if not opened:
            raise CassetteError(
                f"{self._name}: nothing was recorded", hint="the line could not be opened: record again"
            )
        return Cassette(descriptor, line, tuple(pieces), complete, lost)

    def _lines(self) -> Iterator[Any]:
        while text := self._file.readline(_MAX_LINE + 1):
            self._number += 1
            if len(text) > _MAX_LINE:
                raise self._wrong(f"a line of more than {_MAX_LINE} bytes")
            if not text.endswith(b"\n"):
                return  # the recorder died while it wrote this one
            try:
                yield json.loads(text)
            except (ValueError, RecursionError):
                raise self._wrong("is not JSON") from None

    def _header(self, fields: Any) -> str:
        if not isinstance(fields, dict) or not isinstance(fields.get("schema"), str):
            raise CassetteError(f"{self._name}: is not a cassette", hint="ai-runner record writes one")
        if fields["schema"] != SCHEMA:
            raise CassetteError(
                f"{self._name}: is of schema {fields['schema'][:80]!r}, and this version reads {SCHEMA}",
                hint="record it again, or use the version of ai-runner that recorded it",
            )
        return self._text(fields.get("descriptor"))

    def _event(self, fields: Any) -> tuple[Kind, Any]:
        if not isinstance(fields, list) or len(fields) not in (2, 3):
            raise self._wrong("is not [time, kind, value]")
        time = fields[0]
        if type(time) not in (int, float) or not self._time <= time <= _MAX_TIME:  # NaN is not either
            raise self._wrong("no time, or an earlier one than before")
        self._time = float(time)
        try:
            return Kind(fields[1]), fields[2] if len(fields) == 3 else None
        except ValueError:
            raise self._wrong(f"of unknown kind {str(fields[1])[:40]!r}") from None

    def _text(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise self._wrong(f"no text of at most {MAX_TEXT} characters where one belongs")
        return value

    def _data(self, value: Any) -> bytes:
        try:
            data = b64decode(value, validate=True) if isinstance(value, str) else b""
        except (Base64Error, ValueError):
            data = b""
        if not data:
            raise self._wrong("no bytes in base64")
        self._bytes += len(data)
        if self._bytes > _MAX_DATA:
            raise self._wrong(f"more than {_MAX_DATA} bytes on the line")
        return data

    def _wrong(self, what: str) -> CassetteError:
        return CassetteError(f"{self._name}: line {self._number}: {what}", hint="the file is damaged: record it again")
