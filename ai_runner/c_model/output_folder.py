"""The folder that C sources are written to: complete or untouched, and never over somebody else's files."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ai_runner.errors import InvalidParamError

MANIFEST = "c_model.json"
SCHEMA = "ai-runner/c-model/1"


@dataclass(frozen=True)
class OutputKind:
    """How an output folder is known: the name of its manifest and what that says as `schema`."""

    manifest: str
    schema: str


C_MODEL = OutputKind(MANIFEST, SCHEMA)


@contextmanager
def staged(folder: Path, description: Mapping[str, Any], kind: OutputKind = C_MODEL) -> Iterator[Path]:
    """Yields an empty folder to write to; its files come to lie in `folder` when the block ends without an error.

    An earlier output in `folder` is replaced file by file, its manifest last; files of others in it stay.

    Args:
        description: what the manifest tells beside the list of files.
        kind: an earlier output of another kind is somebody else's.

    Raises:
        InvalidParamError: `folder` is a file, holds files of somebody else, or cannot be written to.
    """
    earlier = _earlier_files(folder, kind)
    new_parents = [] if folder.exists() else _missing_parents(folder)
    # Within an existing folder, which may be on a file system of its own; else beside it, to appear at once.
    stage = (
        folder / f".{secrets.token_hex(8)}" if folder.is_dir() else folder.parent / f".c_model.{secrets.token_hex(8)}"
    )
    done = False
    try:
        with _os_errors(folder):
            stage.mkdir(parents=True)
        yield stage
        with _os_errors(folder):
            files = _files(stage)
            _write_manifest(stage, files, description, kind)
            _move(stage, folder, [*files, kind.manifest], earlier)
        done = True
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for parent in [] if done else new_parents:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _missing_parents(folder: Path) -> list[Path]:
    return [parent for parent in folder.absolute().parents if not parent.exists()]


@contextmanager
def _os_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidParamError(
            f"{folder}: cannot write there: {error.strerror or error}", hint="choose another folder with --out"
        ) from error


def _earlier_files(folder: Path, kind: OutputKind) -> list[str]:
    """The files of an earlier output in `folder`; raises where it is anything but that, empty or absent."""
    if not os.path.lexists(folder):
        return []
    if not folder.is_dir():
        raise InvalidParamError(f"{folder}: is not a folder", hint="choose another one with --out")
    with _os_errors(folder):
        if not any(folder.iterdir()):
            return []
    try:
        manifest = json.loads((folder / kind.manifest).read_text(encoding="utf-8"))
        files = manifest["files"] if manifest["schema"] == kind.schema else None
    except (OSError, ValueError, KeyError, TypeError):
        files = None
    if not isinstance(files, list) or not all(isinstance(file, str) and _is_inside(file) for file in files):
        raise InvalidParamError(
            f"{folder}: holds files that are no earlier output of this command",
            hint="choose an empty or new folder with --out",
            evidence={"looked_for": kind.manifest},
        )
    return files


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return (
        not path.is_absolute() and ".." not in path.parts and "\\" not in file and ":" not in file and "\0" not in file
    )


def _files(stage: Path) -> list[str]:
    return sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file())


def _write_manifest(stage: Path, files: list[str], description: Mapping[str, Any], kind: OutputKind) -> None:
    manifest = {"schema": kind.schema, **description, "files": [*files, kind.manifest]}
    (stage / kind.manifest).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _move(stage: Path, folder: Path, files: list[str], earlier: list[str]) -> None:
    if not folder.exists():
        stage.rename(folder)
        return
    for file in files:
        if file not in earlier and os.path.lexists(folder / file):
            raise InvalidParamError(
                f"{folder / file}: would be overwritten, and is not of an earlier output",
                hint="move it away or choose another folder with --out",
            )
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (stage / file).replace(folder / file)
    for file in set(earlier) - set(files):
        (folder / file).unlink(missing_ok=True)
