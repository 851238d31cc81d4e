"""Float32 values shared with the client, made and removed by the engine."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from importlib import import_module
from typing import Any

_ITEM_BYTES = 4


class SharedMemory:
    """A POSIX shared memory object for `elements` float32 values.

    It has its name before it exists, so that a signal in between finds what to remove.

    Attributes:
        name: with its leading slash, random.
        elements: number of values.
        buffer: the mapping, once created; valid also after `unlink`.
    """

    buffer: mmap.mmap

    def __init__(self, elements: int) -> None:
        self.name = f"/shm-{os.urandom(6).hex()}"
        self.elements = elements

    def create(self) -> None:
        """Makes it, all values 0.

        Raises:
            OSError: there is no room, or the system has no shared memory.
        """
        size = self.elements * _ITEM_BYTES
        descriptor = _posix().shm_open(self.name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode=0o600)
        try:
            os.ftruncate(descriptor, size)
            if hasattr(os, "posix_fallocate"):  # a full file system must show here, not as a fatal signal later
                os.posix_fallocate(descriptor, 0, size)
            self.buffer = mmap.mmap(descriptor, size)
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
        with suppress(OSError):
            _posix().shm_unlink(self.name)


def _posix() -> Any:
    """What multiprocessing.shared_memory builds on: that would start a process which removes the object itself."""
    try:
        return import_module("_posixshmem")
    except ImportError as error:
        raise OSError("this Python has no POSIX shared memory") from error
