"""Long runs that survive being killed: every result is on disk before the next is asked for.

A journal is a folder. ``journal.json`` says what was asked, so that a journal is not continued with another question;
the results of each runtime lie in a folder of their own, a file a piece: some consecutive samples of one call. A
resumed run makes the same calls in the same order, and a `JournaledSession` answers from the files as far as they
reach. Whoever compares sees the same arrays as in an uninterrupted run, and so comes to the same numbers.

A piece: the magic, the length of the JSON part (8 bytes, little-endian), the JSON part, the blobs it refers to, and the
SHA-256 of all before. It is written under another name and renamed, so that a file is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner.driver import Array
from ai_runner.errors import AiRunnerError, HwIOError, InvalidModelError, InvalidParamError
from ai_runner.isolation.values import Blob, decode, encode
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult, joined_results
from ai_runner.runner import AiRunner

SCHEMA = "ai-runner/journal/1"
PIECE_S = 1.0  # what is lost at most when a run is killed

_MAGIC = b"AiRunner piece 1\n"
_LENGTH = struct.Struct("<Q")
_DIGEST = hashlib.sha256().digest_size
_PARTS = tuple(field.name for field in fields(RunResult) if field.name != "info")


class Journal:
    """The folder of one run.

    Args:
        folder: made when it does not exist.
        question: what was asked, texts and numbers, the same on every resumption.

    Raises:
        InvalidParamError: the folder cannot be written, holds something else, or the journal of another question.
    """

    def __init__(self, folder: str | Path, question: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.resumed = 0
        asked = {"schema": SCHEMA, "question": dict(question)}
        head = self.folder / "journal.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if head.exists():
                self._check(json.loads(head.read_text("utf-8")), asked)
            elif any(self.folder.iterdir()):
                raise InvalidParamError(f"{folder}: holds files and no journal", hint="choose an empty folder")
            else:
                _write(head, json.dumps(asked, indent=2, sort_keys=True).encode())
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, AiRunnerError):
                raise
            raise InvalidParamError(f"{folder}: is no journal: {error}", hint="choose an empty folder") from error

    def _check(self, found: Any, asked: Mapping[str, Any]) -> None:
        if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("question"), dict):
            raise InvalidParamError(f"{self.folder}: is no journal of this version", hint="choose an empty folder")
        before, now = found["question"], json.loads(json.dumps(asked["question"]))
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                raise InvalidParamError(
                    f"{self.folder}: is the journal of another run: {key} was {before.get(key)!r}, is {now.get(key)!r}",
                    hint="run the same command to resume, or choose an empty folder",
                )

    def session(self, runner: AiRunner, place: str) -> JournaledSession:
        """`runner` with its results kept under `place`, a name that is the same on every resumption."""
        folder = self.folder / place
        folder.mkdir(exist_ok=True)
        return JournaledSession(runner, folder, self)


class JournaledSession:
    """A runtime whose results are on disk; of `AiRunner` it has what a validation needs."""

    def __init__(self, runner: AiRunner, folder: Path, journal: Journal) -> None:
        self.descriptor, self.names, self.model_info = runner.descriptor, runner.names, runner.model_info
        self._runner = runner
        self._folder = folder
        self._journal = journal
        self._calls = 0
        self._size = 1  # samples of the next piece; grows while pieces are quick
        self._pieces = _existing(folder)

    def run(self, inputs: Any, name: Any = None, *, mode: Mode = Mode.IO_ONLY) -> RunResult:
        """As `AiRunner.run`; samples that the journal has are not run.

        Raises:
            InvalidModelError: the journal is damaged, or was written for other inputs.
            InvalidParamError: it cannot be written.
        """
        arrays = [np.asarray(array) for array in inputs]
        call, self._calls = self._calls, self._calls + 1
        info: ModelInfo = self._runner.model_info(name)
        results: list[RunResult] = []
        start = 0
        while start < len(arrays[0]) or not results:
            known = self._pieces.get((call, start))
            stop = min(start + (known or self._size), len(arrays[0]))
            part = [array[start:stop] for array in arrays]
            path = self._folder / f"{call:06d}-{start:06d}-{stop - start:06d}.piece"
            if known:
                results.append(_read(path, info, _question(info, part, mode)))
                self._journal.resumed += stop - start
            else:
                results.append(self._run_piece(path, info, part, name, mode))
            start = stop
        return joined_results(results)

    def _run_piece(self, path: Path, info: ModelInfo, part: Sequence[Array], name: Any, mode: Mode) -> RunResult:
        begun = perf_counter()
        result = self._runner.run(list(part), name=name, mode=mode)
        spent = perf_counter() - begun
        blobs: list[Blob] = []
        parts = {key: _plain(getattr(result, key)) for key in _PARTS}
        header = json.dumps(
            {"question": _question(info, part, mode), "result": encode(parts, blobs), "sizes": [len(b) for b in blobs]}
        ).encode()
        _write(path, b"".join([_MAGIC, _LENGTH.pack(len(header)), header, *blobs]), with_digest=True)
        if spent < PIECE_S / 4:
            self._size = max(2 * len(part[0]), 1)
        elif spent > PIECE_S:
            self._size = max(1, len(part[0]) // 2)
        return result


def _existing(folder: Path) -> dict[tuple[int, int], int]:
    """(call, first sample) -> samples, of the pieces in a folder; what is called otherwise is no piece."""
    pieces = {}
    for path in folder.glob("*.piece"):
        numbers = path.stem.split("-")
        if len(numbers) == 3 and all(number.isascii() and number.isdigit() for number in numbers):
            call, start, count = map(int, numbers)
            pieces[call, start] = count
    return pieces


def _question(info: ModelInfo, part: Sequence[Array], mode: Mode) -> list[Any]:
    digest = hashlib.sha256(f"{info.name} {info.hash} {info.runtime.name} {info.runtime.version}".encode())
    for array in part:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return [digest.hexdigest(), mode.value]


def _plain(value: Any) -> Any:
    """Sequences of numbers may be arrays or lists of a driver's own: here they are lists."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, tuple | list | str) else value


def _read(path: Path, info: ModelInfo, question: list[Any]) -> RunResult:
    try:
        content = path.read_bytes()
        body, digest = content[:-_DIGEST], content[-_DIGEST:]
        if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
            raise ValueError("its checksum does not fit")
        (length,) = _LENGTH.unpack_from(body, len(_MAGIC))
        begin = len(_MAGIC) + _LENGTH.size
        header = json.loads(body[begin : begin + length])
        blobs, position = [], begin + length
        for size in header["sizes"]:
            blobs.append(memoryview(body)[position : position + size])
            position += size
        asked, parts = header["question"], decode(header["result"], blobs)
        result = RunResult(info=info, **parts)
    except (OSError, ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
        raise InvalidModelError(f"{path}: is damaged: {error}", hint="remove it: its samples are run again") from error
    if asked != question:
        raise InvalidModelError(
            f"{path}: holds results of another model or for other inputs", hint="choose an empty folder for the journal"
        )
    return result


def _write(path: Path, content: bytes, with_digest: bool = False) -> None:
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if with_digest:
                file.write(hashlib.sha256(content).digest())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise HwIOError(f"{path}: cannot be written: {error.strerror or error}", hint="is the disk full?") from error
