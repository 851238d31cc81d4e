"""A sample on its way to a project: a file or bytes, its category, label and metadata."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ai_runner.edge_impulse.ingestion.document import Encoding, decoded
from ai_runner.edge_impulse.ingestion.media import check_content, check_size, is_known
from ai_runner.errors import InvalidParamError

Category = Literal["training", "testing", "anomaly"]

CATEGORIES = ("training", "testing", "anomaly", "split")
NO_LABEL = ""
LABELS_SUFFIX = ".labels"
_BLOCK = 1 << 18
_LABEL_IN_NAME = re.compile(r"[a-zA-Z0-9\s_-]+", re.ASCII)


@dataclass(frozen=True)
class Sample:
    """What becomes one sample of a project.

    Attributes:
        name: its file name there.
        content: a file, or the bytes themselves.
        size: bytes.
        sha256: of the content, hexadecimal; a file that has another one when it is sent is not sent to its end.
        category: training, testing or anomaly.
        label: None leaves it to the file name, NO_LABEL is a sample without one.
        metadata: text by name.
        values: numbers along time, where known.
    """

    name: str
    content: Path | bytes = field(repr=False)
    size: int
    sha256: str
    category: Category
    label: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    values: int | None = None

    @property
    def shown_label(self) -> str:
        """The label it will have, '' for none."""
        return label_in(self.name) if self.label is None else self.label

    @property
    def folder(self) -> Path | None:
        """Where its file is; None for bytes."""
        return self.content.parent if isinstance(self.content, Path) else None

    def blocks(self) -> Iterator[bytes]:
        """The content, piece by piece.

        Raises:
            InvalidParamError: the file is not the one that was looked at.
        """
        if isinstance(self.content, bytes):
            yield self.content
            return
        digest, left = hashlib.sha256(), self.size
        try:
            with self.content.open("rb") as file:
                while left > 0 and (block := file.read(min(_BLOCK, left))):
                    left -= len(block)
                    digest.update(block)
                    if left == 0 and digest.hexdigest() != self.sha256:
                        break  # before its last block has left
                    yield block
        except OSError as error:
            raise _unreadable(self.content, error) from None
        if left > 0 or digest.hexdigest() != self.sha256:
            raise InvalidParamError(f"{self.content}: was changed while it was uploaded", hint="upload it again")


def sample_of_bytes(
    name: str,
    content: bytes,
    *,
    category: str = "training",
    label: str | None = None,
    metadata: Mapping[str, str] | None = None,
    values: int | None = None,
) -> Sample:
    """A sample of bytes; `category` may be ``split``. Raises InvalidParamError for an unknown category."""
    digest = hashlib.sha256(content).hexdigest()
    where = resolved_category(category, content, name)
    return Sample(name, content, len(content), digest, where, label, metadata or {}, values)


def sample_of_file(
    path: Path,
    *,
    category: str = "training",
    label: str | None = None,
    metadata: Mapping[str, str] | None = None,
    check: bool = True,
    own_tables: bool | None = None,
) -> Sample:
    """A sample of a file, looked at; `category` may be ``split``.

    Without `check` the content is taken as it is. `own_tables` (default: not `check`) is for a project with a CSV
    import of its own, where CSV and text may have up to 2 GiB.

    Raises:
        InvalidParamError: no such file, one that cannot be read, is too large or broken, or an unknown category.
    """
    if not path.is_file():
        raise InvalidParamError(f"{path}: no such file")
    try:
        size = path.stat().st_size
        check_size(path, size, own_tables=not check if own_tables is None else own_tables)
        values = check_content(path) if check else None
        sha256, md5 = _digests(path)
        is_document = path.suffix.lower() in (".json", ".cbor")
        whole = path.read_bytes() if category == "split" and is_document else b""
    except OSError as error:
        raise _unreadable(path, error) from None
    where = resolved_category(category, whole, path.name, md5)
    return Sample(path.name, path, size, sha256, where, label, metadata or {}, values)


def files_in(paths: Sequence[str | Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """Files of `paths`, folders looked through: (samples, ``*.labels`` files, files of folders that are left out).

    Hidden files are left out unseen. Raises InvalidParamError for a path that does not exist.
    """
    samples: list[Path] = []
    labels: list[Path] = []
    left_out: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InvalidParamError(f"{path}: no such file or folder")
        for file in _below(path) if path.is_dir() else [path]:
            if file.suffix.lower() == LABELS_SUFFIX:
                labels.append(file)
            elif path.is_dir() and not is_known(file.name):
                left_out.append(file)
            else:
                samples.append(file)
    return list(dict.fromkeys(samples)), list(dict.fromkeys(labels)), left_out


def _below(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def label_in(name: str) -> str:
    """The label that the service takes from a file name: letters, digits, spaces, ``-`` and ``_`` at its beginning."""
    found = _LABEL_IN_NAME.match(name)
    return found.group() if found else ""


def resolved_category(category: str, content: bytes, name: str, md5: str | None = None) -> Category:
    """`category`, or for ``split`` the one that the content's MD5 decides, the same on every machine."""
    if category == "split":
        return split_category(md5_to_split_by(content, name) if content else md5 or "")
    if category not in CATEGORIES:
        raise InvalidParamError(f"category {category!r}", hint=f"one of {', '.join(CATEGORIES)}")
    return category  # type: ignore[return-value]  # one of the three, as just seen


def split_category(md5: str) -> Literal["training", "testing"]:
    """By the first hexadecimal digit that is not f: 0 to b training (80 %), c to e testing."""
    digit = next((digit for digit in md5.lower() if digit != "f"), "0")
    return "testing" if digit in "cde" else "training"


def md5_to_split_by(content: bytes, name: str) -> str:
    """MD5 of a document's payload as compact JSON, so that signing it anew does not move it; else of the bytes."""
    encodings: dict[str, Encoding] = {".json": "json", ".cbor": "cbor"}
    encoding = encodings.get(Path(name).suffix.lower())
    if encoding is not None:
        try:
            message = decoded(content, encoding, name)
            if isinstance(message, dict) and isinstance(message.get("payload"), dict):
                content = json.dumps(message["payload"], separators=(",", ":"), ensure_ascii=False).encode()
        except (ValueError, TypeError, RecursionError):
            pass  # no document: it is split by its bytes
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _digests(path: Path) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def _unreadable(path: Path, error: OSError) -> InvalidParamError:
    return InvalidParamError(f"{path}: cannot be read: {error.strerror or type(error).__name__}")
