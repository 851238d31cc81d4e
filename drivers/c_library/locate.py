"""Which file a descriptor means: a library, its path without extension, or a folder that holds one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ai_runner.drivers.c_library.c_names import ExportedModel, exported_models
from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidParamError
from ai_runner.shared_library.inspection import read_file, read_object_file, refuse_foreign

_logger = logging.getLogger(__name__)

_EXTENSIONS = (".so", ".dll", ".dylib")
# Libraries that ST's tools put beside the model.
_COMPANIONS = ("libai_inspector", "libai_observer", "libai_helper_convert")
_MAX_FOLDER_ENTRIES = 200_000


@dataclass(frozen=True)
class LibraryFile:
    """A library as found and read, not yet loaded.

    Attributes:
        path: absolute.
        content: its bytes.
        models: what it exports; empty when it says nothing about its symbols.
    """

    path: Path
    content: bytes
    models: tuple[ExportedModel, ...]


def locate(address: str, dll_name: str | None = None) -> LibraryFile:
    """Finds the library.

    Args:
        address: path of a library with or without its extension, or of a folder, which is searched recursively.
        dll_name: name of the library; `address` is its folder then.

    Raises:
        InvalidParamError: nothing there, or several libraries of different models.
        InvalidModelError: what is there cannot be loaded here.
        HwIOError: it cannot be read.
    """
    if not address and not dll_name:
        raise InvalidParamError("file: names no library", hint="file:PATH of a library or of the folder that holds it")
    try:
        path = Path(address).expanduser()
        path = (path / dll_name if dll_name else path).absolute()
        is_folder = path.is_dir()
        candidates = [] if is_folder else [path, *(path.with_name(path.name + end) for end in _EXTENSIONS)]
        file = next((candidate for candidate in candidates if candidate.is_file()), None)
    except (OSError, ValueError, RuntimeError) as error:  # a name that the system does not allow, or no such home
        raise InvalidParamError(f"{address[:200]!r}: not a usable path: {error}") from error
    if is_folder:
        return _search(path)
    if file is not None:
        return _read(file)
    tried = ", ".join(_EXTENSIONS)
    raise InvalidParamError(
        f"{path}: no such file or folder",
        hint=f"the extension may be missing ({tried} were tried), else check the path",
    )


def _read(path: Path) -> LibraryFile:
    content = read_file(path)
    found = read_object_file(path, content)
    refuse_foreign(path, found)
    return LibraryFile(path, content, exported_models(found.exports))


def _search(folder: Path) -> LibraryFile:
    paths = list(_libraries(folder))
    refused: list[AiRunnerError] = []
    for tier in ([p for p in paths if p.name.startswith("libai_")], [p for p in paths if p.name[:6] != "libai_"]):
        usable: list[LibraryFile] = []
        for path in tier:
            try:
                library = _read(path)
            except AiRunnerError as error:
                refused.append(error)
            else:
                usable.extend([library] if library.models else [])
        if usable:
            return _only_one(folder, usable)
    if refused:
        more = f" (and {len(refused) - 1} more that cannot be loaded)" if len(refused) > 1 else ""
        raise InvalidModelError(refused[0].message + more, hint=refused[0].hint, evidence=refused[0].evidence)
    raise InvalidParamError(
        f"{folder}: holds no C-model library ({len(paths)} libraries looked at)",
        hint="ST's tools write libai_<name>.so, .dll or .dylib (validate, or generate --dll)",
    )


def _libraries(folder: Path) -> Iterator[Path]:
    seen = 0
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            seen += 1
            if seen > _MAX_FOLDER_ENTRIES:
                raise InvalidParamError(f"{folder}: holds too many files to search", hint="name the library itself")
            path = Path(where, name)
            companion = path.name.partition(".")[0] in _COMPANIONS
            if path.suffix.lower() in _EXTENSIONS and not companion and path.is_file():  # a pipe would block
                yield path


def _only_one(folder: Path, libraries: list[LibraryFile]) -> LibraryFile:
    by_names: dict[tuple[str, ...], list[LibraryFile]] = {}
    for library in libraries:
        names = tuple(sorted({model.name for model in library.models}))
        by_names.setdefault(names, []).append(library)
    if len(by_names) > 1:
        listed = "; ".join(
            f"{'+'.join(names)}: {found[0].path.relative_to(folder)}" for names, found in sorted(by_names.items())
        )
        raise InvalidParamError(f"{folder}: holds several models ({listed})", hint="name one of these files")
    newest = max(libraries, key=lambda library: library.path.stat().st_mtime_ns)
    if len(libraries) > 1:
        model = "+".join(next(iter(by_names)))
        _logger.warning(
            "%s: %d libraries of the model %s; used is the newest: %s", folder, len(libraries), model, newest.path
        )
    return newest
