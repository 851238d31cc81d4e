"""Labels of a model's classes: those that a .tflite file carries with it, and those that a person names.

Source: the metadata schema of TFLite Support (file identifier M001): the file's entry TFLITE_METADATA names, for every
output, associated files; label files are members of a zip archive that is appended to the model. Slots of tables are
the positions of their fields in that schema.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.tflite_model.flatbuffer import FlatBuffer, FlatTable

if TYPE_CHECKING:
    from ai_runner.tflite_model.model import TfliteModel

_ENTRY = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_TENSOR_AXIS_LABELS = 2
_LARGEST_FILE = 1 << 20  # bytes; a million classes have shorter names


def output_labels(model: TfliteModel) -> tuple[tuple[str, ...], ...]:
    """Labels along the last dimension of every output, () where the file carries none that can be read."""
    try:
        names = _file_names(model)
        labels = [_lines(model, name) if name else () for name in names]
    except (InvalidModelError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError):
        labels = []  # labels are a convenience: a broken description of a sound model is none
    labels += [()] * (len(model.outputs) - len(labels))
    return tuple(labels[: len(model.outputs)])


def named_labels(text: str) -> tuple[str, ...]:
    """The lines of a file of that name, blank ones apart; else what commas separate.

    Raises:
        InvalidParamError: the file cannot be read as text.
    """
    path = Path(text)
    try:
        if "," in text or not path.is_file():
            return tuple(label.strip() for label in text.split(","))
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidParamError(f"{text}: cannot read the labels: {error}", hint="one label a line, UTF-8") from error
    return tuple(line.strip() for line in lines if line.strip())


def _file_names(model: TfliteModel) -> list[str]:
    """The name of the label file of every output, '' where there is none."""
    buffer = FlatBuffer(model.raw, model.path)
    root = buffer.root()
    buffers = root.tables(4)
    for entry in root.tables(6):
        number = entry.number(1, "Uint32", 0)
        if entry.text(0) == _ENTRY and number < len(buffers):
            start, size = buffers[number].span(0, 1)
            metadata = model.raw[start : start + size]
            if metadata[4:8] == _IDENTIFIER:
                subgraphs = FlatBuffer(metadata, model.path).root().tables(3)
                return [_label_file(tensor) for tensor in subgraphs[0].tables(3)] if subgraphs else []
    return []


def _label_file(tensor: FlatTable) -> str:
    for file in tensor.tables(6):
        if file.number(2, "Int8", 0) == _TENSOR_AXIS_LABELS:
            return file.text(0)
    return ""


def _lines(model: TfliteModel, name: str) -> tuple[str, ...]:
    with zipfile.ZipFile(io.BytesIO(model.raw)) as archive:
        if name not in archive.namelist():
            return ()
        with archive.open(name) as file:
            raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        return ()
    return tuple(raw.decode("utf-8", "replace").splitlines())
