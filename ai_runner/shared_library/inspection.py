"""What a file says it is before the loader sees it: format, architecture, exported symbols.

The loader's own messages ("invalid ELF header") name neither reason nor remedy, and mapping a truncated file kills the
process at the first missing page. So the bytes, which come from strangers, are read here first.
"""

from __future__ import annotations

from pathlib import Path

from ai_runner.errors import HwIOError, InvalidModelError
from ai_runner.shared_library import elf, mach_o, pe
from ai_runner.shared_library.host import host_architecture
from ai_runner.shared_library.object_file import MalformedError, ObjectFile


def read_object_file(path: Path, data: bytes) -> ObjectFile:
    """Reads the headers and the symbol table of a library.

    Args:
        path: for messages.
        data: content of the file.

    Raises:
        InvalidModelError: it is no shared library, or a broken one.
    """
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
    system, machine = host_architecture()
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
        return "it has to be built as a shared library (ST: validate, or generate --dll; Edge Impulse: ei-library)"
    if data.startswith(b"version https://git-lfs"):
        return "git lfs pull"
    return "give the .so, .dll or .dylib that was generated for the host"
