"""Tensors as the two C APIs declare them, brought into one form. What a library says is checked before it is used."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import isfinite, prod
from typing import Any

import numpy as np

from ai_runner.drivers.c_library.memory import MAX_BYTES
from ai_runner.errors import InvalidModelError
from ai_runner.model import TensorInfo, TensorRole
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import FormatKind, TensorFormat

MAX_TENSORS = 1024
MAX_NODES = 1 << 16
_MAX_RANK = 16
_MAX_CHANNELS = 1 << 20
_MAX_TEXT = 512

POOL_ACTIVATIONS = "in 'activations' buffer"
POOL_USER = "user"


def tensor_info(
    name: str,
    shape: Sequence[int],
    format_word: int,
    quantization: Quantization | None,
    role: TensorRole,
    tag: str,
    *,
    size_bytes: int = 0,
    memory_pool: str = POOL_USER,
    address: int = 0,
) -> TensorInfo:
    """A tensor from what a library declares.

    A format that numpy has no type for (4 bits, generic Q) becomes its bytes: uint8, shape (1, bytes).

    Args:
        shape: as TensorInfo.shape.
        format_word: ST's format word.
        size_bytes: of one sample as declared, 0 when the API does not say.

    Raises:
        InvalidModelError: sizes that cannot be.
    """
    if len(shape) > _MAX_RANK or any(not 0 < dimension < 1 << 31 for dimension in shape) or prod(shape) > MAX_BYTES:
        raise InvalidModelError(f"the library declares the impossible shape {list(shape[:_MAX_RANK])} for {name}")
    storage = TensorFormat.decode(format_word)
    if storage.fixed_point and quantization is None:
        quantization = Quantization((2.0**-storage.fractional_bits,), (0,))
    dtype = storage.dtype
    if dtype is None:
        size = size_bytes or -(-prod(shape) * storage.bits // 8)
        if not size:
            raise InvalidModelError(
                f"the library declares the unknown format {format_word & 0xFFFFFFFF:#010x} for {name}"
            )
        info = TensorInfo(name, (1, size), np.dtype(np.uint8), None, role, tag, memory_pool, address)
    else:
        info = TensorInfo(name, tuple(shape), dtype, quantization, role, tag, memory_pool, address, storage)
    if size_bytes and size_bytes < info.size_bytes:
        raise InvalidModelError(
            f"the library declares {size_bytes} bytes for {name}, its shape {list(info.shape)} needs {info.size_bytes}"
        )
    return info


def quantization_of(
    scale: Sequence[float], zero_point: Sequence[int], shape: Sequence[int], format_word: int
) -> Quantization | None:
    """The affine mapping a library declares; None for real-valued tensors and where no usable scale is given.

    Several scales run along the last dimension of their number.

    Raises:
        InvalidModelError: their number is that of no dimension.
    """
    if TensorFormat.decode(format_word).kind is not FormatKind.INTEGER or not scale:
        return None
    if any(not isfinite(s) or s <= 0 for s in scale):
        return None
    zeros = tuple(zero_point) or (0,) * len(scale)
    if len(zeros) == 1:
        zeros *= len(scale)
    axes = [axis for axis, dimension in enumerate(shape) if dimension == len(scale)]
    if len(zeros) != len(scale) or (len(scale) > 1 and not axes):
        raise InvalidModelError(
            f"the library declares {len(scale)} scales and {len(zeros)} zero points for the shape {list(shape)}"
        )
    return Quantization(tuple(scale), zeros, axes[-1] if len(scale) > 1 else 0)


def checked_count(count: int, address: int | None, limit: int, what: str) -> int:
    """`count`, when it is plausible and there is something at `address`; raises InvalidModelError otherwise."""
    if count > limit or (count and not address):
        where = "at no address" if count <= limit else f"(at most {limit} are plausible)"
        raise InvalidModelError(f"the library declares {count} {what} {where}")
    return count


def read_array(address: int | None, count: int, kind: Any, what: str, limit: int = _MAX_CHANNELS) -> list[float]:
    """`count` numbers of ctypes type `kind` at `address` of the library."""
    checked_count(count, address, limit, what)
    return list((kind * count).from_address(address)) if address and count else []


def read_text(address: int | None) -> str:
    """A C string of the library as printable text, '' for NULL."""
    if not address:
        return ""
    content = ctypes.c_char_p(address).value or b""
    text = content[:_MAX_TEXT].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)
