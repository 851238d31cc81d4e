"""Blocks of shared memory: made and removed by the parent, attached to by the child."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ai_runner.errors import HwIOError
from ai_runner.isolation.values import Blob, copy_blobs, layout, split_blobs

_MOUNT = "/dev/shm"  # noqa: S108  where Linux keeps POSIX shared memory


@contextmanager
def new_block(size: int) -> Iterator[Any]:
    """A block of at least `size` bytes, removed at the end.

    Raises:
        HwIOError: there is not enough shared memory.
    """
    from multiprocessing.shared_memory import SharedMemory

    try:
        block = SharedMemory(create=True, size=max(1, size))
    except OSError as error:
        raise _too_small(size, error) from error
    try:
        _reserve(block.name, size)
        yield block
    finally:
        try:
            block.close()
        finally:
            block.unlink()


def fill(block: Any, blobs: Sequence[Blob]) -> None:
    """Copies blobs into a block."""
    offsets, _ = layout(len(blob) for blob in blobs)
    copy_blobs(blobs, offsets, block.buf)


@contextmanager
def blobs_in(block: Any, sizes: Sequence[int]) -> Iterator[list[Blob]]:
    """The blobs of a block, valid inside the context."""
    blobs = split_blobs(block.buf, sizes)
    try:
        yield blobs
    finally:
        for blob in blobs:
            blob.release()


@contextmanager
def attached_block(name: str) -> Iterator[Any]:
    """A block of the other process."""
    block = _attach(name)
    try:
        yield block
    finally:
        block.close()


def _attach(name: str) -> Any:
    from multiprocessing import resource_tracker
    from multiprocessing.shared_memory import SharedMemory

    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    # Before 3.13 attaching also makes this process's tracker responsible, which would remove the block a second time
    # and complain (cpython issue 82300).
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return SharedMemory(name)
    finally:
        resource_tracker.register = register


def _reserve(name: str, size: int) -> None:
    # Without this a full /dev/shm (64 MB in a container) is only noticed by a SIGBUS while writing.
    path = f"{_MOUNT}/{name.lstrip('/')}"
    if not (size and hasattr(os, "posix_fallocate") and os.path.exists(path)):  # noqa: PTH110
        return
    handle = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        raise _too_small(size, error) from error
    finally:
        os.close(handle)


def _too_small(size: int, error: OSError) -> HwIOError:
    return HwIOError(
        f"no shared memory of {size} bytes for an isolated run: {error.strerror or error}",
        hint=f"run smaller batches, or make {_MOUNT} larger (docker run --shm-size)",
        evidence={"size": size, "errno": error.errno},
    )
