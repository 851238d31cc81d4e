"""How far a target is from a reference: accumulators that see the data in chunks and can be merged.

Every accumulator obeys one law: whatever way the data is cut, updating chunk by chunk, or merging accumulators of
the chunks, gives what one update with the whole gives, within float64 rounding.

The set (acc, rmse, mae, l2r, mean, std, nse, cos) is that of ST's `validate` command ("Evaluation report and metrics",
ST Edge AI Core documentation); error means reference - target throughout, as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, log10, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCK = 1 << 16  # elements worked on at once: their float64 temporaries stay in the processor's cache
HISTOGRAM_REACH = 256  # errors of this size and beyond share the outermost bins

METRICS = ("acc", "rmse", "mae", "l2r", "mean", "std", "nse", "cos", "snr", "max_abs")
NON_FINITE = ("reference_nan", "reference_inf", "target_nan", "target_inf")


@dataclass
class Moments:
    """Count, mean and sum of squared deviations from the mean.

    Merging is the pairwise formula of Chan, Golub and LeVeque (Stanford STAN-CS-79-773, 1979), which loses no digits
    where the textbook difference of sums cancels.
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def update(self, values: npt.NDArray[np.float64]) -> None:
        """Adds finite values of any number, flat."""
        if values.size:
            mean = float(values.mean())
            deviation = values - mean
            self.merge(Moments(values.size, mean, dot(deviation, deviation)))

    def merge(self, other: Moments) -> None:
        """Adds what another one has seen."""
        if not self.count:
            self.count, self.mean, self.m2 = other.count, other.mean, other.m2
            return
        count = self.count + other.count
        delta = other.mean - self.mean
        self.m2 += other.m2 + delta * delta * (self.count / count * other.count)
        self.mean += delta * (other.count / count)
        self.count = count

    @property
    def sample_std(self) -> float:
        """Standard deviation with n - 1 in the denominator; NaN for fewer than two values."""
        return sqrt(self.m2 / (self.count - 1)) if self.count > 1 else nan


@dataclass
class ErrorMetrics:
    """ST's regression metrics, SNR and the largest error, over pairs of values.

    NaN and Inf are counted first and their pairs left out of the numbers: `non_finite` above zero is a failure by
    itself, however good the rest looks.
    """

    reference: Moments = field(default_factory=Moments)
    error: Moments = field(default_factory=Moments)
    absolute: float = 0.0
    largest: float = 0.0
    reference_square: float = 0.0
    target_square: float = 0.0
    product: float = 0.0
    reference_nan: int = 0
    reference_inf: int = 0
    target_nan: int = 0
    target_inf: int = 0

    def update(self, reference: Array, target: Array) -> None:
        """Adds pairs of values: two arrays of one shape, any real dtype.

        Raises:
            ValueError: the shapes differ.
        """
        if reference.shape != target.shape:
            raise ValueError(f"shapes differ: {reference.shape} and {target.shape}")
        flat_reference, flat_target = reference.reshape(-1), target.reshape(-1)
        # Values near the end of float64 overflow in the squares: the metric becomes infinite, which is the answer.
        with np.errstate(over="ignore", invalid="ignore"):
            for block in blocks(flat_reference.size, BLOCK):
                self._update_block(flat_reference[block], flat_target[block])

    def _update_block(self, reference: Array, target: Array) -> None:
        reference, target = self._finite_pairs(reference, target)
        r = reference.astype(np.float64)
        self.reference.update(r)
        square = dot(r, r)
        self.reference_square += square
        if np.array_equal(reference, target):
            self.error.merge(Moments(r.size))
            self.target_square += square
            self.product += square
            return
        t = target.astype(np.float64)
        error = exact_difference(reference, target)
        magnitude = np.abs(error)
        self.error.update(error)
        self.absolute += float(magnitude.sum())
        self.largest = max(self.largest, float(magnitude.max()))
        self.target_square += dot(t, t)
        self.product += dot(r, t)

    def _finite_pairs(self, reference: Array, target: Array) -> tuple[Array, Array]:
        finite_reference, finite_target = np.isfinite(reference), np.isfinite(target)
        if finite_reference.all() and finite_target.all():
            return reference, target
        self.reference_nan += int(np.isnan(reference).sum())
        self.reference_inf += int(np.isinf(reference).sum())
        self.target_nan += int(np.isnan(target).sum())
        self.target_inf += int(np.isinf(target).sum())
        finite = finite_reference & finite_target
        return reference[finite], target[finite]

    def merge(self, other: ErrorMetrics) -> None:
        """Adds what another one has seen."""
        self.reference.merge(other.reference)
        self.error.merge(other.error)
        self.absolute += other.absolute
        self.largest = max(self.largest, other.largest)
        self.reference_square += other.reference_square
        self.target_square += other.target_square
        self.product += other.product
        self.reference_nan += other.reference_nan
        self.reference_inf += other.reference_inf
        self.target_nan += other.target_nan
        self.target_inf += other.target_inf

    @property
    def count(self) -> int:
        """Pairs that the metrics stand on."""
        return self.error.count

    @property
    def non_finite(self) -> int:
        """NaN and Inf seen on either side."""
        return self.reference_nan + self.reference_inf + self.target_nan + self.target_inf

    @property
    def error_square(self) -> float:
        """Sum of squared errors, from the moments: sum(e**2) = m2 + n * mean**2, both terms non-negative."""
        return self.error.m2 + self.error.count * (self.error.mean * self.error.mean)

    @property
    def rmse(self) -> float:
        """Root mean square error: sqrt(mean(e**2))."""
        return sqrt(self.error_square / self.count) if self.count else nan

    @property
    def mae(self) -> float:
        """Mean absolute error: mean(abs(e))."""
        return self.absolute / self.count if self.count else nan

    @property
    def l2r(self) -> float:
        """Relative error in the 2-norm: norm(e) / norm(reference); 0 without an error, inf for a zero reference."""
        return _ratio(sqrt(self.error_square), sqrt(self.reference_square)) if self.count else nan

    @property
    def mean(self) -> float:
        """Mean of the error (its bias): mean(reference - target)."""
        return self.error.mean if self.count else nan

    @property
    def std(self) -> float:
        """Standard deviation of the error with n - 1 in the denominator, as in ST's examples."""
        return self.error.sample_std

    @property
    def nse(self) -> float:
        """Nash-Sutcliffe efficiency: 1 - sum(e**2) / sum((reference - mean(reference))**2).

        J. E. Nash and J. V. Sutcliffe, Journal of Hydrology 10 (1970) 282-290. 1 is best, 0 is as good as the
        reference's mean; minus infinity for an error against a constant reference.
        """
        return 1.0 - _ratio(self.error_square, self.reference.m2) if self.count else nan

    @property
    def cos(self) -> float:
        """Cosine similarity: dot(reference, target) / (norm(reference) * norm(target)).

        1 when both are zero everywhere, 0 when one is.
        """
        if not self.count:
            return nan
        norms = sqrt(self.reference_square) * sqrt(self.target_square)
        if norms == 0.0:
            return 1.0 if self.reference_square == self.target_square else 0.0
        return min(1.0, max(-1.0, self.product / norms)) if self.error_square else 1.0

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio in dB: 10 * log10(sum(reference**2) / sum(e**2)); infinite without an error."""
        if not self.count:
            return nan
        ratio = _ratio(self.reference_square, self.error_square) if self.error_square else inf
        return 10.0 * log10(ratio) if ratio else -inf

    @property
    def max_abs(self) -> float:
        """Largest absolute error."""
        return self.largest if self.count else nan

    def values(self, agreement: Agreement | None = None) -> dict[str, float]:
        """All metrics by name (METRICS, ``count``, NON_FINITE); `acc` is NaN without an agreement."""
        acc = agreement.acc if agreement is not None else nan
        metrics = {name: acc if name == "acc" else float(getattr(self, name)) for name in METRICS}
        return {**metrics, "count": self.count, **{name: getattr(self, name) for name in NON_FINITE}}


def no_metrics() -> dict[str, float]:
    """The keys of `ErrorMetrics.values` with NaN everywhere: for a pair that cannot be measured so."""
    return dict.fromkeys((*METRICS, "count", *NON_FINITE), nan)


@dataclass
class Agreement:
    """`acc`: the share of samples whose highest score stands at the same index in reference and target.

    Ties: the target's first maximum has to be one of the reference's maxima. (Any common maximum would let a dead
    target, equal scores everywhere, agree with everything.) A sample with a NaN on either side does not agree.
    """

    samples: int = 0
    agreeing: int = 0

    def update(self, reference: Array, target: Array) -> None:
        """Adds samples: two arrays ``(batch, classes)``."""
        rows = np.arange(len(reference))
        chosen = reference[rows, target.argmax(axis=1)]
        agrees = (chosen == reference.max(axis=1)) & ~np.isnan(target).any(axis=1)
        self.samples += len(rows)
        self.agreeing += int(agrees.sum())

    def merge(self, other: Agreement) -> None:
        """Adds what another one has seen."""
        self.samples += other.samples
        self.agreeing += other.agreeing

    @property
    def acc(self) -> float:
        """Agreeing samples divided by all; NaN without samples."""
        return self.agreeing / self.samples if self.samples else nan


@dataclass
class LabelAccuracy:
    """Classification accuracy against labels: the first maximum of the scores is the answer, a NaN no answer.

    A single score is the probability of class 1: it answers 1 above 0.5, as binary classifiers are trained.
    """

    samples: int = 0
    right: int = 0

    def update(self, scores: Array, labels: Array) -> None:
        """Adds samples: real scores ``(batch, classes)`` and their class numbers ``(batch,)``."""
        answer = scores[:, 0] > 0.5 if scores.shape[1] == 1 else scores.argmax(axis=1)
        right = (answer == labels) & ~np.isnan(scores).any(axis=1)
        self.samples += len(labels)
        self.right += int(right.sum())

    def merge(self, other: LabelAccuracy) -> None:
        """Adds what another one has seen."""
        self.samples += other.samples
        self.right += other.right

    @property
    def value(self) -> float:
        """Right answers divided by all; NaN without samples."""
        return self.right / self.samples if self.samples else nan


@dataclass
class IntegerErrors:
    """Largest error and histogram of errors of raw integers, in LSB (reference - target)."""

    largest: int = 0
    bins: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * HISTOGRAM_REACH + 1, np.int64))

    def update(self, reference: Array, target: Array) -> None:
        """Adds pairs of integers: two arrays of one shape, integer or bool."""
        flat_reference, flat_target = reference.reshape(-1), target.reshape(-1)
        for block in blocks(flat_reference.size, BLOCK):
            r, t = flat_reference[block], flat_target[block]
            if np.array_equal(r, t):
                self.bins[HISTOGRAM_REACH] += r.size
                continue
            error = exact_difference(r, t)
            self.largest = max(self.largest, int(np.abs(error).max()))
            places = np.clip(error, -HISTOGRAM_REACH, HISTOGRAM_REACH).astype(np.int64) + HISTOGRAM_REACH
            self.bins += np.bincount(places, minlength=self.bins.size)

    def merge(self, other: IntegerErrors) -> None:
        """Adds what another one has seen."""
        self.largest = max(self.largest, other.largest)
        self.bins = self.bins + other.bins

    def histogram(self) -> dict[int, int]:
        """Error to number of values, without the empty bins; ±HISTOGRAM_REACH stand for all beyond as well."""
        return {int(place) - HISTOGRAM_REACH: int(self.bins[place]) for place in np.flatnonzero(self.bins)}


def exact_difference(reference: Array, target: Array) -> npt.NDArray[np.float64]:
    """reference - target as float64, without losing small differences of large 64-bit integers."""
    if reference.dtype.kind in "iu" and reference.dtype.itemsize == 8 and reference.dtype == target.dtype:
        larger, smaller = np.maximum(reference, target), np.minimum(reference, target)
        # Modulo 2**64 the magnitude is right although a signed difference could overflow.
        magnitude = (larger.view(np.uint64) - smaller.view(np.uint64)).astype(np.float64)
        return np.where(reference < target, -magnitude, magnitude)
    difference: npt.NDArray[np.float64] = reference.astype(np.float64) - target.astype(np.float64)
    return difference


def blocks(size: int, length: int) -> Iterator[slice]:
    """Slices of at most `length` that cover `size`."""
    for start in range(0, size, length):
        yield slice(start, min(start + length, size))


def dot(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Sum of products of two vectors, without BLAS: its threads cost more than they bring at these sizes, and far more
    on a busy machine."""
    return float(np.einsum("i,i->", one, other))


def _ratio(numerator: float, denominator: float) -> float:
    if denominator == 0.0:
        return 0.0 if numerator == 0.0 else inf
    return numerator / denominator
