"""The same operators on real values: what integers stand for, computed without rounding in between.

Made like a cut, by patching a copy of the file: a tensor keeps its place and is declared float32, and a constant gets
its real values, appended at the end.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.tflite_model.flatbuffer import FlatBuffer, FlatTable

_FLOAT32 = 0  # of TensorType


def real_twin(buffer: FlatBuffer, tensors: Mapping[int, npt.NDArray[np.float32] | None]) -> bytes | None:
    """A copy of the file in which some tensors hold real values.

    Args:
        tensors: by their numbers; the values of constants, None for what is computed.

    Returns:
        The patched file; None where a tensor cannot be patched: it shares its constant with another one, or the
        constant lies behind the FlatBuffer.
    """
    root = buffer.root()
    tables = root.tables(2)[0].tables(0)
    constants = root.tables(4)
    patched = bytearray(buffer.raw)
    seen = set[int]()
    for number, values in tensors.items():
        type_at = tables[number].field_position(1)
        if type_at is None:
            return None
        patched[type_at] = _FLOAT32
        if values is None:
            continue
        constant = tables[number].number(2, "Uint32", 0)
        data_at = _data_position(constants[constant])
        if data_at is None or constant in seen:
            return None
        seen.add(constant)
        patched += bytes((12 - len(patched)) % 16)  # the length comes first, and LiteRT wants data at 16 bytes
        struct.pack_into("<I", patched, data_at, len(patched) - data_at)
        patched += struct.pack("<I", values.nbytes) + _little_endian(values)
    return bytes(patched)


def _data_position(constant: FlatTable) -> int | None:
    outside = constant.number(1, "Uint64", 0) > 1
    return None if outside else constant.field_position(0)


def _little_endian(values: npt.NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()
