"""What the classes of a model are called, and labels as its class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ai_runner.compare.tensor_pair import Array, class_count
from ai_runner.errors import InvalidParamError
from ai_runner.model import ModelInfo
from ai_runner.tflite_model.labels import named_labels


class Labels(Protocol):
    """One label a sample (`ai_runner.data` reads them)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes as the data has them; empty for numbers."""

    def resolved(self, class_names: Sequence[str], classes: int) -> Array:
        """Class numbers, or real values, for a model with these names and so many classes."""


def class_names_of(given: str | None, info: ModelInfo) -> tuple[str, ...]:
    """Names of the classes of the first output; () where nobody gives them.

    Args:
        given: names, ``A,B,...``, or a file that has one a line; None for those of the model.
        info: the reference.

    Raises:
        InvalidParamError: another number of names than classes, or one that comes twice.
    """
    if not given:
        return info.outputs[0].labels if info.outputs else ()
    names = named_labels(given)
    classes = max(class_count(info.outputs[0]), 2)
    if len(names) != classes or len(set(names)) != len(names):
        twice = next((name for name in names if names.count(name) > 1), None)
        what = f"{len(names)} names for {classes} classes" if twice is None else f"the name {twice!r} comes twice"
        raise InvalidParamError(f"label names {given}: {what}")
    return names


def labels_of(labels: Labels | None, info: ModelInfo, given: str | None = None) -> tuple[Array | None, tuple[str, ...]]:
    """Class numbers, or real values, of the samples (None where there are none), and the names of the classes.

    Args:
        labels: of the samples.
        info: the reference.
        given: names of the classes, as `class_names_of` takes them.

    Raises:
        InvalidParamError: labels or names that do not fit the model.
    """
    names = class_names_of(given, info)
    if labels is None:
        return None, names
    classes = class_count(info.outputs[0]) if info.outputs else 0
    numbers = labels.resolved(names, classes)
    if not names and len(labels.names) == classes and not any(name.isdigit() for name in labels.names):
        names = labels.names
    return numbers, names
