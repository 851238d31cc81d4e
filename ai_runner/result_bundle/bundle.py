"""Bundle: a manifest and the files that it names, each checked against its SHA-256 when it is read."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from ai_runner.errors import AiRunnerError
from ai_runner.result_bundle.archive import MAX_TOTAL, open_archive, zip_members
from ai_runner.result_bundle.arrays import read_header
from ai_runner.schemas import SchemaError, parse

Array = npt.NDArray[Any]

SCHEMA = "ai-runner/bundle/1"
MANIFEST = "manifest.json"
REPORT = "report.json"
POLICY = "policy.toml"
MAX_MANIFEST = 32 << 20
MAX_REPORT = 256 << 20
MAX_LOADED = 1 << 30  # bytes of an array that a .zip is read for; a folder's are mapped

_BLOCK = 1 << 20


class Bundle:
    """A bundle, open for reading.

    Attributes:
        label: its path, for messages.
        manifest: fits the schema ``ai-runner/bundle/1``.
    """

    def __init__(self, path: str | Path) -> None:
        """Opens a bundle and reads its manifest.

        Raises:
            InvalidParamError: there is nothing at `path`.
            InvalidModelError: it is no bundle, or one that breaks the limits.
        """
        self._archive = open_archive(path)
        self.label = self._archive.label
        try:
            self.manifest = self._read_manifest()
            self._files = self._listed()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases everything; arrays that were handed out stay."""
        self._archive.close()

    def has(self, name: str) -> bool:
        """Whether the manifest names such a file."""
        return name in self._files

    def report(self) -> dict[str, Any]:
        """The report of the validation, checked against its schema."""
        try:
            found: dict[str, Any] = parse(self.read(REPORT, MAX_REPORT), "validation")
        except SchemaError as error:
            raise self._archive.broken(f"'{REPORT}': {error}") from error
        return found

    def read(self, name: str, limit: int = MAX_LOADED) -> bytes:
        """A whole file of at most `limit` bytes.

        Raises:
            InvalidModelError: it is missing, larger, or not what the manifest says.
        """
        size = self._size(name)
        if size > limit:
            raise self._archive.broken(f"'{name}' has {size} bytes, at most {limit} are read")
        with self._archive.open(name) as file:
            content = file.read(size + 1)
        self._compare(name, len(content), hashlib.sha256(content).hexdigest())
        return content

    def array(self, name: str) -> Array:
        """A .npy file; one of a folder is mapped, read-only, one of a .zip loaded. Raises as `read`."""
        size = self._size(name)
        if not name.endswith(".npy"):
            raise self._archive.broken(f"'{name}' is no array")
        if self._archive.mappable:
            with self._archive.open(name) as file:
                self._hash(name, file)
                file.seek(0)
                shape, dtype = read_header(file, size)
                if 0 in shape:
                    return np.zeros(shape, dtype)
                # Mapped from the very file that was hashed, not from what its name stands for by now.
                return np.memmap(file, dtype, "r", file.tell(), shape)
        if size > MAX_LOADED:
            raise self._archive.broken(f"'{name}' has {size} bytes, too many to be read from a .zip", hint="unpack it")
        content = io.BytesIO(self.read(name))
        with self._naming(name):
            shape, dtype = read_header(content, size)
        return np.frombuffer(content.getbuffer()[content.tell() :], dtype).reshape(shape)

    def tensors(self, name: str) -> dict[str, Array]:
        """The arrays of a .npz file, such as those of a worst sample. Raises as `read`."""
        with self._members(name) as (inner, members):
            return {member.removesuffix(".npy"): _member_array(inner, info) for member, info in members.items()}

    @contextmanager
    def _members(self, name: str) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
        """A .npz file, open, and what it holds."""
        content = self.read(name)
        with self._naming(name), zipfile.ZipFile(io.BytesIO(content)) as inner:
            members = zip_members(inner, self._archive, len(content))
            if sum(info.file_size for info in members.values()) > MAX_LOADED:
                raise ValueError(f"more than {MAX_LOADED >> 30} GiB")
            yield inner, members

    def verify(self) -> None:
        """Reads every file once: all are there and as the manifest says, all arrays are plain numbers.

        Raises:
            InvalidModelError: the first that is not.
        """
        for name in self._files:
            if name.endswith(".npz"):
                with self._members(name) as (inner, members):
                    for info in members.values():
                        _read_through(inner, info)
                continue
            if name.endswith(".npy"):  # before it is read to its end: nobody reads what is no array
                with self._archive.open(name) as file:
                    read_header(file, self._size(name))
            with self._archive.open(name) as file:
                self._hash(name, file)

    def _read_manifest(self) -> dict[str, Any]:
        size = self._archive.size(MANIFEST)
        if size > MAX_MANIFEST:
            raise self._archive.broken(f"'{MANIFEST}' has {size} bytes, at most {MAX_MANIFEST} are read")
        with self._archive.open(MANIFEST) as file:
            content = file.read(size + 1)
        try:
            found: dict[str, Any] = parse(content, "bundle")
        except SchemaError as error:
            raise self._archive.broken(f"'{MANIFEST}': {error}") from error
        return found

    def _listed(self) -> dict[str, Mapping[str, Any]]:
        files: dict[str, Mapping[str, Any]] = {}
        for file in self.manifest["files"]:
            if file["path"] in files or file["path"] == MANIFEST:
                raise self._archive.broken(f"'{MANIFEST}' names '{file['path']}' twice, or itself")
            files[file["path"]] = file
        if sum(file["size"] for file in files.values()) > MAX_TOTAL:
            raise self._archive.broken(f"claims more than {MAX_TOTAL >> 30} GiB")
        return files

    def _size(self, name: str) -> int:
        if name not in self._files:
            raise self._archive.broken(f"has no '{name[:200]}'")
        size, listed = self._archive.size(name), int(self._files[name]["size"])
        if size != listed:
            raise self._archive.broken(f"'{name}' has {size} bytes, the manifest says {listed}")
        return size

    def _hash(self, name: str, file: IO[bytes]) -> None:
        digest, count, limit = hashlib.sha256(), 0, self._size(name)
        while count <= limit and (block := file.read(_BLOCK)):
            digest.update(block)
            count += len(block)
        self._compare(name, count, digest.hexdigest())

    def _compare(self, name: str, size: int, digest: str) -> None:
        listed = self._files[name]
        if size != listed["size"] or digest != listed["sha256"]:
            raise self._archive.broken(f"'{name}' is not what the manifest says: it was changed or damaged")

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Turns what libraries raise about broken content into one line that names the file."""
        try:
            yield
        except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error) as error:
            if isinstance(error, AiRunnerError):
                raise
            raise self._archive.broken(f"'{name}' cannot be read: {error}") from error


def _read_through(inner: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Finds out whether a member is an array, and whole, and keeps nothing of it."""
    with inner.open(info) as file:
        read_header(file, info.file_size)
        while file.read(_BLOCK):
            pass


def _member_array(inner: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with inner.open(info) as file:
        shape, dtype = read_header(file, info.file_size)
        return np.frombuffer(file.read(), dtype).reshape(shape)
