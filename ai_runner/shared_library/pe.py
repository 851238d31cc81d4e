"""Windows DLLs: machine and export name table (Microsoft's PE format specification)."""

from __future__ import annotations

from ai_runner.shared_library.object_file import BoundedBytes, MalformedError, ObjectFile, name_at

MAGICS = (b"MZ",)

_MACHINES = {0x14C: "i386", 0x1C4: "arm", 0x8664: "x86-64", 0xAA64: "aarch64"}
_IS_DLL = 0x2000
_MAX_SECTIONS, _MAX_EXPORTS = 96, 1 << 16  # the loader's limit; an ordinal has 16 bits


def read(data: bytes) -> ObjectFile:
    """Raises MalformedError for bytes that are no complete DLL."""
    source = BoundedBytes(data)
    (header,) = source.fields("I", 0x3C)
    if data[header : header + 4] != b"PE\0\0":
        raise MalformedError("it is a DOS program, not a DLL")
    machine, section_count, _, _, _, optional_size, characteristics = source.fields("HHIIIHH", header + 4)
    if not characteristics & _IS_DLL:
        raise MalformedError("it is a Windows program, not a DLL")
    if section_count > _MAX_SECTIONS:
        raise MalformedError(f"it claims {section_count} sections")
    optional = header + 24
    sections = [
        source.fields("4I", optional + optional_size + 40 * index + 8)  # virtual size and address, raw size and offset
        for index in range(section_count)
    ]
    for _, _, size, offset in sections:
        source.table(offset, size, "a section")
    exports = _exports(source, optional, sections)
    return ObjectFile("Windows", (_MACHINES.get(machine, f"machine {machine:#x}"),), frozenset(exports))


def _exports(source: BoundedBytes, optional: int, sections: list[tuple[int, ...]]) -> list[str]:
    (magic,) = source.fields("H", optional)
    directories = optional + (112 if magic == 0x20B else 96)
    count, address = source.fields("II", directories - 4)
    if not count or not address:
        return []
    at = _offset(address, sections)
    name_count, _, names = source.fields("3I", at + 24)
    if name_count > _MAX_EXPORTS:
        raise MalformedError(f"it claims {name_count} exports")
    table = _offset(names, sections) if name_count else 0
    addresses = source.fields(f"{name_count}I", table)
    found = [name_at(source.data, _offset(name, sections)) for name in addresses]
    return [name for name in found if name]


def _offset(address: int, sections: list[tuple[int, ...]]) -> int:
    for virtual_size, start, raw_size, offset in sections:
        if start <= address < start + max(virtual_size, raw_size):
            return offset + address - start
    raise MalformedError(f"address {address:#x} lies in no section")
