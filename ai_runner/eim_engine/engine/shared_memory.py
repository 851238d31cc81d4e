"""Float32 values shared with the client, made and removed by the engine."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from importlib import import_module
from typing import Any

_ITEM_BYTES = 4


class SharedMemory:
    """A new POSIX shared memory object for `elements` float32 values, all 0.

    Attributes:
        name: with its leading slash, random.
        elements: number of values.
        buffer: the mapping, valid also after `unlink`.

    Raises:
        OSError: there is no room, or the system has no shared memory.
    """

    def __init__(self, elements: int) -> None:
        self.name = f"/shm-{os.urandom(6).hex()}"
        self.elements = elements
        descriptor = _posix().shm_open(self.name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode=0o600)
        try:
            os.ftruncate(descriptor, elements * _ITEM_BYTES)
            if hasattr(os, "posix_fallocate"):  # a full file system must show here, not as a fatal signal later
                os.posix_fallocate(descriptor, 0, elements * _ITEM_BYTES)
            self.buffer = mmap.mmap(descriptor, elements * _ITEM_BYTES)
        except (OSError, ValueError) as error:
            self.unlink()
            raise OSError(f"{self.name}: {error}") from error
        finally:
            os.close(descriptor)

    def describe(self) -> dict[str, Any]:
        """Its fields in the hello reply."""
        size = self.elements * _ITEM_BYTES
        return {"name": self.name, "size_bytes": size, "type": "float32", "elements": self.elements}

    def unlink(self) -> None:
        """Removes the name; idempotent."""
        with suppress(FileNotFoundError):
            _posix().shm_unlink(self.name)


def _posix() -> Any:
    """What multiprocessing.shared_memory builds on: that would start a process which removes the object itself."""
    try:
        return import_module("_posixshmem")
    except ImportError as error:
        raise OSError("this Python has no POSIX shared memory") from error
