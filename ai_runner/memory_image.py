"""Images of a target's memory: Intel HEX files, and the checksum that the aiValidation firmware answers with."""

from __future__ import annotations

from os import PathLike
from typing import Any

from ai_runner.errors import InvalidParamError, MissingRuntimeError


def bsdchecksum(data: bytes) -> int:
    """16-bit BSD checksum, the algorithm of the Unix command `sum`: rotate right by one, add the byte."""
    checksum = 0
    for byte in data:
        checksum = ((checksum >> 1) + ((checksum & 1) << 15) + byte) & 0xFFFF
    return checksum


def dump_ihex_file(path: str | PathLike[str], fill_with_zeros: bool = False) -> list[dict[str, Any]]:
    """The segments of an Intel HEX file: ``[{'addr': int, 'data': uint8 array}]``, in order of address.

    Args:
        path: the file.
        fill_with_zeros: one segment from the first to the last address, gaps zeroed.

    Raises:
        InvalidParamError: there is no such file, or it is not an Intel HEX file.
        MissingRuntimeError: the package `intelhex` is not installed.
    """
    import numpy as np  # here, because the checksum above serves a protocol that imports no numpy

    try:
        from intelhex import HexReaderError, IntelHex
    except ImportError as error:
        raise MissingRuntimeError(
            "reading Intel HEX files needs the package intelhex", hint="pip install 'ai-runner[ihex]'"
        ) from error
    image = IntelHex()
    try:
        image.fromfile(str(path), format="hex")
    except OSError as error:
        raise InvalidParamError(f"{path}: {error.strerror or error}") from error
    except (HexReaderError, UnicodeDecodeError) as error:
        raise InvalidParamError(f"{path}: not an Intel HEX file: {error}") from error
    if fill_with_zeros and image.segments():
        image.padding = 0
        spans = [(image.minaddr(), image.maxaddr() + 1)]
    else:
        spans = image.segments()
    return [
        {"addr": start, "data": np.frombuffer(image.tobinstr(start=start, size=end - start), np.uint8)}
        for start, end in spans
    ]
