"""What the model is for, and every runtime judged by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.task.changed_answers import AnswerComparison
from ai_runner.compare.task.classification import Classification, ClassificationMetrics
from ai_runner.compare.task.failing_samples import FailingSamples
from ai_runner.compare.task.regression import Regression, RegressionMetrics
from ai_runner.compare.tensor_pair import class_count
from ai_runner.compare.tolerance import is_integer
from ai_runner.compare.verdict import TargetResult
from ai_runner.errors import InvalidParamError
from ai_runner.model import ModelInfo

Array = npt.NDArray[Any]
TaskMetrics = ClassificationMetrics | RegressionMetrics


class Task(StrEnum):
    """What the first output means."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    NONE = "none"


def choose_task(labels: Array | None, info: ModelInfo) -> Task:
    """Class numbers are labels of a classification, real values of a regression.

    Without labels the answers can be compared all the same: a single output that is a vector has class scores, unless
    it is as long as the input, as an autoencoder's is.
    """
    if labels is not None:
        return Task.REGRESSION if labels.dtype.kind == "f" else Task.CLASSIFICATION
    if len(info.outputs) != 1 or class_count(info.outputs[0]) < 2:
        return Task.NONE
    (output,) = info.outputs
    rebuilds = any(prod(tensor.sample_shape) == prod(output.sample_shape) for tensor in info.inputs)
    plain_integers = is_integer(output) and output.quantization is None
    return Task.NONE if rebuilds or plain_integers else Task.CLASSIFICATION


def labels_for(task: Task | None, labels: Array, class_names: Sequence[str] = ()) -> Array:
    """Labels as the chosen `task` takes them: whole numbers without names are class numbers or real values."""
    if task is Task.REGRESSION and labels.dtype.kind in "iu" and not class_names:
        return labels.astype(np.float64)
    if task is Task.CLASSIFICATION and labels.dtype.kind == "f" and labels.ndim == 1 and not (labels % 1).any():
        return labels.astype(np.int64)
    return labels


def check_labels(labels: Array, samples: int, info: ModelInfo) -> None:
    """That the labels fit the samples and the model's first output.

    Raises:
        InvalidParamError: not one class number a sample that the output can give; or, of real labels, not one value
            for each of the output's.
    """
    output = info.outputs[0]
    if labels.dtype.kind == "f":
        values = prod(output.sample_shape)
        if len(labels) != samples or labels.size != samples * values:
            given = labels.size // len(labels) if len(labels) else 0
            raise InvalidParamError(
                f"labels: {given} values for each of {len(labels)} samples, "
                f"output '{output.name}' has {values} for each of {samples}",
                hint="--task classification, if these are class numbers" if not (labels % 1).any() else "",
            )
        return
    if labels.shape != (samples,):
        raise InvalidParamError(
            f"labels: {labels.size} class numbers for {samples} samples",
            hint="labels and inputs need the same length",
        )
    classes = class_count(output)
    if classes == 0:
        raise InvalidParamError(
            f"labels: output '{output.name}' {list(output.shape)} is no vector of class scores",
            hint="leave the labels away: outputs are compared without them",
        )
    lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=0))
    if lowest < 0 or highest >= max(classes, 2):
        wrong = lowest if lowest < 0 else highest
        raise InvalidParamError(
            f"labels: class number {wrong} is not in 0..{max(classes, 2) - 1}",
            hint="--task regression, if these are values" if classes == 1 else "",
        )


class TaskJudge:
    """Accumulates the metrics of the reference and of every target on the reference's first output."""

    def __init__(
        self,
        task: Task,
        info: ModelInfo,
        targets: Sequence[str],
        labels: Array | None = None,
        class_names: Sequence[str] = (),
        failing: FailingSamples | None = None,
    ) -> None:
        """Sets everything up.

        Args:
            task: what is judged.
            info: of the reference.
            targets: their descriptors.
            labels: as `check_labels` has checked them.
            class_names: in order; by default those that the model has.
            failing: collects samples of a classification.

        Raises:
            InvalidParamError: a classification of what are no class scores, or labels of another task.
        """
        output = info.outputs[0] if info.outputs else None
        self._values = prod(output.sample_shape) if output is not None else 0
        scores = class_count(output) if output is not None else 0
        if task is Task.CLASSIFICATION and not scores:
            raise InvalidParamError("task classification: the first output is no vector of class scores")
        if labels is not None and task is not Task.NONE and (labels.dtype.kind == "f") != (task is Task.REGRESSION):
            kind = "real values" if labels.dtype.kind == "f" else "class numbers"
            raise InvalidParamError(f"task {task}: the labels are {kind}")
        if failing is not None and task is not Task.CLASSIFICATION:
            raise InvalidParamError(f"task {task}: which samples fail is told of class scores only")
        self._labels = None if task is Task.NONE else labels
        self._targets = list(targets)
        self._failing = failing
        names = tuple(class_names) or (output.labels if output is not None else ())
        names = names if len(names) == max(scores, 2) else ()
        if failing is not None:
            failing.names = names
        everybody = range(1 + len(self._targets))
        self._metrics: list[Classification | Regression] = []
        if self._labels is not None and task is Task.REGRESSION:
            self._metrics = [Regression(self._values) for _ in everybody]
        elif self._labels is not None:
            self._metrics = [Classification(scores, names) for _ in everybody]
        self._changed = [AnswerComparison() for _ in self._targets] if task is Task.CLASSIFICATION else []

    def update(self, start: int, reference: Sequence[Array], targets: Sequence[Sequence[Array] | None]) -> None:
        """Adds a chunk: real values of the reference's outputs, for everybody; None for a target that did not answer.

        Args:
            start: number of its first sample.
            reference: arrays ``(batch,) + sample_shape``.
            targets: the same for each target.
        """
        if not self._metrics and not self._changed:
            return
        batch = len(reference[0])
        mine = reference[0].reshape(batch, self._values)
        labels = None if self._labels is None else self._labels[start : start + batch]
        given = [None if one is None else one[0].reshape(batch, self._values) for one in targets]
        for metrics, answer in zip(self._metrics, [mine, *given], strict=False):
            if answer is not None and labels is not None:
                metrics.update(answer, labels.reshape(batch, -1) if isinstance(metrics, Regression) else labels)
        failed = []
        for comparison, who, answer in zip(self._changed, self._targets, given, strict=False):
            if answer is not None:
                failed.append((who, answer, comparison.update(start, mine, answer, labels)))
        if self._failing is not None:
            self._failing.update(start, labels, failed)

    def reference(self) -> TaskMetrics | None:
        """Of the reference; None without labels."""
        return self._metrics[0].result() if self._metrics else None

    def complete(self, targets: Sequence[TargetResult]) -> tuple[TargetResult, ...]:
        """The results of the targets with what was found here."""
        return tuple(
            replace(
                target,
                run=replace(target.run, task=self._metrics[1 + place].result() if self._metrics else None),
                changed=self._changed[place].result() if self._changed else None,
            )
            for place, target in enumerate(targets)
        )
