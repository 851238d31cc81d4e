"""What a series of times says: its quantiles, its outliers, and whether another one is longer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import erfc, exp, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_EXACT = 60  # differences up to which the distribution is enumerated
_NORMAL_99 = 2.576
_DIGITS = 8  # of times in ms: what is beyond is rounding
_FENCE = 3.0  # interquartile ranges above the third quartile: Tukey's outer fence


@dataclass(frozen=True)
class Summary:
    """A series of times in the unit it was given in.

    Attributes:
        count: how many.
        minimum, mean, maximum: of all.
        deviation: standard deviation of a single time; 0 for one.
        p50, p90, p99: quantiles, interpolated linearly.
        outliers: how many lie above Tukey's outer fence, three interquartile ranges above the third quartile.
    """

    count: int
    minimum: float
    mean: float
    deviation: float
    p50: float
    p90: float
    p99: float
    maximum: float
    outliers: int


def summary(times: Sequence[float]) -> Summary:
    """Summary of a series that is not empty; raises ValueError when it is."""
    if not len(times):
        raise ValueError("no times")
    values = np.asarray(times, np.float64)
    q25, q50, q75, q90, q99 = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75, 0.9, 0.99)))
    return Summary(
        count=len(values),
        minimum=float(values.min()),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        p50=q50,
        p90=q90,
        p99=q99,
        maximum=float(values.max()),
        outliers=int((values > q75 + _FENCE * (q75 - q25)).sum()),
    )


def log_ratios(new: Sequence[float], old: Sequence[float]) -> Floats:
    """log(new / old) of every pair in which both are positive: a clock that does not tick tells nothing."""
    pairs = np.array([pair for pair in zip(new, old, strict=True) if min(pair) > 0.0], np.float64).reshape(-1, 2)
    # A difference of logarithms: swapped pairs differ in sign only, so that their ranks are ties.
    ratios: Floats = np.log(pairs[:, 0]) - np.log(pairs[:, 1])
    return ratios


def median_shift(ratios: Floats) -> float:
    """By which part the median pair is slower: 0.02 for 2 %; 0 without a pair."""
    return exp(float(np.median(ratios))) - 1.0 if len(ratios) else 0.0


def median_margin(ratios: Floats) -> float:
    """By which part the median pair may be off: half the 99 % confidence interval that lies between two order
    statistics; 0 without a pair."""
    if not len(ratios):
        return 0.0
    ordered = np.sort(ratios)
    below = max(0, int(len(ordered) / 2 - _NORMAL_99 / 2 * sqrt(len(ordered))))
    return (exp(float(ordered[-1 - below])) - exp(float(ordered[below]))) / 2


def clock_step(times: Iterable[float]) -> float:
    """The smallest step by which times differ, in their unit: not below that of their clock; 0 where none do."""
    values = np.unique(np.round(np.fromiter(times, np.float64), _DIGITS))
    return float(np.diff(values).min()) if len(values) > 1 else 0.0


def wilcoxon_greater(differences: npt.ArrayLike) -> float:
    """p of the one-sided Wilcoxon signed-rank test that differences tend to be above zero.

    Zeros are left out, as Wilcoxon has it; equal magnitudes share their mean rank. Up to 60 differences p is exact,
    conditional on the magnitudes; beyond, it is that of a normal distribution with the variance of the given ranks and
    half a step of continuity correction.

    Args:
        differences: of pairs, finite; any shape.

    Returns:
        The probability of a rank sum at least as large when each sign is a fair coin; 1.0 without a difference.
    """
    values = np.asarray(differences, np.float64).reshape(-1)
    values = values[values != 0.0]
    if not len(values):
        return 1.0
    doubled = _doubled_ranks(np.abs(values))
    positive = int(doubled[values > 0].sum())
    if len(values) <= _EXACT:
        return _exact_tail(doubled, positive)
    mean, variance = doubled.sum() / 2, float((doubled.astype(np.float64) ** 2).sum()) / 4
    return 0.5 * erfc((positive - 1.0 - mean) / sqrt(2 * variance))


def _doubled_ranks(magnitudes: Floats) -> npt.NDArray[np.int64]:
    """Twice the rank of each, which is whole also for ties."""
    _, group, counts = np.unique(magnitudes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    doubled: npt.NDArray[np.int64] = (2 * last - counts + 1)[group.reshape(-1)].astype(np.int64)
    return doubled


def _exact_tail(doubled: npt.NDArray[np.int64], observed: int) -> float:
    """Probability that the ranks with positive signs sum up to `observed` or more."""
    probability = np.zeros(int(doubled.sum()) + 1)
    probability[0] = 1.0
    for rank in doubled:
        moved = np.zeros_like(probability)
        moved[rank:] = probability[: len(probability) - rank]
        probability = (probability + moved) / 2
    return float(probability[observed:].sum())
