"""macOS libraries: architectures and external symbols (mach-o/loader.h, mach-o/fat.h, mach-o/nlist.h)."""

from __future__ import annotations

import struct

from ai_runner.shared_library.host import host_architecture
from ai_runner.shared_library.object_file import (
    MAX_SYMBOLS,
    BoundedBytes,
    MalformedError,
    ObjectFile,
    name_at,
)

_UNIVERSAL = b"\xca\xfe\xba\xbe"
_THIN_32, _THIN_64 = b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"
MAGICS = (_THIN_64, _THIN_32, _UNIVERSAL)

_MACHINES = {7: "i386", 12: "arm", 18: "ppc", 0x01000007: "x86-64", 0x0100000C: "aarch64", 0x01000012: "ppc64"}
_LIBRARY_TYPES = (6, 8)
_SYMBOL_TABLE = 2
_MAX_ARCHITECTURES = 16


def read(data: bytes) -> ObjectFile:
    """Raises MalformedError for bytes that are no complete dynamic library."""
    if not data.startswith(_UNIVERSAL):
        return _read_thin(data)
    (count,) = BoundedBytes(data, ">").fields("I", 4)
    if not 0 < count <= _MAX_ARCHITECTURES:
        raise MalformedError(f"it claims {count} architectures")
    parts = []
    for index in range(count):
        _, _, offset, size, _ = BoundedBytes(data, ">").fields("5I", 8 + 20 * index)
        parts.append(_read_thin(BoundedBytes(data).table(offset, size, "an architecture")))
    machine = host_architecture()[1]
    chosen = next((part for part in parts if machine in part.machines), parts[0])
    return ObjectFile("Darwin", tuple(name for part in parts for name in part.machines), chosen.exports)


def _read_thin(data: bytes) -> ObjectFile:
    if not data.startswith((_THIN_32, _THIN_64)):
        raise MalformedError("a part of it has no Mach-O header")
    wide = data.startswith(_THIN_64)
    source = BoundedBytes(data)
    machine, _, kind, command_count = source.fields("4I", 4)
    if kind not in _LIBRARY_TYPES:
        raise MalformedError("it is a Mach-O file, but not a library")
    exports: list[str] = []
    at = 32 if wide else 28
    for _ in range(command_count):
        command, size = source.fields("II", at)
        if size < 8:
            raise MalformedError(f"a load command claims {size} bytes")
        if command == _SYMBOL_TABLE:
            exports = _exports(source, wide, *source.fields("4I", at + 8))
        at += size
    return ObjectFile("Darwin", (_MACHINES.get(machine, f"machine {machine:#x}"),), frozenset(exports))


def _exports(source: BoundedBytes, wide: bool, offset: int, count: int, text: int, text_size: int) -> list[str]:
    entry = struct.Struct("<IBBHQ" if wide else "<IBBHI")
    if count > MAX_SYMBOLS:
        raise MalformedError(f"it claims {count} symbols")
    symbols = source.table(offset, count * entry.size, "the symbol table")
    names = source.table(text, text_size, "the string table")
    found = []
    for name, kind, section, _, _ in entry.iter_unpack(symbols):
        if kind & 0xE0 == 0 and kind & 1 and section:  # no debugging entry, external, defined in a section
            found.append(name_at(names, name).removeprefix("_"))
    return [name for name in found if name]
