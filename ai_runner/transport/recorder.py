"""Writing down what goes over a line."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

from ai_runner.deadline import Deadline
from ai_runner.errors import InvalidParamError, LinkLostError
from ai_runner.transport import Transport
from ai_runner.transport.cassette import MAX_TEXT, PIECE_BYTES, Kind, event_line, header_line
from ai_runner.transport.wrapping import WrappingTransport


class Recording:
    """A cassette that is being written, of one or, where several ports are tried, several lines.

    It grows in ``FILE.part``, whole lines at a time, so that a crash leaves a cassette that can be played as far as it
    goes; `finish` gives it its name.
    """

    def __init__(self, path: str | Path, descriptor: str) -> None:
        """`descriptor`: of what is recorded, without the option that asks for it.

        Raises:
            InvalidParamError: the file cannot be written.
        """
        self.path = Path(path)
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._used = False
        self._file: IO[str] | None = None
        if self.path.is_dir():
            raise InvalidParamError(f"{path}: is a folder, a file is to be written", hint="add a file name")
        try:
            self._file = self._part.open("w", encoding="ascii", newline="\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._start = time.monotonic()
        self._write(header_line(descriptor))

    def wrap(self, transport: Transport) -> Transport:
        """`transport`, with everything that goes over it written down."""
        self._used = True
        self.note(Kind.OPENED, transport.describe())
        return _RecordedTransport(transport, self)

    def note(self, kind: Kind, value: bytes | str | int | None = None) -> None:
        """Writes one event; nothing once finished.

        Raises:
            InvalidParamError: the file cannot be written.
        """
        now = time.monotonic() - self._start
        if isinstance(value, bytes):
            pieces = (value[i : i + PIECE_BYTES] for i in range(0, len(value), PIECE_BYTES))
            self._write("".join(event_line(now, kind, piece) for piece in pieces))
        else:
            self._write(event_line(now, kind, value))

    def finish(self) -> None:
        """Ends the cassette and puts it in its place; an earlier one stays where no line was opened. Idempotent.

        Raises:
            InvalidParamError: the file cannot be written.
        """
        if self._file is None:
            return
        try:
            if self._used:
                self.note(Kind.END)
                os.fsync(self._file.fileno())
            self._file.close()
            if self._used:
                self._part.replace(self.path)
            else:
                self._part.unlink()
        except OSError as error:
            if isinstance(error, InvalidParamError):
                raise
            raise self._unwritable(error) from error
        finally:
            self._file.close()
            self._file = None

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InvalidParamError:
        return InvalidParamError(
            f"{self.path}: the recording cannot be written: {error.strerror or error}",
            hint="choose a folder that exists, is writable and has room",
        )


class _RecordedTransport(WrappingTransport):
    def __init__(self, transport: Transport, recording: Recording) -> None:
        super().__init__(transport)
        self._recording = recording
        self._closed = False
        self._lost = False

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        try:
            data = self._transport.read(max_bytes, deadline)
        except LinkLostError as error:
            self._lose(error)
            raise
        if data:
            self._recording.note(Kind.READ, data)
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        # Before an answer can come, and also where the line takes only a part of it.
        if data:
            self._recording.note(Kind.WRITTEN, bytes(data))
        try:
            self._transport.write(data, deadline)
        except LinkLostError as error:
            self._lose(error)
            raise

    def _lose(self, error: LinkLostError) -> None:
        if not self._lost:
            self._lost = True
            self._recording.note(Kind.LOST, error.message[:MAX_TEXT])

    def close(self) -> None:
        self._transport.close()
        if not self._closed:
            self._closed = True
            self._recording.note(Kind.CLOSED)

    @property
    def baudrate(self) -> int | None:
        return self._transport.baudrate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        if value != self._transport.baudrate:
            self._recording.note(Kind.RATE_SET, value)
        self._transport.baudrate = value
