"""Downloaded deployments, a file each, by server, project, version, format, engine, model type and impulse.

``CACHE/ai-runner/edge-impulse/HOST/PROJECT/v3-float32-runner-linux-x86_64-tflite-impulse1/model.eim``, where CACHE is
$XDG_CACHE_HOME or ~/.cache, ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows. A file is there whole or not at all.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ai_runner.errors import HwIOError, InvalidModelError, InvalidParamError, LinkLostError

MAX_BYTES = 4 << 30
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_ZIP = b"PK\x03\x04"
_EXECUTABLES = (
    b"\x7fELF",
    b"#!",
    b"\xcf\xfa\xed\xfe",  # Mach-O, 64 bit
    b"\xca\xfe\xba\xbe",  # Mach-O for several architectures
)
_NAMES = ("model.eim", "deployment.zip")


class Key(Protocol):
    """What tells the deployments of one project apart."""

    @property
    def format(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def model_type(self) -> str: ...
    @property
    def impulse(self) -> int | None: ...


class DeploymentCache:
    """The deployments of one project of one server.

    Args:
        folder: of the cache; None is the user's.
        address: base address of the server.
        project: its number.
    """

    def __init__(self, folder: str | Path | None, address: str, project: int) -> None:
        base = Path(folder) if folder is not None else user_cache() / "edge-impulse"
        self._folder = base / re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(address).netloc) / str(project)

    def find(self, key: Key, version: int) -> Path | None:
        """The file of a deployment; None when it is not there."""
        return next((path for name in _NAMES if (path := self._of(key, version) / name).is_file()), None)

    def keep(
        self,
        key: Key,
        version: int,
        pieces: Iterable[bytes],
        size: int | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Writes a deployment as it comes; an executable gets mode 0755.

        Args:
            key: which one.
            version: of it.
            pieces: its bytes.
            size: how many were announced, None when nobody said.
            progress: called with (bytes so far, bytes).

        Raises:
            InvalidModelError: it is neither an executable nor a zip archive, or larger than MAX_BYTES.
            LinkLostError: it is shorter than announced.
            HwIOError: it cannot be written.
        """
        folder = self._of(key, version)
        temporary = folder / f".{secrets.token_hex(4)}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            head = _write(temporary, pieces, size, progress)
            path = folder / _name_of(head, key.format)
            temporary.chmod(0o644 if path.suffix == ".zip" else 0o755)
            temporary.replace(path)
        except BaseException as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and not isinstance(error, HwIOError):
                raise _unwritable(folder, error, "choose another one with --cache-dir") from None
            raise
        for name in _NAMES:  # what an earlier build of this version left under the other name
            if name != path.name:
                (folder / name).unlink(missing_ok=True)
        return path

    def _of(self, key: Key, version: int) -> Path:
        for word, what in ((key.format, "target"), (key.engine, "engine"), (key.model_type, "model type")):
            check_word(word, what)
        impulse = "" if key.impulse is None else f"-impulse{key.impulse}"
        return self._folder / f"v{version}-{key.model_type}-{key.format}-{key.engine}{impulse}"


def copy_deployment(path: Path, out: Path) -> None:
    """`path` at another place, with its mode; readers see the old file or the whole new one.

    Raises:
        InvalidParamError: it cannot be written there, or would take the place of a folder or a device.
    """
    out = out.resolve()
    if out.exists() and not out.is_file():
        raise InvalidParamError(
            f"{out}: is no regular file, and is not replaced", hint="choose another place with --out"
        )
    temporary = out.with_name(f".{out.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        shutil.copyfile(path, temporary)
        shutil.copymode(path, temporary)
        temporary.replace(out)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise InvalidParamError(f"{out}: cannot be written: {reason}", hint="choose another place with --out") from None


def check_word(text: str, what: str) -> None:
    """Raises InvalidParamError unless `text` is a plain word of Studio, which can stand in a path."""
    if not _WORD.fullmatch(text):
        raise InvalidParamError(f"{what} {text[:64]!r} is no name of letters, digits, '-', '.' and '_'")


def user_cache() -> Path:
    """The directory of this program's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ai-runner"


def _write(path: Path, pieces: Iterable[bytes], size: int | None, progress: Callable[[int, int], None] | None) -> bytes:
    """The first bytes of what was written."""
    head, count = b"", 0
    with path.open("xb") as file:
        for piece in pieces:
            count += len(piece)
            if count > MAX_BYTES:
                raise InvalidModelError(f"the deployment has more than {MAX_BYTES >> 30} GiB")
            if len(head) < 4:
                head += piece[:4]
            file.write(piece)
            if progress is not None and size:
                progress(min(count, size), size)
        file.flush()
        os.fsync(file.fileno())
    if size is not None and count != size:
        raise LinkLostError(f"the deployment has {size} bytes, {count} came", retryable=True)
    return head


def _name_of(head: bytes, wanted: str) -> str:
    if head.startswith(_EXECUTABLES):
        return _NAMES[0]
    if head.startswith(_ZIP):
        return _NAMES[1]
    raise InvalidModelError(f"the deployment for {wanted} is neither an executable nor a zip archive: {head.hex(' ')}")


def _unwritable(folder: Path, error: OSError, hint: str) -> HwIOError:
    return HwIOError(f"{folder}: cannot be written: {error.strerror or type(error).__name__}", hint=hint)
