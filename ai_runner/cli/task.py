"""The arguments about labels and about what the model is for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from ai_runner.compare.task.failing_samples import FailingSamples
    from ai_runner.data import Source
    from ai_runner.model import ModelInfo, TensorInfo


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """``--labels``, ``--label-names``, ``--task``, ``--save-failing``."""
    parser.add_argument(
        "--labels",
        metavar="F",
        help="class numbers, class names or real values of the samples: F.npy, F.npz:KEY, F.csv:COLUMN, for folders a "
        "list F.csv or F.json (default: those that the inputs have themselves)",
    )
    parser.add_argument(
        "--label-names", metavar="F|A,B,...", help="names of the classes in order, a file has one a line"
    )
    parser.add_argument(
        "--task",
        choices=("classification", "regression", "none"),
        help="what the first output is (default: as the labels are, class numbers and names or real values)",
    )
    parser.add_argument(
        "--save-failing",
        metavar="F.npz",
        help="save inputs, labels and reasons of samples with a wrong or another answer, for ai-runner ei collect",
    )


def class_names_of(args: argparse.Namespace, info: ModelInfo) -> tuple[str, ...]:
    """Names of the classes of the first output; () where nobody gives them.

    Raises:
        InvalidParamError: another number of names than classes, or one that comes twice.
    """
    from ai_runner.compare.tensor_pair import class_count
    from ai_runner.errors import InvalidParamError
    from ai_runner.tflite_model.labels import named_labels

    if not args.label_names:
        return info.outputs[0].labels if info.outputs else ()
    names = named_labels(args.label_names)
    classes = max(class_count(info.outputs[0]), 2)
    if len(names) != classes or len(set(names)) != len(names):
        twice = next((name for name in names if names.count(name) > 1), None)
        what = f"{len(names)} names for {classes} classes" if twice is None else f"the name {twice!r} comes twice"
        raise InvalidParamError(f"--label-names {args.label_names}: {what}")
    return names


def labels_of(
    args: argparse.Namespace, source: Source, info: ModelInfo
) -> tuple[npt.NDArray[Any] | None, tuple[str, ...]]:
    """Class numbers, or real values, of the samples (None where there are none), and the names of the classes.

    Raises:
        InvalidParamError: labels or names that do not fit the model.
    """
    from ai_runner.compare.tensor_pair import class_count

    names, labels = class_names_of(args, info), source.labels
    if labels is None:
        return None, names
    classes = class_count(info.outputs[0]) if info.outputs else 0
    numbers = labels.resolved(names, classes)
    if not names and len(labels.names) == classes and not any(name.isdigit() for name in labels.names):
        names = labels.names
    return numbers, names


def failing_samples(args: argparse.Namespace) -> FailingSamples | None:
    """What collects them, where they are to be saved."""
    from ai_runner.compare.task.failing_samples import FailingSamples
    from ai_runner.report.output_file import check_writable

    if not args.save_failing:
        return None
    check_writable(args.save_failing)
    return FailingSamples()


def save_failing(path: str, failing: FailingSamples, source: Source, inputs: Sequence[TensorInfo]) -> str:
    """Saves what was collected; returns one line that says so."""
    from ai_runner.report.failing_samples import write_failing_samples

    if not failing.samples:
        return "no sample has a wrong or another answer: nothing is saved"
    write_failing_samples(path, failing, source, inputs)
    more = f" (the first of {failing.count})" if failing.count > len(failing.samples) else ""
    return f"{len(failing.samples)} failing samples{more} are saved in {path}"
