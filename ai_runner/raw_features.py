"""Raw features from a file: what goes into an impulse before its own signal processing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.data import Labels, load_arrays, split_labels
from ai_runner.errors import InvalidParamError
from ai_runner.impulse.description import takes_raw_features
from ai_runner.model import TensorInfo

Features = npt.NDArray[np.float32]

_BINARY = (b"\x93NUMPY", b"PK")
_LARGEST_TEXT = 1 << 30  # bytes
_SEPARATOR = re.compile(r"[,;\s]+")


class FeatureInputs:
    """A source of inputs, as in `ai_runner.data`, for a model whose one input is raw features.

    Raises:
        InvalidParamError: the model has another input, or the file does not fit it.
    """

    seed: int | None = None
    labels: Labels | None = None

    def __init__(self, path: str | Path, inputs: Sequence[TensorInfo]) -> None:
        if not takes_raw_features(inputs):
            listing = ", ".join(f"'{tensor.name}' {list(tensor.shape)}" for tensor in inputs)
            raise InvalidParamError(
                f"{path}: raw features are for impulses (eim:, ei:), this model's input is {listing}",
                hint="--inputs takes its tensors",
            )
        self._rows = load_features(path)
        self._tensor = inputs[0]
        expected = prod(self._tensor.sample_shape)
        if self._rows.shape[1] != expected:
            raise InvalidParamError(f"{path}: {self._rows.shape[1]} features a window, the impulse takes {expected}")
        self.samples = len(self._rows)
        self.description = f"{self.samples} windows of raw features of {Path(path).name}"

    def chunk(self, start: int, stop: int) -> list[npt.NDArray[Any]]:
        """Windows start..stop-1, one array."""
        return [self._rows[start:stop].reshape(stop - start, *self._tensor.sample_shape)]


def load_features(text: str | Path) -> Features:
    """Windows of raw features, ``(windows, features)``.

    Args:
        text: a .npy file, ``F.npz`` with one array or ``F.npz:KEY``: an array with a window a row, or one window. Or a
            text file with a window a line, as Studio copies them: numbers between commas, for images in hexadecimal.

    Raises:
        InvalidParamError: no such file or array, lines of different lengths, or what is no finite number.
    """
    path, key = split_labels(text)
    try:
        with path.open("rb") as file:
            is_binary = file.read(6).startswith(_BINARY)
            file.seek(0)
            raw = b"" if is_binary else file.read(_LARGEST_TEXT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidParamError(f"{path}: cannot read the features: {reason}") from error
    rows = _array(path, key) if is_binary else _lines(path, raw)
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(features).all():
        raise InvalidParamError(
            f"{path}: holds what is no finite number", hint="an impulse would classify it all the same"
        )
    if not features.size:
        raise InvalidParamError(f"{path}: no features")
    return features


def _array(path: Path, key: str | None) -> npt.NDArray[Any]:
    arrays = load_arrays(path)
    if key is None and len(arrays) == 1:
        key = next(iter(arrays))
    if key is None or key not in arrays:
        raise InvalidParamError(
            f"{path}: which array holds the features?", hint=f"{path}:KEY; there are {', '.join(arrays)}"
        )
    array = np.asarray(arrays[key])
    return array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), -1)


def _lines(path: Path, raw: bytes) -> npt.NDArray[np.float64]:
    if len(raw) > _LARGEST_TEXT:
        raise InvalidParamError(f"{path}: more than {_LARGEST_TEXT >> 30} GiB of text", hint="save it with numpy.save")
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidParamError(f"{path}: is no text and no file of numpy") from error
    rows: list[list[float]] = []
    first = 0
    for number, line in enumerate(lines, start=1):
        row = [_number(path, number, word) for word in _SEPARATOR.split(line.strip(" \t[](){},;")) if word]
        if not row:
            continue
        first = first or number
        if rows and len(row) != len(rows[0]):
            raise InvalidParamError(
                f"{path}: line {number} has {len(row)} numbers, line {first} has {len(rows[0])}",
                hint="one window a line",
            )
        rows.append(row)
    return np.array(rows, np.float64)


def _number(path: Path, line: int, word: str) -> float:
    try:
        return float(int(word, 16)) if word[:2].lower() == "0x" else float(word)
    except (ValueError, OverflowError) as error:
        raise InvalidParamError(f"{path}: line {line}: {word[:40]!r} is no number") from error
