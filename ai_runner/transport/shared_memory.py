"""Shared memory that another process has made: float32 arrays in POSIX objects."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import HwIOError

_NAME = r"/[A-Za-z0-9._-]{1,250}"
_ITEM = np.dtype("<f4")
_FOLDER = Path("/dev/shm")  # noqa: S108 (where Linux keeps them)


class SharedArray:
    """A mapped object.

    Attributes:
        values: float32 (elements,), the memory itself.

    Raises:
        HwIOError: there is no such object, it is smaller, or this system has no way to it.
    """

    def __init__(self, name: str, elements: int) -> None:
        """`name`: with its leading slash."""
        if not re.fullmatch(_NAME, name) or elements < 1:
            raise HwIOError(f"shared memory {name[:80]!r} of {elements} elements is not possible")
        try:
            fd = _open(name)
            try:
                size = os.fstat(fd).st_size
                if size < elements * _ITEM.itemsize:
                    raise HwIOError(f"shared memory {name}: has {size} bytes, not {elements * _ITEM.itemsize}")
                self._map = mmap.mmap(fd, elements * _ITEM.itemsize)
            finally:
                os.close(fd)
        except (OSError, ValueError, ImportError) as error:
            if isinstance(error, HwIOError):
                raise
            raise HwIOError(f"shared memory {name}: {getattr(error, 'strerror', None) or error}") from error
        self.values: npt.NDArray[np.float32] = np.frombuffer(self._map, _ITEM, elements)

    def close(self) -> None:
        """Gives the mapping up; `values` is empty from now on. A copy that is still used keeps it."""
        self.values = np.empty(0, np.float32)
        try:
            self._map.close()
        except BufferError:
            return  # somebody looks at it: it goes with him


def mapped_by(pid: int) -> set[str]:
    """Names of the objects that a process has mapped; none where the system does not tell, or it has ended."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    # addresses, rights, offset, device, inode, path
    paths = [fields[5] for fields in (line.split(maxsplit=5) for line in lines) if len(fields) == 6]
    return {path.removeprefix(str(_FOLDER)) for path in paths if path.startswith(f"{_FOLDER}/")}


def unlink_shared(name: str) -> bool:
    """Removes an object whose maker died; True when it was there."""
    if not re.fullmatch(_NAME, name):
        return False
    try:
        if _FOLDER.is_dir():
            (_FOLDER / name[1:]).unlink()
        else:
            _posix().shm_unlink(name)
    except (OSError, ImportError):
        return False
    return True


def _open(name: str) -> int:
    if _FOLDER.is_dir():
        return os.open(_FOLDER / name[1:], os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    return int(_posix().shm_open(name, os.O_RDWR, mode=0o600))


def _posix() -> Any:
    """What the standard library opens shared memory with where it is no file, as on macOS."""
    import _posixshmem  # type: ignore[import-not-found, unused-ignore]

    return _posixshmem
