"""Samples that somebody should look at: a wrong answer, or one that is not the reference's; and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.task.changed_answers import ChangedAnswer
from ai_runner.compare.task.classification import NO_ANSWER, answers

Array = npt.NDArray[Any]

KEPT = 10_000


@dataclass(frozen=True)
class FailingSample:
    """One sample: its number, its label (None without), and every reason why it is here, one line."""

    index: int
    label: int | None
    reason: str


class FailingSamples:
    """Collects samples that a target answers wrong or otherwise than the reference.

    Attributes:
        samples: the first KEPT ones, in order.
        count: of all.
        names: of the classes in order; numbers stand for themselves where there are none. Set by `validate`.
    """

    def __init__(self) -> None:
        self.samples: list[FailingSample] = []
        self.count = 0
        self.names: Sequence[str] = ()

    def update(
        self,
        start: int,
        labels: Array | None,
        targets: Sequence[tuple[str, Array, Sequence[ChangedAnswer]]],
    ) -> None:
        """Adds what failed of a chunk.

        Args:
            start: number of its first sample.
            labels: class numbers ``(batch,)``.
            targets: descriptor, scores ``(batch, scores)`` and changed answers of every target that answered.
        """
        reasons: dict[int, list[str]] = {}
        for who, scores, changed in targets:
            before = {one.index: one for one in changed}
            given = answers(scores)
            wrong = set[int]() if labels is None else set((start + np.flatnonzero(given != labels)).tolist())
            for index in wrong | before.keys():
                text = f"{who}: {self._name(int(given[index - start]))}"
                if index in before:
                    text += f" where the reference answers {self._name(before[index].reference)}"
                reasons.setdefault(index, []).append(text)
        self.count += len(reasons)
        for index in sorted(reasons)[: max(KEPT - len(self.samples), 0)]:
            label = None if labels is None else int(labels[index - start])
            self.samples.append(FailingSample(index, label, "; ".join(reasons[index])))

    def _name(self, answer: int) -> str:
        if answer == NO_ANSWER:
            return "no answer (NaN)"
        return f"'{self.names[answer]}'" if answer < len(self.names) else str(answer)
