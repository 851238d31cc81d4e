"""The arguments about labels and about what the model is for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_runner.compare.task.failing_samples import FailingSamples
    from ai_runner.data import Source
    from ai_runner.model import TensorInfo


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
    return f"failing samples saved in {path}: {len(failing.samples)}{more}"
