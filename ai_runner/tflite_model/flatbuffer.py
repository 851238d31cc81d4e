"""Bounds-checked access to a FlatBuffer from an unknown source.

The `flatbuffers` package has no verifier for Python: it follows any offset, and a negative one counts from the end.
Here every offset is checked before it is followed, and the bytes decoded in all are limited to a small multiple of
the file, so that tables which share their parts cannot make a short file expensive. Layout: FlatBuffers, "Internals".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidModelError

_DECODED_BYTES_MIN = 1 << 20
_DECODED_BYTES_FACTOR = 8

_NUMPY: dict[str, str] = {"Int32": "<i4", "Uint32": "<u4", "Int64": "<i8", "Float32": "<f4", "Uint8": "|u1"}


@cache
def _number_type(kind: str) -> tuple[Any, Callable[[Any, bytes, int], Any]]:
    from flatbuffers import encode, number_types

    return getattr(number_types, f"{kind}Flags"), encode.Get


@dataclass
class FlatBuffer:
    """A whole file in FlatBuffers format.

    Args:
        raw: the file.
        label: what messages call it.
    """

    raw: bytes
    label: str
    _decoded: int = field(default=0, repr=False)

    def root(self) -> FlatTable:
        """The root table."""
        return FlatTable(self, self.scalar("UOffsetT", 0))

    def scalar(self, kind: str, position: int) -> Any:
        """The number at byte `position`; `kind` is a name of flatbuffers.number_types without "Flags"."""
        flags, get = _number_type(kind)
        self.check(position, flags.bytewidth)
        return flags.py_type(get(flags.packer_type, self.raw, position))

    def check(self, position: int, size: int) -> None:
        """Raises InvalidModelError unless `size` bytes at `position` lie in the file."""
        if position < 0 or size < 0 or position + size > len(self.raw):
            raise self.error(f"an offset leads to byte {position + size} of {len(self.raw)}")

    def spend(self, size: int) -> None:
        """Counts `size` decoded bytes against the limit of this file."""
        self._decoded += size
        if self._decoded > max(_DECODED_BYTES_MIN, _DECODED_BYTES_FACTOR * len(self.raw)):
            raise self.error("its tables overlap without end")

    def error(self, what: str) -> InvalidModelError:
        """The error to raise for this file."""
        return InvalidModelError(
            f"{self.label}: broken .tflite file: {what}",
            hint="export or copy the model again",
            evidence={"file": self.label},
        )


class FlatTable:
    """One table; fields are addressed by their slot, the position in the schema counted from 0."""

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        self._buffer = buffer
        self.position = position
        self._vtable = position - buffer.scalar("Int32", position)
        self._vtable_size = buffer.scalar("Uint16", self._vtable)
        buffer.check(self._vtable, self._vtable_size)
        buffer.spend(8 + self._vtable_size)

    def field_position(self, slot: int) -> int | None:
        """Byte position of a field in the file, None when the field is absent."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_size:
            return None
        offset = self._buffer.scalar("Uint16", self._vtable + entry)
        return self.position + offset if offset else None

    def number(self, slot: int, kind: str, default: Any) -> Any:
        """A scalar field."""
        position = self.field_position(slot)
        return default if position is None else self._buffer.scalar(kind, position)

    def target(self, slot: int) -> int | None:
        """Byte position that an offset field leads to, None when the field is absent."""
        position = self.field_position(slot)
        return None if position is None else position + self._buffer.scalar("UOffsetT", position)

    def table(self, slot: int) -> FlatTable | None:
        """A field that is a table or a union."""
        position = self.target(slot)
        return None if position is None else FlatTable(self._buffer, position)

    def span(self, slot: int, item_size: int) -> tuple[int, int]:
        """First byte and number of items of a vector of `item_size` bytes each; (0, 0) when absent."""
        position = self.target(slot)
        if position is None:
            return 0, 0
        length = self._buffer.scalar("UOffsetT", position)
        self._buffer.check(position + 4, length * item_size)
        return position + 4, length

    def vector(self, slot: int, kind: str) -> npt.NDArray[Any]:
        """A vector of numbers as a 1-d read-only view; empty when absent."""
        dtype = np.dtype(_NUMPY[kind])
        start, length = self.span(slot, dtype.itemsize)
        self._buffer.spend(length * dtype.itemsize)
        return np.frombuffer(self._buffer.raw, dtype, length, start)

    def text(self, slot: int) -> str:
        """A string field; bytes that are no UTF-8 become the replacement character."""
        start, length = self.span(slot, 1)
        self._buffer.spend(length)
        return self._buffer.raw[start : start + length].decode("utf-8", "replace")

    def tables(self, slot: int) -> list[FlatTable]:
        """A vector of tables; empty when absent."""
        start, length = self.span(slot, 4)
        self._buffer.spend(4 * length)
        elements = range(start, start + 4 * length, 4)
        return [FlatTable(self._buffer, at + self._buffer.scalar("UOffsetT", at)) for at in elements]
