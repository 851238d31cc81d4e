"""Samples for which a target answers otherwise than the reference."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.task.classification import NO_ANSWER, answers

Array = npt.NDArray[Any]

LISTED = 100


@dataclass(frozen=True)
class ChangedAnswer:
    """One sample.

    Attributes:
        index: of the sample.
        reference, target: class numbers they answer; NO_ANSWER for a NaN among the scores.
        label: class number; None without labels.
        margin: by how much the reference prefers its answer to the target's, as real scores; infinite where one of
            them gives none.
    """

    index: int
    reference: int
    target: int
    label: int | None
    margin: float


@dataclass(frozen=True)
class ChangedAnswers:
    """What became of the answers.

    Attributes:
        samples: compared ones.
        count: how many have another answer. (Not where the reference has several highest scores and the target
            answers one of them.)
        lost: of these, how many the reference has right and the target wrong; None without labels.
        gained: and the other way round.
        listed: the LISTED ones with the largest margin, that first.
    """

    samples: int
    count: int
    lost: int | None
    gained: int | None
    listed: tuple[ChangedAnswer, ...]


class AnswerComparison:
    """Accumulates `ChangedAnswers` of one target."""

    def __init__(self) -> None:
        self._samples = 0
        self._count = 0
        self._lost = 0
        self._gained = 0
        self._labelled = False
        self._worst: list[tuple[float, int, ChangedAnswer]] = []

    def update(self, start: int, reference: Array, target: Array, labels: Array | None) -> list[ChangedAnswer]:
        """Adds samples from number `start` on: scores ``(batch, scores)``, class numbers ``(batch,)``.

        Returns:
            Those whose answer changed.
        """
        self._samples += len(reference)
        self._labelled |= labels is not None
        changed = changed_answers(start, reference, target, labels)
        self._count += len(changed)
        for one in changed:
            if one.label is not None:
                self._lost += one.reference == one.label
                self._gained += one.target == one.label
            entry = (one.margin, -one.index, one)
            if len(self._worst) < LISTED:
                heapq.heappush(self._worst, entry)
            else:
                heapq.heappushpop(self._worst, entry)
        return changed

    def result(self) -> ChangedAnswers | None:
        """What was found so far; None without samples."""
        if not self._samples:
            return None
        return ChangedAnswers(
            samples=self._samples,
            count=self._count,
            lost=self._lost if self._labelled else None,
            gained=self._gained if self._labelled else None,
            listed=tuple(one for _, _, one in sorted(self._worst, reverse=True)),
        )


def changed_answers(start: int, reference: Array, target: Array, labels: Array | None) -> list[ChangedAnswer]:
    """The samples of a chunk whose answer changed."""
    mine, theirs = answers(reference), answers(target)
    if np.array_equal(mine, theirs):
        return []
    margins = _margins(reference, mine, theirs)
    return [
        ChangedAnswer(
            index=start + int(row),
            reference=int(mine[row]),
            target=int(theirs[row]),
            label=None if labels is None else int(labels[row]),
            margin=float(margins[row]),
        )
        for row in np.flatnonzero((mine != theirs) & (margins > 0))
    ]


def _margins(reference: Array, mine: Array, theirs: Array) -> npt.NDArray[np.float64]:
    real = reference.astype(np.float64)
    if reference.shape[1] == 1:
        margins = np.abs(real[:, 0] - 0.5)
        # At the limit itself the answer is 0, and another one is as near as can be: it changed all the same.
        margins[margins == 0] = np.finfo(np.float64).tiny
    else:
        rows = np.arange(len(real))
        margins = real[rows, mine] - real[rows, theirs]
    margins[(mine == NO_ANSWER) | (theirs == NO_ANSWER)] = inf
    return margins
