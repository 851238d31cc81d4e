"""A library in memory: loaded from a private copy, really unloaded, nothing left behind.

The copy lets the file be rebuilt while it is in use, is never an older build that the loader remembers, and makes two
connections independent, because a legacy network is one static object per loaded image.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ai_runner.errors import AiRunnerError, HwIOError, InvalidModelError

NativeFunction = Any  # a ctypes function pointer; ctypes has no public type for it


class Image:
    """A loaded shared library.

    Args:
        path: the library.
        content: its bytes, loaded from a private copy; None loads `path` itself.

    Raises:
        InvalidModelError: the loader refuses it.
        HwIOError: no copy can be made or mapped, or a library that it needs is not installed.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path = path
        copy = None if content is None else _write_copy(path, content)
        try:
            self._library = ctypes.CDLL(str(copy or path))
        except OSError as error:
            _delete(copy)
            raise _loader_error(path, str(error).replace(str(copy), path.name)) from error
        if os.name != "nt":  # a mapped file needs no name, and so a crash leaves nothing in the temporary folder
            _delete(copy)
            copy = None
        self._unload = weakref.finalize(self, _unload, self._library._handle, copy)
        self._unload.atexit = copy is not None

    def has(self, name: str) -> bool:
        """True when the library exports `name`."""
        return hasattr(self._library, name)

    def function(self, name: str, result: Any, arguments: Sequence[Any]) -> NativeFunction:
        """An exported function; raises InvalidModelError when there is none of that name."""
        try:
            found = self._library[name]
        except AttributeError as error:
            raise InvalidModelError(f"{self.path}: symbol {name} is missing") from error
        found.restype = result
        found.argtypes = list(arguments)
        return found

    def address(self, name: str) -> int:
        """Address of exported data; 0 when there is none of that name."""
        return ctypes.addressof(ctypes.c_char.in_dll(self._library, name)) if self.has(name) else 0

    def close(self) -> None:
        """Unloads; functions and data of the library must not be touched afterwards. Idempotent."""
        self._unload()


def _write_copy(path: Path, content: bytes) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.stem[:64]}_", suffix=path.suffix)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise HwIOError(
            f"{path}: no private copy in {tempfile.gettempdir()}: {error.strerror}",
            hint="free space there, set TMPDIR to another folder, or connect with reload=False",
        ) from error
    return Path(name)


def _delete(copy: Path | None) -> None:
    if copy is not None:
        copy.unlink(missing_ok=True)


def _unload(handle: int, copy: Path | None) -> None:
    import _ctypes  # the one place where Python keeps dlclose and FreeLibrary

    if os.name == "nt":
        _ctypes.FreeLibrary(handle)  # type: ignore[attr-defined,unused-ignore]
        _delete(copy)
    else:
        _ctypes.dlclose(handle)  # type: ignore[attr-defined,unused-ignore]


def _loader_error(path: Path, reason: str) -> AiRunnerError:
    reason = " ".join(reason.split())
    if "cannot open shared object" in reason or "Library not loaded" in reason or "Could not find module" in reason:
        return HwIOError(
            f"{path}: a library it needs is not found: {reason}",
            hint="install that library; if it lies beside the model, connect with reload=False",
        )
    if "failed to map" in reason or "Operation not permitted" in reason:
        return HwIOError(
            f"{path}: the system does not let it be mapped: {reason}",
            hint="the temporary folder may forbid execution: set TMPDIR, or connect with reload=False",
        )
    return InvalidModelError(f"{path}: the loader refuses it: {reason}", hint="generate the library on this machine")
