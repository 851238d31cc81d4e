"""Where the error of a deployed model comes from: quantisation, code generation, or the target.

On the way from the trained model to the target every stage adds a difference d_i; together they are the whole error e.
The share of a stage is the part of e that its difference explains, the projection <d_i, e> / <e, e> on dequantised
outputs. Shares add up to 1; one that works against the others is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.metrics import dot

Array = npt.NDArray[Any]

QUANTISATION = "quantisation"
CODE_GENERATION = "code_generation"
TARGET = "target"
DEPLOYMENT = "deployment"

_SPOKEN = {
    QUANTISATION: "the quantisation of the model",
    CODE_GENERATION: "the code generated from the model",
    TARGET: "the target: compiler, libraries, memory or hardware",
    DEPLOYMENT: "the deployment (no C-model on the host tells code generation from target)",
}


@dataclass(frozen=True)
class StageShare:
    """One stage.

    Attributes:
        stage: `QUANTISATION`, `CODE_GENERATION`, `TARGET` or `DEPLOYMENT`.
        source, result: what was run before and behind it.
        rmse: of the stage's difference, on dequantised outputs.
        share: of the whole error; None where there is none.
    """

    stage: str
    source: str
    result: str
    rmse: float
    share: float | None


class ErrorBudget:
    """Accumulates the stages of one target.

    Args:
        stages: their names, in order.
        runs: what was run before the first and behind each stage, one more than stages.
    """

    def __init__(self, stages: Sequence[str], runs: Sequence[str]) -> None:
        self.stages = tuple(stages)
        self._runs = tuple(runs)
        self._explained = np.zeros(len(stages))
        self._squares = np.zeros(len(stages))
        self._whole = 0.0
        self._count = 0

    def update(self, results: Sequence[Sequence[Array]]) -> None:
        """Adds samples: for each run the real values of every output, in one order and one shape."""
        for outputs in zip(*results, strict=True):
            values = [np.asarray(output, np.float64).reshape(-1) for output in outputs]
            finite = np.logical_and.reduce([np.isfinite(value) for value in values])
            if not finite.all():
                values = [value[finite] for value in values]
            whole = values[-1] - values[0]
            self._whole += dot(whole, whole)
            self._count += whole.size
            for place, (source, result) in enumerate(pairwise(values)):
                difference = result - source
                self._explained[place] += dot(difference, whole)
                self._squares[place] += dot(difference, difference)

    def result(self) -> tuple[StageShare, ...]:
        """The stages in order; empty when nothing was seen."""
        if not self._count:
            return ()
        return tuple(
            StageShare(
                stage=stage,
                source=self._runs[place],
                result=self._runs[place + 1],
                rmse=float(np.sqrt(self._squares[place] / self._count)),
                share=float(self._explained[place] / self._whole) if self._whole > 0.0 else None,
            )
            for place, stage in enumerate(self.stages)
        )


def budget_sentence(shares: Sequence[StageShare]) -> str:
    """Which stage is behind the error, for a person; '' without stages."""
    known = [share for share in shares if share.share is not None]
    if not shares:
        return ""
    if not known:
        return "no stage changes the outputs"
    largest = max(known, key=lambda share: share.share or 0.0)
    return f"{largest.share:.0%} of the error at the outputs comes from {_SPOKEN[largest.stage]}"
