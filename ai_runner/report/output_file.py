"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ai_runner.errors import AiRunnerError, InvalidParamError


def check_writable(path: str | Path) -> None:
    """Finds out before a long run whether its result can be written.

    Raises:
        InvalidParamError: the folder does not exist, is none or cannot be written to, or `path` is a folder.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InvalidParamError(f"{path}: is a folder, a file is to be written", hint="add a file name")
        if not _replaceable(path):
            return
        probe = _temporary(path)
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def whole_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Opens `path` for binary writing so that readers see the old file or the whole new one.

    What is written goes to a file beside it, which takes its place when the block ends without an exception and is
    removed otherwise. A device or a pipe is written to directly.

    Raises:
        InvalidParamError: the file cannot be written.
    """
    path = Path(path)
    if not _replaceable(path):
        with path.open("wb") as file:
            yield file
        return
    # A link keeps pointing to its file.
    path = path.resolve()
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        # An AiRunnerError of the block may be an OSError too: it is about something else.
        if isinstance(error, OSError) and not isinstance(error, AiRunnerError):
            raise _unwritable(path, error) from error
        raise


def _replaceable(path: Path) -> bool:
    """False for devices and pipes: a file must not take their place."""
    return path.is_file() or not path.exists()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")


def _unwritable(path: Path, error: OSError) -> InvalidParamError:
    reason = error.strerror or type(error).__name__
    return InvalidParamError(f"{path}: cannot be written: {reason}", hint="choose a folder that exists and is writable")
