"""A folder of files with their labels: a subfolder a class, or a list that says which file has which."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_runner.data.csv_inputs import csv_rows
from ai_runner.data.labels import LABEL_NAMES, LabelColumn, Labels
from ai_runner.errors import InvalidParamError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
SOUNDS = (".wav",)
_LARGEST_LIST = 256 << 20  # bytes
_FILE_NAMES = ("file", "path", "filename", "image", "wav")


@dataclass(frozen=True)
class LabelledFiles:
    """Files in a fixed order.

    Attributes:
        folder: they are in.
        names: of the files, relative to the folder, with ``/``.
        labels: one a file; None without.
        are_images: True for images, False for sounds.
    """

    folder: Path
    names: tuple[str, ...]
    labels: Labels | None
    are_images: bool


def labelled_files(folder: str | Path, label_list: str | Path | None = None) -> LabelledFiles:
    """Finds the files of a folder.

    Args:
        folder: with a subfolder a class, whose name is the label, or with files that have no labels.
        label_list: chooses the files and labels them, in its order: .csv, lines of ``file,label``, or .json,
            ``{"file": label}`` or ``[{"file": ..., "label": ...}]``. Files are relative to the folder.

    Raises:
        InvalidParamError: no images or WAV files, or both; a list that cannot be read or names what is not there.
    """
    folder = Path(folder)
    names, labels = _found(folder) if label_list is None else _listed(folder, Path(label_list))
    kinds = {_suffix(name) in IMAGES for name in names}
    if len(kinds) > 1:
        image = next(name for name in names if _suffix(name) in IMAGES)
        sound = next(name for name in names if _suffix(name) in SOUNDS)
        raise InvalidParamError(f"{folder}: has images ({image}) and sounds ({sound})", hint="a folder a kind")
    return LabelledFiles(folder, tuple(names), labels, kinds == {True})


def _found(folder: Path) -> tuple[list[str], Labels | None]:
    """All images or sounds below a folder, in the order of their names; what begins with a dot is hidden."""
    try:
        names = sorted(_below(folder))
    except OSError as error:
        raise InvalidParamError(f"{error.filename or folder}: cannot be read: {error.strerror or error}") from error
    if not names:
        raise InvalidParamError(
            f"{folder}: no images and no WAV files", hint=f"files end in {', '.join((*IMAGES, *SOUNDS))}"
        )
    without = [name for name in names if "/" not in name]
    if len(without) == len(names):
        return names, None
    if without:
        raise InvalidParamError(
            f"{folder}: {without[0]} is in no subfolder, others are: it has no label",
            hint="give the labels as a list, --labels LIST.csv",
        )
    column = LabelColumn(str(folder))
    for name in names:
        column.add(name.partition("/")[0], f"{folder}: {name}")
    return names, column.result()


def _below(folder: Path) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            # A link to nothing is a missing sample, which is told when it is read.
            if (
                not name.startswith(".")
                and _suffix(name) in (*IMAGES, *SOUNDS)
                and (path.is_file() or path.is_symlink())
            ):
                yield path.relative_to(folder).as_posix()


def _listed(folder: Path, path: Path) -> tuple[list[str], Labels]:
    root = folder.resolve()
    names: list[str] = []
    column = LabelColumn(str(path))
    for place, name, label in _entries(path):
        file = folder / name
        if _suffix(name) not in (*IMAGES, *SOUNDS):
            raise InvalidParamError(f"{place}: {name[:80]!r} is no image and no WAV file")
        try:
            is_inside, is_file = file.resolve().is_relative_to(root), file.is_file()
        except (OSError, ValueError) as error:  # a name that no file can have
            raise InvalidParamError(f"{place}: {name[:80]!r} is no name of a file") from error
        if not is_inside:
            raise InvalidParamError(f"{place}: {name[:80]!r} is not in {folder}")
        if not is_file:
            raise InvalidParamError(f"{place}: {file}: no such file")
        names.append(name)
        column.add(label, place)
    if not names:
        raise InvalidParamError(f"{path}: names no files")
    return names, column.result()


def _entries(path: Path) -> Iterator[tuple[str, str, Any]]:
    """(place, file, label) of every entry of a list."""
    if path.suffix.lower() == ".json":
        yield from _json_entries(path)
        return
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise InvalidParamError(f"{path}: is no list of files and labels", hint=".csv with file,label or .json")
    columns = (0, 1)
    for number, row in csv_rows(path):
        place = f"{path}: line {number}"
        header = [cell.strip().lower() for cell in row]
        if number == 1 and any(name in header for name in _FILE_NAMES):
            columns = _columns(header, place)
            continue
        if len(row) <= max(columns):
            raise InvalidParamError(f"{place}: {len(row)} columns, expected file and label")
        yield place, row[columns[0]].strip(), row[columns[1]]


def _columns(header: Sequence[str], place: str) -> tuple[int, int]:
    file = next(k for k, name in enumerate(header) if name in _FILE_NAMES)
    label = next((k for k, name in enumerate(header) if name in (*LABEL_NAMES, "class")), None)
    if label is None:
        raise InvalidParamError(f"{place}: has no column 'label'")
    return file, label


def _json_entries(path: Path) -> Iterator[tuple[str, str, Any]]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_LIST + 1)
        if len(raw) > _LARGEST_LIST:
            raise InvalidParamError(f"{path}: more than {_LARGEST_LIST >> 20} MiB")
        found = json.loads(raw)
    except OSError as error:
        raise InvalidParamError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidParamError(f"{path}: is no JSON: {error}") from error
    if isinstance(found, dict):
        found = [{"file": name, "label": label} for name, label in found.items()]
    if not isinstance(found, list):
        raise InvalidParamError(f"{path}: is no list of files and labels")
    for i, entry in enumerate(found):
        place = f"{path}: entry {i}"
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str) or "label" not in entry:
            raise InvalidParamError(f'{place}: expected {{"file": ..., "label": ...}}')
        yield place, entry["file"], entry["label"]


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
