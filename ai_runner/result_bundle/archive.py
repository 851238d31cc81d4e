"""The files of a bundle: a folder or a .zip, opened so that neither can reach beyond itself.

Limits: names as the manifest's schema allows them (letters, digits, ``_ . -``, no parent, no hidden file), no links, no
name twice, nothing encrypted, and of a .zip no more bytes than its members claim and MAX_UNPACKED and MAX_TOTAL allow.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidParamError

MAX_TOTAL = 64 << 30  # bytes of all files together
MAX_FILES = 100_000
MAX_RATIO = 1100  # deflate reaches 1032: more is no deflate
MAX_UNPACKED = 1 << 30  # bytes that any .zip may hold; a larger one has to be SMALLEST_SHARE of what it holds
SMALLEST_SHARE = 0.01

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}")
_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, ValueError, struct.error)


class Archive(ABC):
    """Read access to the files of a bundle.

    Attributes:
        label: names the bundle in messages.
        mappable: whether what `open` gives is the file itself, which can be mapped.
    """

    mappable = False

    def __init__(self, label: str) -> None:
        self.label = label

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a file; raises InvalidModelError when there is no such file, or it is a link."""

    @abstractmethod
    def _opened(self, name: str) -> IO[bytes]:
        """The file, opened for reading."""

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file of `size` bytes at most, to be read.

        Raises:
            InvalidModelError: also while it is read: it is missing, a link, or damaged.
        """
        try:
            with self._opened(name) as file:
                yield file
        except (*_BROKEN, OSError) as error:
            if isinstance(error, AiRunnerError):
                raise
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise self.broken(f"'{name}' cannot be read: {reason}") from error

    def broken(self, what: str, hint: str = "write the bundle again: ai-runner validate --bundle") -> InvalidModelError:
        """The error for a bundle that is none; `what` may come from a library and have any form."""
        return InvalidModelError(f"{self.label}: {' '.join(what.split())[:300]}", hint=hint)

    def close(self) -> None:  # noqa: B027
        """Releases everything."""


class _Folder(Archive):
    mappable = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._root = path

    def size(self, name: str) -> int:
        return self._status(name).st_size

    def _opened(self, name: str) -> IO[bytes]:
        before = self._status(name)
        file = (self._root / name).open("rb")
        now = os.fstat(file.fileno())
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            file.close()
            raise self.broken(f"'{name}' was replaced while it was opened")
        return file

    def _status(self, name: str) -> os.stat_result:
        """Of a regular file below the folder, no link on the way."""
        check_name(name, self)
        place, status = self._root, None
        for part in name.split("/"):
            place = place / part
            try:
                status = os.lstat(place)
            except (OSError, ValueError) as error:
                raise self.broken(f"'{name}' is missing") from error
            if stat.S_ISLNK(status.st_mode):
                raise self.broken(f"'{name}' is a link")
        if status is None or not stat.S_ISREG(status.st_mode):
            raise self.broken(f"'{name}' is no file")
        return status


class _Zip(Archive):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_BROKEN, OSError) as error:
            raise InvalidModelError(
                f"{path}: is no result bundle: {error}", hint="a bundle is a folder or a .zip: validate --bundle PATH"
            ) from error
        try:
            self._members = zip_members(self._zip, self, path.stat().st_size)
        except BaseException:
            self._zip.close()
            raise

    def size(self, name: str) -> int:
        return self._member(name).file_size

    def _opened(self, name: str) -> IO[bytes]:
        return self._zip.open(self._member(name))

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise self.broken(f"'{name[:200]}' is missing")
        return self._members[name]

    def close(self) -> None:
        self._zip.close()


def open_archive(path: str | Path) -> Archive:
    """A bundle's files.

    Raises:
        InvalidParamError: there is nothing at `path`.
        InvalidModelError: it is no folder and no .zip, or a .zip that breaks the limits.
    """
    place = Path(path)
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidParamError(f"{path}: cannot open the bundle: {reason}", hint="check the path") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise InvalidModelError(f"{path}: is no result bundle: neither a folder nor a file")
    return _Folder(place) if stat.S_ISDIR(mode) else _Zip(place)


def check_name(name: str, archive: Archive) -> None:
    """Raises InvalidModelError unless it is the name of a file that a bundle may have."""
    if len(name) > 200 or not _NAME.fullmatch(name):
        raise archive.broken(f"holds {name[:200]!r}, no name of a file in a bundle")


def zip_members(opened: zipfile.ZipFile, archive: Archive, size: int) -> dict[str, zipfile.ZipInfo]:
    """The members of a .zip of `size` bytes by name; raises InvalidModelError when it breaks the limits."""
    members: dict[str, zipfile.ZipInfo] = {}
    infos = opened.infolist()
    if len(infos) > MAX_FILES:
        raise archive.broken(f"holds {len(infos)} files, at most {MAX_FILES} are allowed")
    for info in infos:
        check_name(info.filename, archive)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise archive.broken(f"'{info.filename}' is a link or no file")
        if info.filename in members:
            raise archive.broken(f"holds '{info.filename}' twice")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise archive.broken(f"'{info.filename}' is encrypted, or compressed otherwise than by deflate")
        if info.file_size > MAX_RATIO * info.compress_size:
            raise archive.broken(f"'{info.filename}' claims {info.file_size} bytes of {info.compress_size}")
        members[info.filename] = info
    unpacked = sum(info.file_size for info in infos)
    if sum(info.compress_size for info in infos) > size or unpacked > MAX_TOTAL:
        raise archive.broken("its members claim more than there can be")
    if unpacked > MAX_UNPACKED and size < SMALLEST_SHARE * unpacked:
        raise archive.broken(f"{size} bytes claim to hold {unpacked}", hint="unpack it, if you trust it")
    return members
