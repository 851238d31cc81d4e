"""Long runs that survive being killed: every result is on disk before the next is asked for.

A journal is a folder. ``journal.json`` says what was asked, so that a journal is not continued with another question;
the results of each runtime lie in a folder of their own, with a ``runtime.json`` that says which runtime it was, and a
file a piece: some consecutive samples of one call. A resumed run makes the same calls in the same order, and a
`JournaledSession` answers from the files as far as they reach. Whoever compares sees the same arrays as in an
uninterrupted run, and so comes to the same numbers. A lock on the file ``lock`` keeps a second run away, and goes with
the process that holds it.

A piece: the magic, the length of the JSON part (8 bytes, little-endian), the JSON part, the blobs it refers to, and the
SHA-256 of all before. It is written under another name and renamed, so that a file is whole or not there. One that a
crash of the system or of the disk damaged all the same is run again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from ai_runner import __version__
from ai_runner.driver import Array
from ai_runner.errors import AiRunnerError, HwIOError, InvalidModelError, InvalidParamError
from ai_runner.input_source import InputSource
from ai_runner.isolation.values import Blob, decode, encode
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult, joined_results
from ai_runner.runner import AiRunner

SCHEMA = "ai-runner/journal/2"
PIECE_S = 1.0  # what is lost at most when a run is killed

_MAGIC = b"AiRunner piece 1\n"
_LENGTH = struct.Struct("<Q")
_DIGEST = hashlib.sha256().digest_size
_HEAD, _LOCK = "journal.json", "lock"
_UNFINISHED = {"journal.part", _LOCK}  # what a run leaves that is killed at its very beginning
_LIBRARIES = {".so", ".dll", ".dylib"}
_LINK_OPTIONS = {  # how a runtime is reached and how patiently, not what it computes
    *("baudrate", "dialect", "timeout", "first_timeout", "start_timeout", "silence", "recover", "resume", "verify"),
    *("expect", "debug", "isolate", "loop", "shm", "max_message"),
}
_ELSEWHERE = "run the same command to resume, or choose an empty folder"
_PARTS = tuple(field.name for field in fields(RunResult) if field.name != "info")


def validation_question(
    targets: int, float_reference: str | None, source: InputSource, per_layer: bool
) -> dict[str, Any]:
    """What a validation asks, whoever runs it: the same for the run that was killed and for the one that goes on."""
    return {
        "ai_runner": __version__,
        "targets": targets,
        "float": float_reference,
        "data": source.description,
        "samples": source.samples,
        "per_layer": per_layer,
    }


class Journal:
    """The folder of one run; a context manager.

    Args:
        folder: made when it does not exist.
        question: what was asked, texts and numbers, the same on every resumption.

    Attributes:
        resumed: runs of samples that were taken from it.
        damaged: pieces that could not be read, and whose samples were run again.

    Raises:
        InvalidParamError: the folder cannot be written, is in use, holds something else, or the journal of another
            question.
    """

    def __init__(self, folder: str | Path, question: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.resumed = self.damaged = 0
        self._lock: IO[bytes] | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            there = {path.name for path in self.folder.iterdir()}
            if _HEAD not in there and there - _UNFINISHED:
                raise InvalidParamError(f"{folder}: holds files and no journal", hint="choose an empty folder")
            self._lock = _locked(self.folder / _LOCK)
        except OSError as error:
            if isinstance(error, AiRunnerError):
                raise
            raise InvalidParamError(
                f"{folder}: cannot be a journal: {error.strerror or error}", hint="choose another folder"
            ) from error
        try:
            self._same(self.folder / _HEAD, {"schema": SCHEMA, **question}, "another run")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets others have it. May be called again."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def session(self, runner: AiRunner, place: str) -> JournaledSession:
        """`runner` with its results kept under `place`, a name that is the same on every resumption.

        Raises:
            InvalidParamError: what is under `place` comes from another runtime, or cannot be read; or the runtime keeps
                variables from sample to sample, which are lost with a run.
            HwIOError: it cannot be written.
        """
        if runner.model_info().runtime.attributes.get("state") == "keep":
            raise InvalidParamError(
                f"{runner.descriptor}: keeps variables from sample to sample: a run of it cannot be resumed",
                hint="leave state=keep or the journal away",
            )
        folder = self.folder / place
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise HwIOError(
                f"{folder}: cannot be made: {error.strerror or error}", hint="the disk may be full"
            ) from error
        self._same(folder / "runtime.json", _identity(runner), f"another {place}")
        return JournaledSession(runner, folder, self)

    def _same(self, path: Path, facts: Mapping[str, Any], other: str) -> None:
        """Writes the facts, or sees that they are those of the run that is resumed."""
        now = json.loads(json.dumps(facts))
        if not path.exists():
            _write(path, json.dumps(now, indent=2, sort_keys=True).encode())
            return
        try:
            before = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidParamError(f"{path}: is damaged: {error}", hint="choose an empty folder") from error
        if not isinstance(before, dict):
            raise InvalidParamError(f"{path}: is damaged: no object", hint="choose an empty folder")
        for key in [*now, *(before.keys() - now.keys())]:
            if before.get(key) != now.get(key):
                raise InvalidParamError(
                    f"{self.folder}: is the journal of {other}: {key} was {before.get(key)!r}, is {now.get(key)!r}",
                    hint=_ELSEWHERE,
                )


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
            InvalidModelError: the journal was written for other inputs.
            HwIOError: it cannot be written.
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
            result = self._known(path, info, _question(info, part, mode)) if known else None
            results.append(result or self._run_piece(path, info, part, name, mode))
            start = stop
        return joined_results(results)

    def _known(self, path: Path, info: ModelInfo, question: list[Any]) -> RunResult | None:
        try:
            asked, result = _read(path, info)
        except (OSError, ValueError, KeyError, TypeError, struct.error, RecursionError):
            self._journal.damaged += 1
            return None
        if asked != question:
            raise InvalidModelError(
                f"{path}: holds results of another model or for other inputs",
                hint="choose an empty folder for the journal",
            )
        self._journal.resumed += len(result.outputs[0])
        return result

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


def _identity(runner: AiRunner) -> dict[str, Any]:
    """What must not change between the runs of one journal; the port and the patience of a descriptor may."""
    info, descriptor = runner.model_info(), runner.descriptor
    return {
        "scheme": descriptor.scheme,
        "options": {key: value for key, value in descriptor.options.items() if key not in _LINK_OPTIONS},
        "model": f"{info.name} {info.hash}",
        "runtime": f"{info.runtime.name} {info.runtime.version} {info.runtime.rt_lib_desc} {info.runtime.compiler}",
        "compiled": info.compile_datetime,
        "device": info.device.dev_id,
        "files": _checksums(Path(descriptor.address)),
    }


def _checksums(path: Path) -> list[str]:
    """SHA-256 of a file, or of the libraries in a folder; nothing of what is no path."""
    try:
        among = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
        files = [each for each in among if each == path or each.suffix in _LIBRARIES]
        return [_checksum(each) for each in files]
    except (OSError, ValueError):
        return []


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locked(path: Path) -> IO[bytes]:
    """An open file that no other process can have; the system lets go of it when this one ends, however it ends."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            file.close()
            raise InvalidParamError(
                f"{path.parent}: another run is using this journal", hint="wait for it, or choose another folder"
            ) from None
        # A file system without locks: better no protection than no journal.
    return file


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


def _read(path: Path, info: ModelInfo) -> tuple[list[Any], RunResult]:
    """The question and the result of a piece."""
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
    return header["question"], RunResult(info=info, **decode(header["result"], blobs))


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
        raise HwIOError(f"{path}: cannot be written: {error.strerror or error}", hint="the disk may be full") from error
