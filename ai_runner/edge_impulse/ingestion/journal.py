"""The journal of an upload: what the server has acknowledged, so that an upload that was cut short goes on there.

UTF-8, a JSON object a line. The first has ``schema``, ``salt`` and ``owner``, a salted hash of address and key: samples
that one project has must not be left out for another. Each of the others has ``sha256``, ``category``, ``label``,
``name`` and ``state``: ``acknowledged``, ``refused``, or ``unknown`` for what was sent without an answer. A line is on
the disk before the next request goes out. A last line that is not whole is what a crash leaves, and is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ai_runner.edge_impulse.ingestion.sample import Sample
from ai_runner.edge_impulse.secret import Secret
from ai_runner.errors import InvalidParamError

SCHEMA = "ai-runner/ei-upload/1"
ACKNOWLEDGED = "acknowledged"
UNKNOWN = "unknown"
REFUSED = "refused"
_BEGINNING = json.dumps({"schema": SCHEMA}).encode()[:-1]
_MAX_BYTES = 256 << 20

_FIELDS = ("sha256", "category", "label", "name")

Key = tuple[str, ...]


class Journal:
    """What is known of earlier uploads, and a place to add to it.

    Args:
        path: of the file; made when there is none.
        address: base address of the service.
        key: the project's.

    Raises:
        InvalidParamError: it cannot be read or written, is no journal, or belongs to another project.
    """

    def __init__(self, path: str | Path, address: str, key: Secret) -> None:
        self.path = Path(path)
        self._states: dict[Key, str] = {}
        try:
            content = self._content()
            whole = content[: content.rfind(b"\n") + 1]
            self._read(whole.split(b"\n")[:-1], address, key)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("r+b" if self.path.exists() else "xb")
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
        except OSError as error:
            raise InvalidParamError(
                f"{self.path}: the journal cannot be used: {error.strerror or type(error).__name__}",
                hint="name another place with --journal",
            ) from None
        if not whole:
            salt = secrets.token_hex(16)
            self._write([{"schema": SCHEMA, "salt": salt, "owner": _owner(salt, address, key)}])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def state(self, sample: Sample) -> str | None:
        """ACKNOWLEDGED, REFUSED, UNKNOWN, or None for a sample that it does not know."""
        return self._states.get(_key(sample))

    def note(self, samples: Iterable[Sample], state: str) -> None:
        """Adds what is now known; on the disk when it returns."""
        keys = [_key(sample) for sample in samples]
        if not keys:
            return
        self._states |= dict.fromkeys(keys, state)
        self._write([{**dict(zip(_FIELDS, k, strict=True)), "state": state} for k in keys])

    def close(self) -> None:
        """Closes the file; one that says nothing is deleted."""
        self._file.close()
        if not self._states:
            self.path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Closes and deletes the file: nothing is left to go on with."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _content(self) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise InvalidParamError(f"{self.path}: has more than {_MAX_BYTES >> 20} MiB, that is no journal")
        # A first line that is not whole is dropped too, but only one that could have become a journal's.
        if b"\n" not in content and not content.startswith(_BEGINNING[: len(content)]):
            raise InvalidParamError(f"{self.path}: is no journal of uploads", hint="name another file with --journal")
        return content

    def _read(self, lines: list[bytes], address: str, key: Secret) -> None:
        for number, text in enumerate(lines, 1):
            try:
                entry = json.loads(text)
            except (ValueError, RecursionError):
                entry = None
            if number == 1:
                self._check_head(entry, address, key)
            else:
                key_of_sample, state = self._checked(entry, number)
                self._states[key_of_sample] = state

    def _check_head(self, head: Any, address: str, key: Secret) -> None:
        if not isinstance(head, dict) or head.get("schema") != SCHEMA or not isinstance(head.get("salt"), str):
            raise InvalidParamError(f"{self.path}:1: is no journal of uploads", hint="name another file with --journal")
        if head.get("owner") != _owner(head["salt"], address, key):
            raise InvalidParamError(
                f"{self.path}: belongs to an upload with another API key or to another address",
                hint="name another file with --journal, or delete this one",
            )

    def _checked(self, entry: Any, number: int) -> tuple[Key, str]:
        if isinstance(entry, dict) and entry.get("state") in (ACKNOWLEDGED, UNKNOWN, REFUSED):
            values = [entry.get(name) for name in _FIELDS]
            if all(isinstance(value, str) for value in values):
                return tuple(map(str, values)), str(entry["state"])
        raise InvalidParamError(f"{self.path}:{number}: is no line of a journal", hint="delete the file to start anew")

    def _write(self, entries: Iterable[dict[str, str]]) -> None:
        self._file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
        self._file.flush()
        os.fsync(self._file.fileno())


def _key(sample: Sample) -> Key:
    return (sample.sha256, sample.category, sample.shown_label, sample.name)


def _owner(salt: str, address: str, key: Secret) -> str:
    return hashlib.sha256(f"{salt}\n{address}\n{key.reveal()}".encode()).hexdigest()[:16]
