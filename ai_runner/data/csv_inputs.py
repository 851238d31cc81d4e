"""Inputs from a CSV file: a sample a line, numbers in its columns, and perhaps a label."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isnan, prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.array_inputs import ArrayInputs, stored
from ai_runner.data.labels import LABEL_NAMES, LabelColumn, Labels
from ai_runner.data.preprocessing import Preprocessing
from ai_runner.data.spool import Spool
from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

STEPS = ("mean", "std", "layout")
LONGEST_LINE = 16 << 20  # characters
_DELIMITERS = ",;\t"


class CsvInputs(ArrayInputs):
    """Inputs from a CSV file, for a model with one input: a line holds the values of a sample in C order.

    The first line is a header where no column of values holds a number in it, or where a column is found by its name.
    Values are real ones; they are quantized
    for an integer input. Every line is read and checked once, before anything runs.
    """

    def __init__(
        self,
        path: str | Path,
        inputs: Sequence[TensorInfo],
        label_column: str | None = None,
        columns: str | None = None,
        preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 - frozen
    ) -> None:
        """Reads the file.

        Args:
            path: UTF-8; columns are separated by commas, semicolons or tabs, whichever the first line has most of.
            inputs: of the reference.
            label_column: name or number, from 0, of the column with the labels. By default the one that is named
                ``label``, ``labels``, ``y``, ``target`` ... in the header.
            columns: names and numbers of the columns with the values, ``3-10`` for several, separated by commas; by
                default all but that of the labels.
            preprocessing: what is done with the values.

        Raises:
            InvalidParamError: no such file or column, lines of different lengths, or what is no finite number; the
                message names the line.
        """
        preprocessing.check_used(STEPS, "CSV files")
        path = Path(path)
        if len(inputs) != 1:
            raise InvalidParamError(
                f"{path}: a CSV file feeds a model with one input, this one has {len(inputs)}",
                hint="save an array an input with numpy.savez, or write a loader (py:MODULE:FUNCTION)",
            )
        (tensor,) = inputs
        labels = LabelColumn(str(path))
        has_labels = False
        with Spool(1) as spool:
            for place, values, label in _rows(path, columns, label_column, prod(tensor.sample_shape)):
                spool.add([_sample(values, tensor, place)])
                if label is not None:
                    has_labels = True
                    labels.add(label, place)
            arrays = spool.arrays()
        if not arrays:
            raise InvalidParamError(f"{path}: no samples")
        found = labels.result() if has_labels else None
        super().__init__(arrays, inputs, str(path), labels=found, preprocessing=preprocessing, name=path.name)


def _rows(
    path: Path, columns: str | None, label_column: str | None, size: int
) -> Iterator[tuple[str, list[float], str | None]]:
    """(place, values, label) of every line that holds a sample."""
    layout: _Columns | None = None
    for number, row in csv_rows(path):
        if layout is None:
            layout = _Columns(path, row, columns, label_column, size)
            if layout.has_header:
                continue
        place = f"{path}: line {number}"
        if len(row) != layout.width:
            raise InvalidParamError(f"{place} has {len(row)} columns, the first has {layout.width}")
        yield place, _numbers(row, layout.values, place), None if layout.label is None else row[layout.label]


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the line, from 1, and cells of every line of a CSV file that is not empty.

    Raises:
        InvalidParamError: no such file, no text, or a line without end.
    """
    with _opened(path) as file:
        first = file.readline(LONGEST_LINE)
        delimiter = max(_DELIMITERS, key=first.count)
        file.seek(0)
        reader = csv.reader(_lines(file, path), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
        except csv.Error as error:
            raise InvalidParamError(f"{path}: line {reader.line_num}: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Errors of the file, told as such; those of who reads it pass."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except InvalidParamError:
        raise
    except UnicodeDecodeError as error:
        raise InvalidParamError(f"{path}: is no text in UTF-8: {error.reason}") from error
    except OSError as error:
        raise InvalidParamError(f"{path}: cannot be read: {error.strerror or error}") from error


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise InvalidParamError(f"{path}: a line has more than {LONGEST_LINE:,} characters")
        yield line


def _sample(values: list[float], tensor: TensorInfo, place: str) -> Array:
    """One sample: real values as float32, whole numbers where the input takes integers without a scale."""
    if tensor.dtype.kind == "f" or tensor.quantization is not None:
        return np.array(values, np.float32).reshape(tensor.sample_shape)
    try:
        return stored(np.array(values, np.float64).reshape(tensor.sample_shape), tensor)
    except InvalidParamError as error:
        raise InvalidParamError(f"{place}: {error.message}") from error


class _Columns:
    """Which columns hold what, found in the first line."""

    def __init__(self, path: Path, first: list[str], columns: str | None, label: str | None, size: int) -> None:
        self._path = path
        self._names = [cell.strip() for cell in first]
        self.width = len(first)
        self._by_name = False
        self.label = None if label is None else self._place(label)
        if columns is not None:
            self.values = self._places(columns)
        else:
            if self.label is None:
                named = [k for k, name in enumerate(self._names) if _means_labels(name)]
                self.label = named[0] if len(named) == 1 else None
                self._by_name |= self.label is not None
            self.values = [k for k in range(self.width) if k != self.label]
        if len(self.values) != size:
            raise InvalidParamError(
                f"{path}: {len(self.values)} columns of values, the input takes {size} values",
                hint="--columns A,B,3-10 chooses columns, --labels F.csv:COLUMN that of the labels",
            )
        self.has_header = self._by_name or not any(_is_number(first[k]) for k in self.values)

    def _places(self, text: str) -> list[int]:
        places: list[int] = []
        for part in text.split(","):
            begin, dash, end = part.strip().partition("-")
            if dash and part.strip() not in self._names:
                places += range(self._place(begin), self._place(end) + 1)
            else:
                places.append(self._place(part.strip()))
        return places

    def _place(self, text: str) -> int:
        if text.isascii() and text.isdigit():
            if len(text) < 9 and int(text) < self.width:
                return int(text)
        elif text in self._names:
            self._by_name = True
            return self._names.index(text)
        raise InvalidParamError(
            f"{self._path}: there is no column {text[:40]!r}",
            hint=f"there are {self.width}: by number from 0, or by their names in the first line",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(row: list[str], columns: Sequence[int], place: str) -> list[float]:
    try:
        values = [float(row[k]) for k in columns]
        if max(map(abs, values)) <= _LARGEST and not any(map(isnan, values)):
            return values
    except ValueError:
        pass  # the cell at fault is looked for
    return [_finite(row[k], f"{place}, column {k}") for k in columns]


def _finite(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidParamError(f"{place}: {text.strip()[:40]!r} is no number") from error
    if not abs(value) <= _LARGEST:
        raise InvalidParamError(f"{place}: {text.strip()[:40]} is no finite float32")
    return value


def csv_labels(path: Path, column: str | None) -> Labels:
    """The labels in a column of a CSV file, by its name in the header; by default the one that is named so.

    Raises:
        InvalidParamError: no such column, a line without it, or an empty label.
    """
    labels = LabelColumn(str(path))
    place: int | None = None
    for number, row in csv_rows(path):
        if place is None:
            names = [cell.strip() for cell in row]
            found = [k for k, name in enumerate(names) if name == column or (column is None and _means_labels(name))]
            if len(found) != 1:
                raise InvalidParamError(
                    f"{path}: which column holds the labels?", hint=f"{path}:COLUMN; the first line has {names}"
                )
            place = found[0]
        elif len(row) <= place:
            raise InvalidParamError(f"{path}: line {number} has {len(row)} columns")
        else:
            labels.add(row[place], f"{path}: line {number}")
    return labels.result()


def _means_labels(name: str) -> bool:
    return name.lower() in (*LABEL_NAMES, "target", "class")


_LARGEST = float(np.finfo(np.float32).max)
