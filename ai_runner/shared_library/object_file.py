"""What the readers of ELF, PE and Mach-O files share: their result, and reading without leaving the bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_SYMBOLS = 1 << 20
MAX_NAME = 512


class MalformedError(ValueError):
    """The bytes contradict themselves; the message completes "the file is broken: ..."."""


@dataclass(frozen=True)
class ObjectFile:
    """The facts about a library that decide whether it can be loaded here.

    Attributes:
        system: operating system family it is made for: ``Linux`` (any ELF), ``Windows`` or ``Darwin``.
        machines: architectures it holds; more than one only in a universal Mach-O file.
        exports: names of the symbols that it defines and shows, without the underscore that Mach-O puts before them.
    """

    system: str
    machines: tuple[str, ...]
    exports: frozenset[str]


class BoundedBytes:
    """Reads integers and names at offsets; everything outside the bytes is a MalformedError."""

    def __init__(self, data: bytes, order: str = "<") -> None:
        self.data = data
        self.order = order

    def fields(self, layout: str, offset: int) -> tuple[int, ...]:
        """The integers that `layout` (of module struct, without byte order) describes at `offset`."""
        layout = self.order + layout
        if offset < 0 or offset + struct.calcsize(layout) > len(self.data):
            raise MalformedError(f"it ends at byte {len(self.data)}, where offset {offset} is needed")
        return struct.unpack_from(layout, self.data, offset)

    def table(self, offset: int, size: int, what: str) -> bytes:
        """`size` bytes at `offset`, both as the file claims."""
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise MalformedError(f"it is truncated: {what} ends at byte {offset + size} of {len(self.data)}")
        return self.data[offset : offset + size]


def name_at(table: bytes, offset: int) -> str:
    """The NUL-terminated name at `offset` of a string table; '' when it is not inside or not a plausible name."""
    end = table.find(b"\0", offset, offset + MAX_NAME)
    return table[offset:end].decode("ascii", "replace") if 0 <= offset < len(table) and end >= 0 else ""
