""".npy in bundles: written sample by sample, read without trust."""

from __future__ import annotations

from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MAX_HEADER = 4096
KINDS = "biuf"
_HEADER_BYTES = 256  # of a file that is being written: room for any number of samples


class SampleWriter:
    """Writes a .npy ``(samples,) + sample_shape`` while the samples come; how many there are is known at the end.

    Args:
        path: of the file.
        dtype, sample_shape: of one sample; numbers, stored little-endian.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, sample_shape: tuple[int, ...]) -> None:
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shape = sample_shape
        self.samples = 0
        self._file = path.open("wb")
        self._file.write(self._header())

    def write(self, values: Array) -> None:
        """Adds samples ``(batch,) + sample_shape``."""
        rows = np.ascontiguousarray(values.reshape(len(values), *self._shape), self._dtype)
        self._file.write(rows.data.cast("B") if rows.size else b"")
        self.samples += len(rows)

    def close(self) -> None:
        """Ends the file; afterwards it can be read."""
        if not self._file.closed:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._file.close()

    def _header(self) -> bytes:
        """As numpy's format 1.0, padded with blanks to the same length whatever the number of samples is."""
        described = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.samples, *self._shape)}
        text = str(described).encode("ascii")
        length = -(-(len(text) + 31) // _HEADER_BYTES) * _HEADER_BYTES - 10
        return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


def read_header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of a .npy file of `size` bytes, which stands at its data afterwards.

    Raises:
        ValueError: it is no .npy file, holds something else than numbers, or not as many bytes as it claims.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f".npy version {version} holds no plain numbers")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(file, max_header_size=MAX_HEADER)
    except (SyntaxError, TokenError, TypeError, KeyError, OverflowError, MemoryError, RecursionError) as error:
        raise ValueError(f"its header cannot be read: {type(error).__name__}") from error
    if dtype.kind not in KINDS:
        raise ValueError(f"dtype {dtype.str} is no number")
    if fortran and len(shape) > 1:
        raise ValueError("its samples are not one after the other")
    if any(type(length) is not int or length < 0 for length in shape) or len(shape) > 32:
        raise ValueError(f"shape {list(shape)[:40]}")
    if file.tell() + prod(shape) * dtype.itemsize != size:
        raise ValueError(f"claims {prod(shape) * dtype.itemsize} bytes of data, the file holds {size - file.tell()}")
    return shape, dtype
