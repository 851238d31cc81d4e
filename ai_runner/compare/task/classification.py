"""Classification: accuracy, top-k, confusion matrix, precision, recall, F1 and ROC-AUC, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.task.ranking import ScoreRanking

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

NO_ANSWER = -1
TOP = (2, 3, 5)
LARGEST_MATRIX = 128  # classes


@dataclass(frozen=True)
class ClassMetrics:
    """One class against the rest.

    Attributes:
        number, name: of the class; the name is its number where the model has no names.
        support: samples of the class.
        answered: samples that were taken for it.
        right: samples of the class that were taken for it.
        precision: right / answered; 0 when never answered.
        recall: right / support; 0 without samples.
        f1: harmonic mean of the two; 0 when both are.
        roc_auc: area under the ROC curve of its scores; NaN without samples of it or of the rest.
    """

    number: int
    name: str
    support: int
    answered: int
    right: int
    precision: float
    recall: float
    f1: float
    roc_auc: float


@dataclass(frozen=True)
class ClassificationMetrics:
    """A runtime's class scores against labels. The first of the highest scores is the answer; a NaN is no answer.

    Macro averages are over the classes that occur, as a label or as an answer; those of ROC-AUC over the classes of
    which it is known. (So scikit-learn's ``average="macro"`` and ``multi_class="ovr"`` have them.)

    Attributes:
        samples: labelled ones.
        unanswered: samples with a NaN among the scores; they count as wrong.
        accuracy: share of right answers.
        top_k: k to the share of samples whose label is among the k highest scores; of equal ones the first win.
        precision, recall, f1, roc_auc: macro averages; of two classes ROC-AUC is the same for both.
        roc_auc_error: how far `roc_auc` may be off at most, since scores share bins; 0 where it is exact.
        classes: every class.
        confusion: number of samples by label (row) and answer (column); empty for more than LARGEST_MATRIX classes.
    """

    samples: int
    unanswered: int
    accuracy: float
    top_k: Mapping[int, float]
    precision: float
    recall: float
    f1: float
    roc_auc: float
    roc_auc_error: float
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]


class Classification:
    """Accumulates what `ClassificationMetrics` says; memory depends on the number of classes only.

    A single score is the probability of class 1: it answers 1 above 0.5.
    """

    def __init__(self, scores: int, names: Sequence[str] = ()) -> None:
        """`scores` of a sample; `names` of the classes in order, where they are known."""
        self._scores = scores
        self._classes = max(scores, 2)
        self._names = tuple(names) if len(names) == self._classes else tuple(map(str, range(self._classes)))
        self._support, self._answered, self._right = (np.zeros(self._classes, np.int64) for _ in range(3))
        self._ranks = np.zeros(self._classes, np.int64)
        self._unanswered = 0
        small = self._classes <= LARGEST_MATRIX
        self._confusion = np.zeros((self._classes, self._classes), np.int64) if small else None
        self._ranking = ScoreRanking(scores if scores > 2 else 1)

    def update(self, scores: Array, labels: Array) -> None:
        """Adds samples: real scores ``(batch, scores)``, class numbers ``(batch,)``."""
        given = answers(scores)
        self._support += np.bincount(labels, minlength=self._classes)
        known = given != NO_ANSWER
        self._unanswered += int(len(known) - known.sum())
        scores, labels, given = scores[known], labels[known], given[known]
        self._answered += np.bincount(given, minlength=self._classes)
        self._right += np.bincount(labels[given == labels], minlength=self._classes)
        if self._confusion is not None:
            np.add.at(self._confusion, (labels, given), 1)
        if self._scores > 1:
            self._ranks += np.bincount(_ranks(scores, labels), minlength=self._classes)
        if self._scores <= 2:
            self._ranking.update(scores[:, -1:], labels - 1)
        else:
            self._ranking.update(scores, labels)

    def result(self) -> ClassificationMetrics | None:
        """What was found so far; None without samples."""
        samples = int(self._support.sum())
        if not samples:
            return None
        areas = self._ranking.areas()
        if len(areas) == 1:
            areas = areas * 2
        classes = tuple(self._class(number, area) for number, (area, _) in enumerate(areas))
        occurring = [one for one in classes if one.support or one.answered]
        known = [pair for pair in areas if pair[0] == pair[0]]
        return ClassificationMetrics(
            samples=samples,
            unanswered=self._unanswered,
            accuracy=int(self._right.sum()) / samples,
            top_k={k: int(self._ranks[:k].sum()) / samples for k in TOP if k < self._scores},
            precision=_mean([one.precision for one in occurring]),
            recall=_mean([one.recall for one in occurring]),
            f1=_mean([one.f1 for one in occurring]),
            roc_auc=_mean([area for area, _ in known]),
            roc_auc_error=_mean([error for _, error in known]),
            classes=classes,
            confusion=() if self._confusion is None else tuple(tuple(row) for row in self._confusion.tolist()),
        )

    def _class(self, number: int, area: float) -> ClassMetrics:
        support, answered, right = (int(c[number]) for c in (self._support, self._answered, self._right))
        return ClassMetrics(
            number=number,
            name=self._names[number],
            support=support,
            answered=answered,
            right=right,
            precision=right / answered if answered else 0.0,
            recall=right / support if support else 0.0,
            f1=2 * right / (support + answered) if support + answered else 0.0,
            roc_auc=area,
        )


def answers(scores: Array) -> Integers:
    """Class numbers ``(batch,)`` for scores ``(batch, scores)``; NO_ANSWER where there is a NaN."""
    given = (scores[:, 0] > 0.5).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
    return np.where(np.isnan(scores).any(axis=1), NO_ANSWER, given)


def _ranks(scores: Array, labels: Array) -> Integers:
    """How many scores come before that of the label: higher ones, and equal ones of lower number."""
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1])[None, :] < labels[:, None]
    ranks: Integers = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return ranks


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else nan
