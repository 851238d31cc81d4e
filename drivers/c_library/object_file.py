"""What a file says it is before the loader sees it: format, architecture, exported symbols.

The loader's own messages ("invalid ELF header") name neither reason nor remedy, and mapping a truncated file kills the
process at the first missing page. So the bytes, which come from strangers, are read here first: ELF, PE and Mach-O.
"""

from __future__ import annotations

import platform
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from ai_runner.errors import HwIOError, InvalidModelError

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


def read_object_file(path: Path, data: bytes) -> ObjectFile:
    """Reads the headers and the symbol table of a library.

    Args:
        path: for messages.
        data: content of the file.

    Raises:
        InvalidModelError: it is no shared library, or a broken one.
    """
    from ai_runner.drivers.c_library import elf, mach_o, pe

    for reader in (elf, pe, mach_o):
        if data.startswith(reader.MAGICS):
            try:
                found: ObjectFile = reader.read(data)
            except MalformedError as error:
                raise InvalidModelError(
                    f"{path}: the library is broken: {error}", hint="build or copy it again"
                ) from error
            return found
    raise InvalidModelError(f"{path}: not a shared library: {_likely_content(data)}", hint=_likely_remedy(data))


def read_file(path: Path) -> bytes:
    """Content of a file; raises HwIOError where the system refuses to give it."""
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not fit into memory"
        raise HwIOError(f"{path}: cannot be read: {reason}", hint="check its permissions") from error


def refuse_foreign(path: Path, found: ObjectFile) -> None:
    """Raises InvalidModelError when this process cannot load the library, naming both architectures."""
    system, machine = host()
    theirs = f"{found.system} on {' or '.join(found.machines)}"
    if found.system != system:
        raise InvalidModelError(
            f"{path}: built for {theirs}, this is {system} on {machine}",
            hint="generate the library on this kind of machine",
            evidence={"built_for": theirs},
        )
    if machine not in found.machines:
        raise InvalidModelError(
            f"{path}: built for {' or '.join(found.machines)}, this is {machine}",
            hint=f"generate the library for {machine}, or run on the machine it was built for",
            evidence={"built_for": theirs},
        )


def host() -> tuple[str, str]:
    """(system, machine) of this process in the words of ObjectFile; every ELF system counts as Linux."""
    system = platform.system()
    machine = platform.machine().lower()
    machine = {"amd64": "x86-64", "x86_64": "x86-64", "arm64": "aarch64", "i686": "i386", "x86": "i386"}.get(
        machine, machine
    )
    if machine.startswith("armv"):
        machine = "arm"
    if sys.maxsize < 1 << 32:  # a 32-bit Python on a 64-bit system loads 32-bit libraries
        machine = {"x86-64": "i386", "aarch64": "arm"}.get(machine, machine)
    return (system if system in ("Windows", "Darwin") else "Linux"), machine


def _likely_content(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if data.startswith(b"!<arch>"):
        return "it is a static archive"
    if data.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, the content was not fetched"
    start = data[:24].decode("ascii", "replace")
    if all(character.isprintable() or character.isspace() for character in start.replace("\ufffd", "\0")):
        return f"it is text that starts with {start!r}"
    return f"its first bytes are {data[:8].hex(' ')}"


def _likely_remedy(data: bytes) -> str:
    if data.startswith(b"!<arch>"):
        return "the C-model has to be generated as a shared library (ST: validate, or generate --dll)"
    if data.startswith(b"version https://git-lfs"):
        return "git lfs pull"
    return "give the .so, .dll or .dylib that was generated for the host"
