"""Files by their extension: the content type they are sent with, and whether they hold what they are called.

The check is made before anything is sent, so that one broken file of a thousand is named here and not by the server.
"""

from __future__ import annotations

import csv
import logging
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ai_runner.edge_impulse.ingestion.document import Encoding, check_document, decoded
from ai_runner.errors import InvalidParamError

MAX_BYTES = 100 << 20
MAX_TABLE_BYTES = 2 << 30  # of CSV and text in a project with a CSV import of its own

_TYPES = {
    ".wav": "audio/wav",
    ".cbor": "application/cbor",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".mp4": "video/mp4",
    ".avi": "video/avi",
    ".parquet": "application/vnd.apache.parquet",
}
_OTHER = "application/octet-stream"
_PCM = 1
_EXTENSIBLE = 0xFFFE
_UNEVEN = 0.01  # of the step: more than rounding to ms and float noise of real logs written with decimals

_logger = logging.getLogger("ai_runner.edge_impulse.ingestion")


def content_type(name: str) -> str:
    """The content type for a file name."""
    return _TYPES.get(Path(name).suffix.lower(), _OTHER)


def is_known(name: str) -> bool:
    """Whether the service has a use for files of this extension."""
    return Path(name).suffix.lower() in _TYPES


def check_size(path: Path, size: int, own_tables: bool) -> None:
    """Raises InvalidParamError for an empty file and one that is too large; `own_tables`: CSV and text up to 2 GiB."""
    limit = MAX_TABLE_BYTES if own_tables and path.suffix.lower() in (".csv", ".txt") else MAX_BYTES
    if size == 0:
        raise InvalidParamError(f"{path}: is empty")
    if size > limit:
        raise InvalidParamError(f"{path}: has {size:,} bytes, at most {limit:,} are taken")


def check_content(path: Path) -> int | None:
    """The number of values along time in a recording (rows of a table, frames of a WAV); None for anything else.

    Raises:
        InvalidParamError: the file is not what its extension says, or holds no finite numbers; it names the place.
        OSError: it cannot be read.
    """
    check = _CHECKS.get(path.suffix.lower())
    return check(path) if check is not None else None


def _starts(*magics: bytes) -> Callable[[Path], None]:
    """A check that a file starts with one of `magics`, in which ``?`` stands for any byte."""

    def check(path: Path) -> None:
        with path.open("rb") as file:
            head = file.read(16)
        for magic in magics:
            if len(head) >= len(magic) and all(m in (0x3F, h) for m, h in zip(magic, head, strict=False)):
                return
        raise InvalidParamError(f"{path}: does not begin like a {path.suffix.lower()} file")

    return check


def _check_wav(path: Path) -> int:
    """Frames of a RIFF/WAVE file of PCM or float samples."""
    with path.open("rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", _exactly(file, 12, path))
        if (riff, wave) != (b"RIFF", b"WAVE"):
            raise InvalidParamError(f"{path}: is no WAV file: it does not begin with RIFF and WAVE")
        frame_bytes, size = 0, 0
        while True:
            name, size = struct.unpack("<4sI", _exactly(file, 8, path))
            if name == b"data":
                break
            start = file.tell()
            if name == b"fmt ":
                code, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", _exactly(file, 16, path))
                if code not in (_PCM, 3, _EXTENSIBLE) or not channels or not rate or not frame_bytes:
                    raise InvalidParamError(
                        f"{path}: WAV format {code}, {channels} channels, {rate} Hz, {bits} bit is not supported",
                        hint="convert it to PCM, 16 bit, mono",
                    )
            file.seek(start + size + size % 2)
        if not frame_bytes:
            raise InvalidParamError(f"{path}: the WAV data come before their format")
        there = path.stat().st_size - file.tell()
    if size > there:
        raise InvalidParamError(f"{path}: the WAV header promises {size} bytes of samples, {there} are there")
    if size < frame_bytes:
        raise InvalidParamError(f"{path}: the WAV file holds no samples")
    return int(size // frame_bytes)


def _exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise InvalidParamError(f"{path}: the WAV file ends before its samples")
    return content


def _document(encoding: Encoding) -> Callable[[Path], int]:
    def check(path: Path) -> int:
        payload = check_document(decoded(path.read_bytes(), encoding, str(path)), str(path))
        return len(payload["values"])

    return check


def _check_csv(path: Path) -> int:
    """Rows of a table: a header, then numbers; a time series has its ms in the first column, ``timestamp``."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _rows(csv.reader(file, strict=True), path)
        _, header = next(rows, (1, []))
        _check_header(header, path)
        is_series = header[0].strip().lower() == "timestamp"
        count, times, warned = 0, [0.0, 0.0], False
        for line, row in rows:
            numbers = _numbers(row, header, f"{path}:{line}")
            if is_series and count > 0 and numbers[0] <= times[1]:
                raise InvalidParamError(f"{path}:{line}: timestamp {numbers[0]:g} does not come after {times[1]:g}")
            if is_series and count > 1 and not warned and not _is_even(times[1] - times[0], numbers[0] - times[1]):
                _logger.warning("%s:%d: the timestamps are not evenly spaced", path, line)
                warned = True
            times = [times[1], numbers[0]]
            count += 1
    if count == 0:
        raise InvalidParamError(f"{path}: there are no rows below the header")
    if not is_series and count > 1:
        raise InvalidParamError(
            f"{path}: {count} rows without a first column 'timestamp'",
            hint="add the milliseconds, or use --no-check when the project has a CSV import of its own",
        )
    return count


def _rows(reader: Iterator[list[str]], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the number of their line."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise InvalidParamError(f"{path}: byte {error.start} of a block is no UTF-8") from None
        except csv.Error as error:
            raise InvalidParamError(f"{path}:{_line(reader)}: is no CSV: {error}") from None
        if any(cell.strip() for cell in row):
            yield _line(reader), row


def _line(reader: Iterator[list[str]]) -> int:
    line: int = getattr(reader, "line_num", 0)
    return line


def _check_header(header: list[str], path: Path) -> None:
    names = [name.strip() for name in header]
    if not names or not all(names):
        raise InvalidParamError(f"{path}:1: the header has a column without a name")
    if len(set(names)) < len(names):
        raise InvalidParamError(f"{path}:1: the header has two columns with one name")
    if all(_is_number(name) for name in names):
        raise InvalidParamError(f"{path}:1: there is no header line with the names of the columns")
    if names == ["timestamp"]:
        raise InvalidParamError(f"{path}:1: there is no column beside 'timestamp'")


def _numbers(row: list[str], header: list[str], where: str) -> list[float]:
    if len(row) != len(header):
        raise InvalidParamError(f"{where}: {len(row)} values, the header has {len(header)} columns")
    numbers = []
    for name, cell in zip(header, row, strict=True):
        if not _is_number(cell) or not math.isfinite(float(cell)):
            raise InvalidParamError(
                f"{where}: column '{name.strip()}' is {cell[:40]!r}, expected a finite number",
                hint="--no-check sends it as it is, to a project with a CSV import of its own",
            )
        numbers.append(float(cell))
    return numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _is_even(before: float, now: float) -> bool:
    return math.isclose(before, now, rel_tol=_UNEVEN, abs_tol=1e-9)


_CHECKS: dict[str, Callable[[Path], int | None]] = {
    ".wav": _check_wav,
    ".json": _document("json"),
    ".cbor": _document("cbor"),
    ".csv": _check_csv,
    ".jpg": _starts(b"\xff\xd8\xff"),
    ".jpeg": _starts(b"\xff\xd8\xff"),
    ".png": _starts(b"\x89PNG\r\n\x1a\n"),
    ".mp4": _starts(b"????ftyp"),
    ".avi": _starts(b"RIFF????AVI "),
    ".parquet": _starts(b"PAR1"),
}
