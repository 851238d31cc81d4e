"""What crosses between parent and child, as JSON and blobs of bytes.

Numbers, texts, None and lists are themselves; everything else is an object with one key that begins with ``$`` and says
what it is. Only the classes listed here are ever made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ai_runner import errors
from ai_runner.descriptor import Descriptor
from ai_runner.errors import AiRunnerError, InvalidMsgError
from ai_runner.model import (
    Caps,
    DeviceInfo,
    MemoryPool,
    Mode,
    ModelInfo,
    NodeInfo,
    RuntimeInfo,
    TensorInfo,
    TensorRole,
)
from ai_runner.packed_pixels import PackedPixels
from ai_runner.profile import NodeProfile, TimeSource
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import FormatKind, TensorFormat

Blob = memoryview

_ENUMS: dict[str, type[Enum]] = {cls.__name__: cls for cls in (Caps, Mode, TensorRole, TimeSource, FormatKind)}
_RECORDS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        *(DeviceInfo, MemoryPool, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo),
        *(NodeProfile, PackedPixels, Quantization, TensorFormat, Descriptor),
    )
}
_ALIGNMENT = 64


def encode(value: Any, blobs: list[Blob]) -> Any:
    """JSON for `value`; arrays and bytes are appended to `blobs`.

    Raises:
        TypeError: a value of a kind that does not cross.
    """
    if isinstance(value, Enum):
        if _ENUMS.get(type(value).__name__) is not type(value):
            raise TypeError(f"{value!r} cannot cross to another process")
        return {"$enum": [type(value).__name__, value.value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return encode(value.item(), blobs)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc" and not _is_plain_record(value.dtype):
            raise TypeError(f"an array of {value.dtype} cannot cross to another process")
        blobs.append(_bytes_of(value))
        return {"$array": [len(blobs) - 1, _dtype_text(value.dtype), list(value.shape)]}
    if isinstance(value, bytes | bytearray | memoryview):
        blobs.append(memoryview(bytes(value)))
        return {"$bytes": len(blobs) - 1}
    if isinstance(value, np.dtype):
        return {"$dtype": _dtype_text(value)}
    if isinstance(value, tuple):
        return {"$tuple": [encode(item, blobs) for item in value]}
    if isinstance(value, list):
        return [encode(item, blobs) for item in value]
    if isinstance(value, Mapping):
        return {"$dict": [[encode(k, blobs), encode(v, blobs)] for k, v in value.items()]}
    if isinstance(value, PurePath):
        return {"$path": str(value)}
    if _RECORDS.get(type(value).__name__) is type(value):
        return {"$" + type(value).__name__: [encode(getattr(value, f.name), blobs) for f in fields(value)]}
    raise TypeError(f"a value of type {type(value).__name__} cannot cross to another process")


def decode(value: Any, blobs: Sequence[Blob]) -> Any:
    """The value that `encode` was given; arrays are copies.

    Raises:
        InvalidMsgError: `value` was not made by `encode`.
    """
    try:
        return _decode(value, blobs)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InvalidMsgError(f"a value that is none: {type(error).__name__}: {error}") from error


def _decode(value: Any, blobs: Sequence[Blob]) -> Any:
    if isinstance(value, list):
        return [_decode(item, blobs) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, body),) = value.items()
    match kind:
        case "$tuple":
            return tuple(_decode(item, blobs) for item in body)
        case "$dict":
            return {_decode(k, blobs): _decode(v, blobs) for k, v in body}
        case "$array":
            number, dtype, shape = body
            return np.frombuffer(blobs[number], _dtype(dtype)).reshape(shape).copy()
        case "$bytes":
            return bytes(blobs[body])
        case "$dtype":
            return _dtype(body)
        case "$enum":
            return _ENUMS[body[0]](body[1])
        case "$path":
            return Path(body)
    cls = _RECORDS[kind.removeprefix("$")]
    names = [f.name for f in fields(cls)]
    return cls(**{name: _decode(item, blobs) for name, item in zip(names, body, strict=True)})


def _is_plain_record(dtype: np.dtype[Any]) -> bool:
    """True for a structured type of numbers without gaps, such as bounding boxes are."""
    kinds = [dtype[name] for name in dtype.names or ()]
    return (
        bool(kinds)
        and all(kind.kind in "biuf" for kind in kinds)
        and dtype.itemsize == sum(kind.itemsize for kind in kinds)
    )


def _dtype_text(dtype: np.dtype[Any]) -> Any:
    return [[name, dtype[name].str] for name in dtype.names] if dtype.names else dtype.str


def _dtype(text: Any) -> np.dtype[Any]:
    return np.dtype([(str(name), str(kind)) for name, kind in text] if isinstance(text, list) else text)


def encode_error(error: BaseException, blobs: list[Blob]) -> dict[str, Any]:
    """JSON for an exception: one of this library keeps its class (the nearest in `ai_runner.errors`) and its parts."""
    if not isinstance(error, AiRunnerError):
        import traceback

        trace = "".join(traceback.format_exception(error)).splitlines()
        text = f"{type(error).__name__}: {error}"
        error = AiRunnerError(text, hint="the driver has a bug", evidence={"traceback": trace[-20:]})
    known = next(cls.__name__ for cls in type(error).__mro__ if getattr(errors, cls.__name__, None) is cls)
    evidence = {key: _shown(item) for key, item in error.evidence.items()}
    return {
        "class": known,
        "message": str(error.message),
        "hint": str(error.hint),
        "evidence": encode(evidence, blobs),
        "retryable": bool(error.retryable),
    }


def decode_error(parts: Mapping[str, Any], blobs: Sequence[Blob]) -> AiRunnerError:
    """The exception of `encode_error`."""
    cls = getattr(errors, str(parts.get("class")), None)
    if not (isinstance(cls, type) and issubclass(cls, AiRunnerError)):
        raise InvalidMsgError(f"an error of the unknown class {parts.get('class')!r}")
    return cls(
        str(parts.get("message", "")),
        hint=str(parts.get("hint", "")),
        evidence=decode(parts.get("evidence"), blobs),
        retryable=bool(parts.get("retryable")),
    )


def _shown(item: Any) -> Any:
    """`item` where it can cross, else how it prints."""
    try:
        encode(item, [])
    except TypeError:
        return repr(item)
    return item


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    # An array without elements has no memory that could be viewed.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def layout(sizes: Iterable[int]) -> tuple[list[int], int]:
    """Aligned offsets for blobs of these sizes, and the bytes that they take together."""
    offsets, end = [], 0
    for size in sizes:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        offsets.append(start)
        end = start + size
    return offsets, end


def copy_blobs(blobs: Sequence[Blob], offsets: Sequence[int], target: memoryview) -> None:
    """Puts blobs at their offsets."""
    for blob, offset in zip(blobs, offsets, strict=True):
        target[offset : offset + len(blob)] = blob


def split_blobs(memory: memoryview, sizes: Sequence[int]) -> list[memoryview]:
    """The blobs in `memory`; raises ValueError when they do not fit."""
    if not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise ValueError("sizes that are none")
    offsets, end = layout(sizes)
    if end > len(memory):
        raise ValueError(f"blobs of {end} bytes in {len(memory)}")
    return [memory[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
