"""ELF shared objects: machine and dynamic symbol table (System V ABI, chapters 4 and 5)."""

from __future__ import annotations

import struct

from ai_runner.shared_library.object_file import MAX_SYMBOLS, BoundedBytes, MalformedError, ObjectFile, name_at

MAGICS = (b"\x7fELF",)

_MACHINES = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86-64",
    183: "aarch64",
    243: "riscv",
    258: "loongarch",
}
_TYPES = {1: "a relocatable object file", 2: "an executable", 4: "a core dump"}
_SHARED, _LOADABLE, _DYNAMIC_SYMBOLS = 3, 1, 11


def machine_of(header: bytes) -> str:
    """The architecture that an ELF file of any type is made for, from its first 20 bytes; raises MalformedError."""
    source, wide = _source(header)
    return _machine_name(source.fields("HH", 16)[1], wide, source.order)


def read(data: bytes) -> ObjectFile:
    """Raises MalformedError for bytes that are no complete shared object."""
    source, wide = _source(data)
    kind, machine = source.fields("HH", 16)
    if kind != _SHARED:
        raise MalformedError(f"it is {_TYPES.get(kind, f'of type {kind}')}, not a shared object")
    program, sections = source.fields("QQ", 32) if wide else source.fields("II", 28)
    sizes = source.fields("6H", 52 if wide else 40)
    _check_segments(source, wide, program, entry_size=sizes[1], count=sizes[2])
    return ObjectFile(
        "Linux",
        (_machine_name(machine, wide, source.order),),
        frozenset(_exports(source, wide, sections, entry_size=sizes[3], count=sizes[4])),
    )


def _source(data: bytes) -> tuple[BoundedBytes, bool]:
    """The bytes in their order, and whether they are of a 64-bit file."""
    ident = BoundedBytes(data).fields("16B", 0)
    if ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise MalformedError(f"class {ident[4]} and byte order {ident[5]} do not exist")
    return BoundedBytes(data, "<" if ident[5] == 1 else ">"), ident[4] == 2


def _machine_name(machine: int, wide: bool, order: str) -> str:
    name = _MACHINES.get(machine, f"machine {machine}")
    if name == "riscv":
        return "riscv64" if wide else "riscv32"
    if name in ("x86-64", "aarch64") and not wide:
        return f"{name} with 32-bit pointers"
    if order == ">" and name in ("aarch64", "arm"):
        return f"big-endian {name}"
    return "ppc64le" if name == "ppc64" and order == "<" else name


def _check_segments(source: BoundedBytes, wide: bool, table: int, entry_size: int, count: int) -> None:
    loadable = 0
    for index in range(count):
        at = table + index * entry_size
        if wide:
            kind, _, offset, _, _, size = source.fields("IIQQQQ", at)
        else:
            kind, offset, _, _, size = source.fields("5I", at)
        if kind == _LOADABLE:
            loadable += 1
            if offset + size > len(source.data):
                raise MalformedError(f"it is truncated: a segment ends at byte {offset + size} of {len(source.data)}")
    if not loadable:
        raise MalformedError("it has no loadable segment")


def _exports(source: BoundedBytes, wide: bool, table: int, entry_size: int, count: int) -> list[str]:
    headers = []
    for index in range(count):
        at = table + index * entry_size
        if wide:
            _, kind, _, _, offset, size, link = source.fields("IIQQQQI", at)
        else:
            _, kind, _, _, offset, size, link = source.fields("7I", at)
        headers.append((kind, offset, size, link))
    for kind, offset, size, link in headers:
        if kind != _DYNAMIC_SYMBOLS:
            continue
        if link >= len(headers):
            raise MalformedError(f"its symbol table refers to section {link} of {len(headers)}")
        names = source.table(headers[link][1], headers[link][2], "the string table")
        return _defined(source.table(offset, size, "the symbol table"), names, wide, source.order)
    return []


def _defined(symbols: bytes, names: bytes, wide: bool, order: str) -> list[str]:
    """Names of global and weak symbols that have a section of their own."""
    entry = struct.Struct(order + ("IBBHQQ" if wide else "IIIBBH"))
    count = min(len(symbols) // entry.size, MAX_SYMBOLS)
    found = []
    for fields in entry.iter_unpack(symbols[: count * entry.size]):
        info, section = (fields[1], fields[3]) if wide else (fields[3], fields[5])
        if section and info >> 4 in (1, 2):
            found.append(name_at(names, fields[0]))
    return [name for name in found if name]
