"""What a source of inputs is, and which one a text names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ai_runner.data.array_inputs import FileInputs
from ai_runner.data.csv_inputs import CsvInputs, csv_labels
from ai_runner.data.image_inputs import ImageInputs
from ai_runner.data.labelled_files import labelled_files
from ai_runner.data.labels import Labels, read_labels, split_labels
from ai_runner.data.loader_inputs import LoaderInputs, names_loader
from ai_runner.data.preprocessing import Preprocessing
from ai_runner.data.sound_inputs import SoundInputs
from ai_runner.errors import InvalidParamError
from ai_runner.input_source import InputSource
from ai_runner.model import TensorInfo

_TABLES = (".csv", ".tsv")
_KINDS = "inputs are .npy, .npz and .csv files, folders of images or WAV files, and py:MODULE:FUNCTION"


class Source(InputSource, Protocol):
    """Inputs of a model, and their labels where they have some."""

    @property
    def labels(self) -> Labels | None:
        """What the data says that the answers are."""


def open_source(
    text: str,
    inputs: Sequence[TensorInfo],
    *,
    labels: str | None = None,
    columns: str | None = None,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 - frozen
    samples: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Source:
    """The source that `text` names: a .npy, .npz or .csv file, a folder of images or WAV files, a Python loader.

    Args:
        text: a path, or ``py:module:function``; without ``py:`` where no such file is there.
        inputs: of the reference.
        labels: where the labels are: ``F.npy``, ``F.npz:KEY``, a column ``F.csv:COLUMN`` of the same file, or for a
            folder a list of files, .csv or .json. By default those that the source itself has.
        columns: of a CSV file that hold values.
        preprocessing: what is done with the values.
        samples: the first so many, or all there are where these are fewer; a loader that yields is not asked for more.
        progress: called while files are looked at, with those done and those in all.

    Raises:
        InvalidParamError: what cannot be read, or does not fit the inputs; one line that names file and place.
        MissingRuntimeError: a package that reads such files is not installed.
    """
    label_path, label_key = split_labels(labels) if labels else (None, None)
    same_file = label_path is not None and str(label_path) == text
    source: Source
    if columns is not None and Path(text).suffix.lower() not in _TABLES:
        raise InvalidParamError(f"{text}: --columns is for CSV files")
    if names_loader(text):
        source = LoaderInputs(text, inputs, preprocessing, samples)
    elif Path(text).is_dir():
        is_list = label_path is not None and label_path.suffix.lower() in (*_TABLES, ".json")
        files = labelled_files(text, label_path if is_list else None)
        labels = None if is_list else labels
        if files.are_images:
            source = ImageInputs(files, inputs, preprocessing, progress)
        else:
            source = SoundInputs(files, inputs, preprocessing)
    elif Path(text).suffix.lower() in _TABLES:
        source = CsvInputs(text, inputs, label_key if same_file else None, columns, preprocessing)
        labels = None if same_file else labels
        if same_file and source.labels is None:
            raise InvalidParamError(f"{text}: which column holds the labels?", hint=f"--labels {text}:COLUMN")
    elif not Path(text).exists():
        raise InvalidParamError(f"{text}: no such file or folder", hint=_KINDS)
    else:
        source = FileInputs(text, inputs, label_key if same_file else None, preprocessing)
    source = source if labels is None else with_labels(source, labels)
    return source if samples is None or samples >= source.samples else _First(source, samples)


def with_labels(source: Source, labels: str) -> Source:
    """`source` with labels of any kind from ``F.npy``, ``F.npz:KEY`` or ``F.csv:COLUMN``.

    Raises:
        InvalidParamError: labels that cannot be read, or another number of them than samples.
    """
    path, key = split_labels(labels)
    if path.suffix.lower() not in _TABLES:
        return _Labelled(source, read_labels(labels, source.samples))
    found = csv_labels(path, key)
    if len(found.values) != source.samples:
        raise InvalidParamError(f"{path}: {len(found.values)} labels for {source.samples} samples")
    return _Labelled(source, found)


class _Labelled:
    """A source with labels from elsewhere."""

    def __init__(self, source: Source, labels: Labels | None) -> None:
        self.samples, self.seed, self.description = source.samples, source.seed, source.description
        self.chunk = source.chunk
        self.labels = labels
        self.interval_ms: float | None = getattr(source, "interval_ms", None)
        self.image: Callable[[int], bytes] | None = getattr(source, "image", None)


class _First(_Labelled):
    """The beginning of a source."""

    def __init__(self, source: Source, samples: int) -> None:
        labels = source.labels
        super().__init__(source, labels and replace(labels, values=labels.values[:samples]))
        self.samples = samples
        self.description = f"the first {samples} of {source.description}"
