"""Whether a file can be started here, told before it is tried."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ai_runner.errors import AiRunnerError, HwIOError, InvalidModelError, InvalidParamError
from ai_runner.shared_library.elf import machine_of
from ai_runner.shared_library.host import host_architecture
from ai_runner.shared_library.object_file import MalformedError

_HEADER_BYTES = 512
_ELF = b"\x7fELF"
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
# A 64-bit kernel runs 32-bit programs where the libraries for them are installed: the system shall decide.
_ALSO_RUNS = {"x86-64": ("i386",), "aarch64": ("arm",)}
_DEPLOYMENT = "download the deployment for this machine, or run this one on the machine it is built for"


def check_executable(path: Path) -> None:
    """Looks at kind, permission and header of a file.

    Raises:
        InvalidParamError: there is no such file.
        InvalidModelError: it cannot be executed here; the message says what it is built for.
        HwIOError: it may not be read.
    """
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise InvalidParamError(
            f"{path}: {error.strerror or error}", hint="eim:PATH.eim, or the path of a socket"
        ) from (error)
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "no regular file"
        raise InvalidParamError(f"{path}: is {what}", hint="eim:PATH.eim, or the path of a socket")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise HwIOError(f"{path}: cannot be read: {error.strerror or error}") from error
    system, machine = host_architecture()
    built_for = _built_for(path, header)
    allowed = {machine, *_ALSO_RUNS.get(machine, ())} if system == "Linux" else {"macOS"} if system == "Darwin" else ()
    if built_for and built_for not in allowed:
        here = {"Linux": machine, "Darwin": "macOS"}.get(system, system)
        raise InvalidModelError(
            f"{path}: built for {built_for}, this is {here}",
            hint=_DEPLOYMENT,
            evidence={"built for": built_for, "machine": machine, "system": system},
        )
    if not os.access(path, os.X_OK):
        raise InvalidModelError(f"{path}: is not executable", hint=f"chmod +x {path}")


def start_error(path: Path, error: OSError) -> AiRunnerError:
    """Why the system did not start a file that looked right."""
    if error.errno == errno.ENOEXEC:
        return InvalidModelError(f"{path}: the system cannot execute it: {error.strerror}", hint=_DEPLOYMENT)
    if error.errno == errno.ENOENT:
        return InvalidModelError(
            f"{path}: the loader or interpreter that it needs is not there: {_interpreter(path)}",
            hint="install the libraries of the architecture that it is built for, or correct its first line",
        )
    reason = error.strerror or str(error)
    hint = "is the file system mounted noexec?" if error.errno == errno.EACCES else ""
    return HwIOError(f"{path}: cannot be started: {reason}", hint=hint, retryable=error.errno == errno.ETXTBSY)


def _built_for(path: Path, header: bytes) -> str:
    """``aarch64``, ``macOS``, ``Windows``; '' for a script."""
    if header.startswith(b"#!"):
        return ""
    if header.startswith(_ELF):
        try:
            return machine_of(header)
        except MalformedError as error:
            raise InvalidModelError(f"{path}: is a broken executable: {error}", hint="download it again") from error
    if header.startswith(_MACH_O):
        return "macOS"
    if header.startswith(b"MZ"):
        return "Windows"
    raise InvalidModelError(
        f"{path}: is neither an executable nor a script: it begins with {header[:8]!r}",
        hint="an .eim is downloaded as a Linux or macOS deployment from Edge Impulse Studio, or with `ai-runner ei`",
    )


def _interpreter(path: Path) -> str:
    try:
        with path.open("rb") as file:
            first = file.readline(_HEADER_BYTES)
    except OSError:
        first = b""
    return first[2:].decode("utf-8", "replace").strip() if first.startswith(b"#!") else "the ELF file names it"
