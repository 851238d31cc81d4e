"""Headers and symbol tables of libraries, and what happens to those that are not."""

from __future__ import annotations

import contextlib
import platform
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.errors import HwIOError, InvalidModelError
from ai_runner.shared_library import host as host_module
from ai_runner.shared_library.host import host_architecture
from ai_runner.shared_library.inspection import read_file, read_object_file, refuse_foreign
from ai_runner.shared_library.object_file import ObjectFile

SOMEWHERE = Path("model.so")


def elf(machine: int = 62, kind: int = 3, names: tuple[str, ...] = ("ai_network_run",), wide: bool = True) -> bytes:
    """A minimal shared object with one segment and a dynamic symbol table."""
    texts = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    entries, at = [bytes(24 if wide else 16)], 1
    for name in names:
        fields = (at, 0x12, 0, 1, 0, 0) if wide else (at, 0, 0, 0x12, 0, 1)
        entries.append(struct.pack("<IBBHQQ" if wide else "<IIIBBH", *fields))
        at += len(name) + 1
    symbols = b"".join(entries)
    header, program = (64, 56) if wide else (52, 32)
    text_at = header + program
    symbols_at = text_at + len(texts)
    sections_at = symbols_at + len(symbols)
    section = struct.Struct("<IIQQQQIIQQ" if wide else "<10I")
    sections = section.pack(*[0] * 10)
    sections += section.pack(0, 11, 0, 0, symbols_at, len(symbols), 2, 0, 8, len(entries[0]))
    sections += section.pack(0, 3, 0, 0, text_at, len(texts), 0, 0, 1, 0)
    total = sections_at + len(sections)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    sizes = (header, program, 1, section.size, 3, 0)
    head = struct.pack("<HHIQQQI6H" if wide else "<HHIIIII6H", kind, machine, 1, 0, header, sections_at, 0, *sizes)
    segment = (
        struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, total, total, 8)
        if wide
        else struct.pack("<8I", 1, 0, 0, 0, total, total, 4, 4)
    )
    return ident + head + segment + texts + symbols + sections


def dll(machine: int = 0x8664, names: tuple[str, ...] = ("stai_network_run",)) -> bytes:
    """A minimal DLL whose only section holds the export names."""
    content = struct.pack("<10I", 0, 0, 0, 0, 0, 0, len(names), 0, 0x1000 + 40, 0)
    at = 0x1000 + 40 + 4 * len(names)
    texts = b""
    for name in names:
        content += struct.pack("<I", at + len(texts))
        texts += name.encode() + b"\0"
    content += texts
    optional = struct.pack("<H", 0x20B) + bytes(106) + struct.pack("<III", 16, 0x1000, len(content)) + bytes(120)
    header = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x2022)
    start = 64 + len(header) + len(optional) + 40
    section = b".edata\0\0" + struct.pack("<4I", len(content), 0x1000, len(content), start) + bytes(16)
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + header + optional + section + content


def dylib(machine: int = 0x0100000C, names: tuple[str, ...] = ("_ai_network_run",)) -> bytes:
    """A minimal 64-bit dylib with a symbol table."""
    texts, entries = b"\0", b""
    for name in names:
        entries += struct.pack("<IBBHQ", len(texts), 0x0F, 1, 0, 0)
        texts += name.encode() + b"\0"
    start = 32 + 24
    command = struct.pack("<6I", 2, 24, start, len(names), start + len(entries), len(texts))
    return b"\xcf\xfa\xed\xfe" + struct.pack("<7I", machine, 0, 6, 1, 24, 0, 0) + command + entries + texts


def universal(*parts: bytes) -> bytes:
    at = 8 + 20 * len(parts)
    header, body = struct.pack(">II", 0xCAFEBABE, len(parts)), b""
    for part in parts:
        header += struct.pack(">5I", 0, 0, at + len(body), len(part), 0)
        body += part
    return header + body


@pytest.mark.parametrize(
    ("data", "system", "machines", "exports"),
    [
        (elf(), "Linux", ("x86-64",), {"ai_network_run"}),
        (elf(183), "Linux", ("aarch64",), {"ai_network_run"}),
        (elf(40, wide=False, names=("a", "b")), "Linux", ("arm",), {"a", "b"}),
        (elf(3, wide=False), "Linux", ("i386",), {"ai_network_run"}),
        (elf(9999), "Linux", ("machine 9999",), {"ai_network_run"}),
        (dll(names=("a_run", "b_run")), "Windows", ("x86-64",), {"a_run", "b_run"}),
        (dll(0xAA64), "Windows", ("aarch64",), {"stai_network_run"}),
        (dylib(), "Darwin", ("aarch64",), {"ai_network_run"}),
        (universal(dylib(), dylib(0x01000007)), "Darwin", ("aarch64", "x86-64"), {"ai_network_run"}),
    ],
)
def test_headers_and_symbols(data: bytes, system: str, machines: tuple[str, ...], exports: set[str]) -> None:
    assert read_object_file(SOMEWHERE, data) == ObjectFile(system, machines, frozenset(exports))


def test_only_defined_global_symbols_of_a_real_library_count(build_c, tmp_path: Path) -> None:
    code = "#include <string.h>\nstatic int n; int data; int run(void *a) { return memcmp(a, &data, ++n); }"
    path = build_c(code, tmp_path / "libmodel.so")
    found = read_object_file(path, path.read_bytes())
    assert found.machines == (host_architecture()[1],)
    assert {"data", "run"} <= found.exports
    assert not {"memcmp", "n"} & found.exports  # undefined, and local to the file
    refuse_foreign(path, found)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"#!/bin/sh\necho hello\n", "it is text that starts with '#!/bin/sh"),
        (b"!<arch>\nfoo.o/", "it is a static archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (bytes(range(16)), "its first bytes are 00 01 02"),
        (elf(kind=1), "a relocatable object file"),
        (elf(kind=2), "an executable"),
        (elf()[:20], "it ends at byte 20"),
        (elf()[:-200], "truncated"),
        (b"MZ" + bytes(100), "a DOS program"),
        (dll()[:-4], "truncated"),
        (dylib()[:-4], "truncated"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x34", "52 architectures"),  # a Java class
    ],
)
def test_what_is_no_library_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidModelError) as caught:
        read_object_file(SOMEWHERE, data)
    assert reason in caught.value.message
    assert str(SOMEWHERE) in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_is_an_answer_or_a_typed_error(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([elf(), elf(wide=False), dll(), dylib(), universal(dylib(), dylib(7))]))
    damaged = bytearray(original[: data.draw(st.integers(0, len(original)))])
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(original)), st.integers(0, 255)), max_size=8)
    ):
        if position < len(damaged):
            damaged[position] = value
    try:
        found = read_object_file(SOMEWHERE, bytes(damaged))
    except InvalidModelError:
        return
    assert isinstance(found, ObjectFile)


@given(
    st.sampled_from([b"\x7fELF\x02\x01", b"\x7fELF\x01\x02", b"MZ", b"\xcf\xfa\xed\xfe", b""]), st.binary(max_size=400)
)
def test_random_bytes_are_an_answer_or_a_typed_error(magic: bytes, rest: bytes) -> None:
    with contextlib.suppress(InvalidModelError):
        read_object_file(SOMEWHERE, magic + rest)


def test_another_architecture_is_named_with_ours() -> None:
    system, machine = host_architecture()
    other = "aarch64" if machine != "aarch64" else "x86-64"
    with pytest.raises(InvalidModelError, match=f"built for {other}, this is {machine}"):
        refuse_foreign(SOMEWHERE, ObjectFile(system, (other,), frozenset()))
    with pytest.raises(InvalidModelError, match="built for Windows on x86-64, this is"):
        refuse_foreign(SOMEWHERE, ObjectFile("Windows" if system != "Windows" else "Linux", ("x86-64",), frozenset()))


@pytest.mark.parametrize(
    ("system", "machine", "wide", "expected"),
    [
        ("Linux", "x86_64", True, ("Linux", "x86-64")),
        ("Windows", "AMD64", True, ("Windows", "x86-64")),
        ("Darwin", "arm64", True, ("Darwin", "aarch64")),
        ("Linux", "armv7l", False, ("Linux", "arm")),
        ("Linux", "x86_64", False, ("Linux", "i386")),
        ("FreeBSD", "amd64", True, ("Linux", "x86-64")),
    ],
)
def test_the_host_in_the_words_of_a_header(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, wide: bool, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(host_module.sys, "maxsize", 2**63 - 1 if wide else 2**31 - 1)
    assert host_architecture() == expected


def test_a_file_that_cannot_be_read_is_a_bench_error(tmp_path: Path) -> None:
    with pytest.raises(HwIOError, match="cannot be read"):
        read_file(tmp_path)  # a folder
