"""Regression: errors of real-valued answers against labels, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RegressionMetrics:
    """A runtime's values against labels; NaN where an answer is NaN or infinite.

    Attributes:
        samples: labelled ones.
        mae: mean of |label - answer| over all values.
        rmse: square root of the mean of its square.
        max_error: the largest.
        r2: 1 - sum((label - answer)**2) / sum((label - mean of labels)**2), the mean over outputs; for constant labels
            1 where there is no error and else 0, as scikit-learn has it; NaN for fewer than two samples.
        non_finite: answers that are NaN or infinite.
    """

    samples: int
    mae: float
    rmse: float
    max_error: float
    r2: float
    non_finite: int


class Regression:
    """Accumulates what `RegressionMetrics` says; memory depends on the number of values of a sample only."""

    def __init__(self, values: int) -> None:
        self._samples = 0
        self._absolute = 0.0
        self._largest = 0.0
        self._non_finite = 0
        self._square = np.zeros(values)
        self._mean = np.zeros(values)
        self._spread = np.zeros(values)  # sum of squared distances of the labels from their mean

    def update(self, given: Array, labels: Array) -> None:
        """Adds samples: answers and labels ``(batch, values)``."""
        if not len(labels):
            return
        self._non_finite += int(given.size - np.isfinite(given).sum())
        with np.errstate(invalid="ignore", over="ignore"):
            error = labels.astype(np.float64) - given.astype(np.float64)
            self._absolute += float(np.abs(error).sum())
            self._largest = max(self._largest, float(np.abs(error).max()))
            self._square += (error * error).sum(axis=0)
        # Chan, Golub, LeVeque 1979: the spread of two groups from theirs and the distance of their means.
        count, mean = len(labels), labels.mean(axis=0)
        distance, total = mean - self._mean, self._samples + len(labels)
        self._spread += ((labels - mean) ** 2).sum(axis=0) + distance**2 * (self._samples * count / total)
        self._mean += distance * (count / total)
        self._samples = total

    def result(self) -> RegressionMetrics | None:
        """What was found so far; None without samples."""
        if not self._samples:
            return None
        count = self._samples * len(self._square)
        bad = self._non_finite > 0
        return RegressionMetrics(
            samples=self._samples,
            mae=nan if bad else self._absolute / count,
            rmse=nan if bad else sqrt(float(self._square.sum()) / count),
            max_error=nan if bad else self._largest,
            r2=nan if bad or self._samples < 2 else float(np.mean(self._determination())),
            non_finite=self._non_finite,
        )

    def _determination(self) -> npt.NDArray[np.float64]:
        varied = self._spread > 0
        ratio = np.divide(self._square, self._spread, out=np.zeros_like(self._square), where=varied)
        return np.where(varied, 1.0 - ratio, np.where(self._square > 0, 0.0, 1.0))
