"""Files of labels that go with samples: bounding boxes, structured labels, label maps, attachments.

A ``*.labels`` file speaks about files of its own folder, by their names. It is checked as a whole, and of it goes with
a request what concerns the request's samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_runner.edge_impulse.ingestion.json_value import is_finite, is_whole, shown
from ai_runner.edge_impulse.ingestion.sample import Sample
from ai_runner.errors import InvalidParamError

_MAX_BYTES = 100 << 20


@dataclass(frozen=True)
class LabelFile:
    """A checked file of labels.

    Attributes:
        path: where it was read.
        kind: one of KINDS.
        entries: what it says about a file, by the file's name.
    """

    path: Path
    kind: Kind
    entries: Mapping[str, Any]

    def part_for(self, names: Iterable[str]) -> bytes | None:
        """The file as it is sent with samples of these names; None when it says nothing about them."""
        chosen = {name: self.entries[name] for name in names if name in self.entries}
        if not chosen:
            return None
        message = {"version": 1, "type": self.kind.type, self.kind.field: chosen}
        return json.dumps(message, separators=(",", ":")).encode()

    def attachments(self, name: str) -> list[Path]:
        """The files that belong to the sample `name`."""
        if self.kind is not ATTACHMENTS:
            return []
        return [self.path.parent / entry["filename"] for entry in self.entries.get(name, ())]

    def check_against(self, samples: Iterable[Sample]) -> None:
        """Checks what depends on the samples; raises InvalidParamError."""
        for sample in samples:
            if sample.folder == self.path.parent and sample.name in self.entries:
                if self.kind is STRUCTURED_LABELS and sample.values is not None:
                    self._check_range(sample.name, sample.values)
                for file in self.attachments(sample.name):
                    if not file.is_file():
                        raise InvalidParamError(f"{self.path}: attachment {file.name!r} of {sample.name!r} is missing")

    def _check_range(self, name: str, values: int) -> None:
        for i, entry in enumerate(self.entries[name]):
            if entry["endIndex"] >= values:
                where = _place(self.path, self.kind.field, name, i)
                raise InvalidParamError(f"{where}: endIndex is {entry['endIndex']}, the file has {values} values")


@dataclass(frozen=True)
class Kind:
    """A kind of file of labels: the name it is sent under, its `type`, the field of its entries, and their check."""

    file_name: str
    type: str
    field: str
    check: Callable[[Any, Path, str], None]


def read_label_file(path: Path) -> LabelFile:
    """A file of labels, checked.

    Raises:
        InvalidParamError: it cannot be read, is none of KINDS, or an entry is not as it must be; it names the place.
    """
    message = _json(path)
    if not isinstance(message, dict) or message.get("version") != 1 or isinstance(message.get("version"), bool):
        raise InvalidParamError(f"{path}: version is not 1", hint="it is an object with version, type and the labels")
    kind = next((kind for kind in KINDS if kind.type == message.get("type")), None)
    if kind is None:
        known = ", ".join(kind.type for kind in KINDS)
        raise InvalidParamError(f"{path}: type is {shown(message.get('type'))}", hint=f"one of {known}")
    entries = message.get(kind.field)
    if not isinstance(entries, dict):
        raise InvalidParamError(f"{path}: {kind.field} is {shown(entries)}, expected an object with a file name each")
    for name, entry in entries.items():
        kind.check(entry, path, name)
    try:
        json.dumps(entries, allow_nan=False)
    except ValueError:
        raise InvalidParamError(f"{path}: holds NaN or an infinity, which JSON does not have") from None
    return LabelFile(path, kind, entries)


def _json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise InvalidParamError(f"{path}: has more than {_MAX_BYTES >> 20} MiB")
        return json.loads(content)
    except InvalidParamError:
        raise
    except OSError as error:
        raise InvalidParamError(f"{path}: cannot be read: {error.strerror or type(error).__name__}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidParamError(f"{path}: is no JSON: {error.msg}, {where}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidParamError(f"{path}: is no JSON: {error}") from None


def _check_boxes(boxes: Any, path: Path, name: str) -> None:
    for i, box in enumerate(_list(boxes, path, "boundingBoxes", name)):
        where = _place(path, "boundingBoxes", name, i)
        if not isinstance(box, dict) or not isinstance(box.get("label"), str) or not box["label"]:
            raise InvalidParamError(f"{where}: is {shown(box)}, expected label, x, y, width and height")
        for side, lowest in (("x", "from 0"), ("y", "from 0"), ("width", "above 0"), ("height", "above 0")):
            value = box.get(side)
            if not is_finite(value) or value < 0 or (value == 0 and lowest == "above 0"):
                raise InvalidParamError(f"{where}: {side} is {shown(value)}, expected pixels {lowest}")


def _check_structured(entry: Any, path: Path, name: str) -> None:
    expected = 0
    keys: frozenset[str] | None = None
    for i, part in enumerate(_list(entry, path, "structuredLabels", name)):
        where = _place(path, "structuredLabels", name, i)
        if not isinstance(part, dict) or not isinstance(part.get("label"), str):
            raise InvalidParamError(f"{where}: is {shown(part)}, expected startIndex, endIndex and label")
        start, end = (_index(part, side, where) for side in ("startIndex", "endIndex"))
        if i > 0 and start != expected:
            raise InvalidParamError(f"{where}: startIndex is {start}, expected {expected}: no gap, no overlap")
        if end <= start:
            raise InvalidParamError(f"{where}: endIndex is {end}, expected more than startIndex, {start}")
        expected = end + 1
        if "labelMap" in part:
            _check_texts(part["labelMap"], f"{where}: labelMap")
        these = frozenset(part["labelMap"]) if "labelMap" in part else frozenset[str]()
        if keys is not None and these != keys:
            raise InvalidParamError(f"{where}: labelMap has other keys than the one before")
        keys = these


def _index(part: dict[str, Any], side: str, where: str) -> int:
    value = part.get(side)
    if not is_whole(value):
        raise InvalidParamError(f"{where}: {side} is {shown(value)}, expected a whole number from 0")
    return value


def _check_label_map(entry: Any, path: Path, name: str) -> None:
    _check_texts(entry, f"{path}: labels[{name!r}]")


def _check_attachments(entry: Any, path: Path, name: str) -> None:
    for i, item in enumerate(_list(entry, path, "attachments", name)):
        where = _place(path, "attachments", name, i)
        file_name = item.get("filename") if isinstance(item, dict) else None
        if not isinstance(file_name, str):
            raise InvalidParamError(f"{where}: is {shown(item)}, expected filename")
        # What a file of labels says must not make any other file of this machine leave it.
        if file_name in ("", ".", "..") or any(c in "/\\:" or not c.isprintable() for c in file_name):
            raise InvalidParamError(f"{where}: {file_name!r} is no plain name of a file beside this one")
        if (path.parent / file_name).is_symlink():
            raise InvalidParamError(f"{where}: {file_name!r} is a link to another place")


def _check_texts(entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise InvalidParamError(f"{where}: is {shown(entry)}, expected an object of texts")
    for key, value in entry.items():
        if not isinstance(value, str):
            raise InvalidParamError(f"{where}: {key!r} is {shown(value)}, expected text")


def _list(entry: Any, path: Path, field: str, name: str) -> list[Any]:
    if not isinstance(entry, list):
        raise InvalidParamError(f"{path}: {field}[{name!r}] is {shown(entry)}, expected a list")
    return entry


def _place(path: Path, field: str, name: str, i: int) -> str:
    return f"{path}: {field}[{name!r}][{i}]"


BOUNDING_BOXES = Kind("bounding_boxes.labels", "bounding-box-labels", "boundingBoxes", _check_boxes)
STRUCTURED_LABELS = Kind("structured_labels.labels", "structured-labels", "structuredLabels", _check_structured)
LABEL_MAP = Kind("label_map.labels", "label-map-labels", "labels", _check_label_map)
ATTACHMENTS = Kind("attachments.labels", "attachments", "attachments", _check_attachments)
KINDS = (BOUNDING_BOXES, STRUCTURED_LABELS, LABEL_MAP, ATTACHMENTS)
