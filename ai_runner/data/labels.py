"""The answers that a data set knows: class numbers, names of classes, or real values."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.array_file import listing, load_arrays
from ai_runner.errors import InvalidParamError

LABEL_NAMES = ("labels", "label", "y_test", "y_true", "y", "targets", "classes")
MAX_NAMES = 1 << 16  # of classes
_SHOWN = 8
_ONE_HOT = "for one-hot labels save labels.argmax(axis=1)"


@dataclass(frozen=True)
class Labels:
    """One label a sample.

    Attributes:
        values: ``(samples,)`` int64: class numbers, or with `names` places in them; or float64 ``(samples,)`` or
            ``(samples, k)``: real values.
        where: what messages call them.
        names: the names of the classes as the data has them, sorted; empty for numbers.
    """

    values: npt.NDArray[Any]
    where: str
    names: tuple[str, ...] = ()

    @property
    def are_real(self) -> bool:
        """True for real values, the labels of a regression."""
        return self.values.dtype.kind == "f"

    def resolved(self, class_names: Sequence[str], classes: int) -> npt.NDArray[Any]:
        """Class numbers int64 ``(samples,)``; real values as they are.

        A name is the number of its place in `class_names`. Without those, names that are whole numbers stand for
        themselves, and others are numbered in their sorted order where there are as many as the model has classes.

        Args:
            class_names: of the model's classes in order, empty when unknown.
            classes: of the model; 0 when it has none.

        Raises:
            InvalidParamError: a name that is none of the model's classes, or names whose numbers cannot be known.
        """
        if not self.names:
            return self.values
        numbers = np.array([self._number(name, class_names, classes) for name in self.names], np.int64)
        return np.asarray(numbers[self.values])

    def _number(self, name: str, class_names: Sequence[str], classes: int) -> int:
        if name in class_names:
            return list(class_names).index(name)
        if all(_is_whole(one) for one in self.names):
            return int(name)
        if class_names:
            raise InvalidParamError(
                f"{self.where}: label {name[:40]!r} is none of the model's: {_some(class_names)}",
                hint="--label-names gives the names of the model's classes in order",
            )
        if len(self.names) != classes:
            raise InvalidParamError(
                f"{self.where}: {len(self.names)} names of classes ({_some(self.names)}) where the model has {classes}",
                hint="--label-names FILE or A,B,... gives the names of the model's classes in order",
            )
        return self.names.index(name)


class LabelColumn:
    """Collects labels that come one by one; keeps a number a sample and every name once."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._texts: dict[str, int] = {}
        self._places = array("q")
        self._numbers = array("d")
        self._whole = True
        self._numeric = True

    def add(self, label: object, place: str) -> None:
        """Adds the next one: a number or a text; `place` is told in errors.

        Raises:
            InvalidParamError: an empty label, NaN, something that is neither number nor text, or too many names.
        """
        text = str(label.item() if isinstance(label, np.generic) else label).strip()
        if isinstance(label, np.ndarray) and label.size == 1:
            text = str(label.reshape(-1)[0].item())
        elif not isinstance(label, str | int | float | np.generic):
            raise InvalidParamError(f"{place}: a label of type {type(label).__name__}, expected a number or a text")
        if not text:
            raise InvalidParamError(f"{place}: no label")
        number = _real(text)
        if number is not None and not isfinite(number):
            raise InvalidParamError(f"{place}: the label is {text[:40]}")
        self._numeric &= number is not None
        self._whole &= _is_whole(text)
        self._numbers.append(0.0 if number is None else number)
        if len(self._texts) < MAX_NAMES:
            self._places.append(self._texts.setdefault(text, len(self._texts)))
        elif not self._numeric:
            raise InvalidParamError(f"{place}: more than {MAX_NAMES} different labels", hint="is it the right column?")

    def result(self) -> Labels:
        """Whole numbers are class numbers, other numbers real values, everything else names."""
        if self._numeric:
            real = np.array(self._numbers, np.float64)
            return Labels(real.astype(np.int64) if self._whole else real, self._where)
        if len(self._places) != len(self._numbers):
            raise InvalidParamError(f"{self._where}: more than {MAX_NAMES} different labels")
        names = sorted(self._texts)
        order = np.array([names.index(text) for text in self._texts], np.int64)
        return Labels(order[np.array(self._places, np.int64)], self._where, tuple(names))


def load_labels(text: str | Path, samples: int | None = None) -> npt.NDArray[np.integer[Any]]:
    """Class numbers ``(samples,)`` from ``F.npy``, ``F.npz`` or ``F.npz:key``.

    Without a key an .npz has to hold one array named like labels (``labels``, ``y_test``, ...), or one array only.

    Raises:
        InvalidParamError: no such file or key, no integers, more than one number a sample, or not `samples` of them.
    """
    labels, path = _label_array(text)
    if labels.dtype.kind not in "iu":
        raise InvalidParamError(
            f"{path}: labels are {labels.dtype.name}, expected integers", hint="one class number a sample"
        )
    flat = np.asarray(labels).reshape(-1)
    if flat.size != (len(labels) if labels.ndim else 1):
        raise InvalidParamError(
            f"{path}: labels of shape {list(labels.shape)}, expected one class number a sample",
            hint=_ONE_HOT,
        )
    if samples is not None and flat.size != samples:
        raise InvalidParamError(f"{path}: {flat.size} labels for {samples} samples")
    return flat


def read_labels(text: str | Path, samples: int) -> Labels:
    """Labels of any kind from ``F.npy``, ``F.npz`` or ``F.npz:key``: integers, real values, or texts.

    Raises:
        InvalidParamError: as `load_labels`; NaN among real values.
    """
    labels, path = _label_array(text)
    if labels.dtype.kind in "iu":
        return Labels(load_labels(text, samples).astype(np.int64), str(path))
    return labels_of_array(labels, str(path), samples)


def labels_of_array(labels: npt.NDArray[Any], where: str, samples: int) -> Labels:
    """Labels from an array: integers or texts ``(samples,)``, real values ``(samples,)`` or ``(samples, ...)``.

    Raises:
        InvalidParamError: another length, shape or type, or NaN.
    """
    if labels.ndim == 0 or len(labels) != samples:
        count = len(labels) if labels.ndim else 1
        raise InvalidParamError(f"{where}: {count} labels for {samples} samples")
    if labels.dtype.kind == "f":
        real = np.asarray(labels, np.float64).reshape(samples, -1)
        bad = np.flatnonzero(~np.isfinite(real).all(axis=1))
        if bad.size:
            raise InvalidParamError(f"{where}: the label of sample {bad[0]} is no finite number")
        if real.shape[1] > 1 and np.isin(real, (0, 1)).all() and (real.sum(axis=1) == 1).all():
            raise InvalidParamError(f"{where}: labels of shape {list(labels.shape)} are one-hot", hint=_ONE_HOT)
        return Labels(real[:, 0] if real.shape[1] == 1 else real, where)
    flat = np.asarray(labels).reshape(-1)
    if labels.dtype.kind not in "iuU" or flat.size != samples:
        raise InvalidParamError(
            f"{where}: labels are {labels.dtype.name}{list(labels.shape)}, expected a number or a text a sample",
            hint="class numbers are integers: labels.astype(int)" if labels.dtype.kind == "b" else "",
        )
    if labels.dtype.kind == "U":
        column = LabelColumn(where)
        for i, label in enumerate(flat):
            column.add(str(label), f"{where}: sample {i}")
        return column.result()
    return Labels(flat.astype(np.int64), where)


def split_labels(text: str | Path) -> tuple[Path, str | None]:
    """``F.npz:key`` -> (F.npz, key); a drive letter is no file name."""
    whole = Path(text)
    head, colon, key = str(text).rpartition(":")
    if whole.exists() or not colon or not key or not head.lower().endswith((".npz", ".npy", ".csv", ".tsv")):
        return whole, None
    return Path(head), key


def _label_array(text: str | Path) -> tuple[npt.NDArray[Any], Path]:
    path, key = split_labels(text)
    arrays = load_arrays(path, text=True)
    if key is None:
        named = [name for name in arrays if name in LABEL_NAMES]
        candidates = named or list(arrays)
        if len(candidates) != 1:
            raise InvalidParamError(
                f"{path}: which array holds the labels?", hint=f"name it, {path}:KEY; there are {listing(arrays)}"
            )
        key = candidates[0]
    if key not in arrays:
        raise InvalidParamError(f"{path}: no array {key!r} with labels", hint=f"there are {listing(arrays)}")
    return arrays[key], path


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 16


def _real(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:_SHOWN])
    return f"{shown}, ..." if len(names) > _SHOWN else shown
