"""Memory that the library works in, and the weights it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner.errors import HwIOError, InvalidModelError, InvalidParamError
from ai_runner.shared_library.inspection import read_file

# Generated code asks for 4 and names its own figure only in a header; a cache line satisfies every runtime seen.
_ALIGNMENT = 64
# A declared size beyond this is a broken library, not a model.
MAX_BYTES = 1 << 34


class Block:
    """Zeroed, aligned memory with a fixed address; lives as long as this object.

    Attributes:
        address: of the first byte.
        view: its bytes, writable.
    """

    def __init__(self, size: int) -> None:
        rounded = max(-(-size // 8) * 8, 8)
        if rounded > MAX_BYTES:
            raise InvalidModelError(f"the library asks for {size} bytes in one block")
        try:
            whole = np.zeros(rounded + _ALIGNMENT, np.uint8)
        except MemoryError as error:
            raise HwIOError(f"no memory for a block of {size} bytes that the library asks for") from error
        start = -whole.ctypes.data % _ALIGNMENT
        self.view = whole[start : start + size].data
        self.address = whole.ctypes.data + start

    @classmethod
    def holding(cls, content: bytes) -> Block:
        """A block with a copy of `content`."""
        block = cls(len(content))
        block.view[:] = content
        return block


def weights_for(weights: Any, name: str) -> list[bytes]:
    """The blobs for model `name` out of the `weights` argument of connect().

    Args:
        weights: bytes-like objects or paths of .bin files, in the order of the library's weight entries; one of them
            alone; or a mapping from c-name to such a list. None: no weights.

    Raises:
        InvalidParamError: it is something else.
        HwIOError: a file cannot be read.
    """
    if isinstance(weights, Mapping):
        weights = weights.get(name)
    if weights is None:
        return []
    if isinstance(weights, (str, Path)) or _is_bytes_like(weights):
        weights = [weights]
    if not isinstance(weights, Sequence):
        raise InvalidParamError(
            f"weights: {type(weights).__name__} given, a list of bytes-like objects or .bin paths expected"
        )
    return [_blob(item, index) for index, item in enumerate(weights)]


def weight_blocks(name: str, blobs: Sequence[bytes], wanted: Sequence[int]) -> list[Block]:
    """Private aligned copies of the blobs; raises InvalidParamError when they do not fit `wanted`, sizes in bytes."""
    if [len(blob) for blob in blobs] != list(wanted):
        raise InvalidParamError(
            f"weights of {name}: {_sizes([len(blob) for blob in blobs])} given, {_sizes(wanted)} expected",
            hint="take the weights that were generated together with this library",
        )
    return [Block.holding(blob) for blob in blobs]


def refuse_missing_weights(path: Path, name: str, wanted: Sequence[int]) -> None:
    """Raises InvalidModelError that says how many bytes of weights the library wants."""
    raise InvalidModelError(
        f"{path}: the library of {name} holds no weights, it wants {_sizes(wanted)}",
        hint="connect with weights=[...] (bytes or .bin files of those sizes), or generate it with the weights inside",
        evidence={"weights_bytes": list(wanted)},
    )


def _blob(item: Any, index: int) -> bytes:
    if isinstance(item, (str, Path)):
        path = Path(item).expanduser()
        if not path.is_file():
            raise InvalidParamError(f"weights[{index}]: {path}: no such file")
        return read_file(path)
    if not _is_bytes_like(item):
        raise InvalidParamError(
            f"weights[{index}]: {type(item).__name__} given, bytes-like or the path of a .bin file expected"
        )
    return memoryview(item).tobytes()


def _is_bytes_like(item: Any) -> bool:
    try:
        memoryview(item)
    except TypeError:
        return False
    return True


def _sizes(sizes: Sequence[int]) -> str:
    return " + ".join(str(size) for size in sizes) + " bytes" if sizes else "none"
