"""A tensor of the reference and its counterpart of the target: everything measured about the two, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.byte_pairs import BytePairs
from ai_runner.compare.metrics import Agreement, ErrorMetrics, IntegerErrors, blocks, exact_difference, no_metrics
from ai_runner.compare.tolerance import Tolerance, ToleranceRule, is_integer, same_integers
from ai_runner.errors import InvalidMsgError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

# Dequantised values are float32: an error of exactly one step may come out a little above it.
_LSB_SLACK = 0.01
_BYTES = {np.dtype(np.int8), np.dtype(np.uint8)}
_BLOCK = 1 << 18  # elements dequantised at once


@dataclass(frozen=True)
class TensorComparison:
    """What was found about a pair of tensors.

    Attributes:
        name: of the reference's tensor.
        metrics: on real (dequantised) values, see `metrics.ErrorMetrics.values`.
        metrics_raw: on the stored values; NaN everywhere when the two store different things.
        max_lsb: largest error in the steps that the tolerance is in; None for a tolerance of real values.
        histogram: integer error to number of values; empty when the two store different things.
        tolerance: what the pair is held to.
        beyond: number of values beyond tolerance; NaN and Inf on either side always are, equal or not.
        count: number of values compared.
        largest_excess: largest distance beyond tolerance of a real value.
    """

    name: str
    metrics: Mapping[str, float]
    metrics_raw: Mapping[str, float]
    max_lsb: float | None
    histogram: Mapping[int, int]
    tolerance: Tolerance
    beyond: int
    count: int

    @property
    def within(self) -> bool:
        """True when something was compared and all of it is within tolerance."""
        return self.count > 0 and self.beyond == 0

    @property
    def reason(self) -> str:
        """Why the pair is not within tolerance, one clause; '' when it is."""
        if self.within:
            return ""
        if not self.count:
            return "no value was compared"
        non_finite = self._non_finite()
        if non_finite:
            return non_finite
        share = f"{self.beyond} of {self.count} values beyond {self.tolerance}"
        if self.max_lsb is not None:
            return f"{share}, the largest error is {self.max_lsb:.4g} LSB"
        return f"{share}, the largest error is {self.metrics['max_abs']:.4g}"

    def _non_finite(self) -> str:
        sides = []
        for side in ("reference", "target"):
            nans, infinities = int(self.metrics[f"{side}_nan"]), int(self.metrics[f"{side}_inf"])
            if nans or infinities:
                sides.append(f"the {side} has {nans} NaN and {infinities} Inf")
        return " and ".join(sides)


class TensorPair:
    """Accumulates the comparison of two tensors; mergeable like the metrics it is made of.

    Integers of the same meaning are held against each other as they are stored. Otherwise real values are, with the
    tolerance in steps of the reference's scale where the reference is quantized, of the target's where only that is.
    """

    def __init__(self, reference: TensorInfo, target: TensorInfo, rule: ToleranceRule) -> None:
        self.reference = reference
        self.target = target
        self.tolerance = rule.of(reference, target)
        self._same_integers = same_integers(reference, target)
        self._same_storage = self._same_integers or not (is_integer(reference) or is_integer(target))
        self._meaning_of_target = target
        if self._same_integers and target.quantization is None:
            self._meaning_of_target = replace(target, quantization=reference.quantization)
        self._meaning_of_reference = reference
        if self._same_integers and reference.quantization is None:
            self._meaning_of_reference = replace(reference, quantization=target.quantization)
        self._stepped = reference if is_integer(reference) else target
        self._classes = class_count(reference)
        self._metrics = ErrorMetrics()
        self._metrics_raw = ErrorMetrics()
        self._agreement = Agreement()
        self._integers = IntegerErrors()
        self._bytes = BytePairs(reference.dtype) if self._counts_bytes() else None
        self._largest_lsb = 0.0
        self._beyond = 0
        self._count = 0

    def update(self, reference: Array, target: Array) -> None:
        """Adds samples in the stored types: ``(batch,) + sample_shape`` on both sides, dimensions of 1 apart.

        Raises:
            InvalidMsgError: the target returned another number of values than it had declared.
        """
        if reference.size != target.size:
            raise InvalidMsgError(
                f"tensor '{self.target.name}': {target.size} values returned where {reference.size} were expected"
            )
        batch, size = len(reference), prod(reference.shape[1:])
        target = target.reshape(reference.shape)
        if self._bytes is not None:
            self._bytes.update(reference, target)
            if self._classes > 1:
                shape = (batch, self._classes)
                self._agreement.update(reference.reshape(shape), target.reshape(shape))
            return
        for rows in blocks(batch, max(1, _BLOCK // max(1, size))):
            self._update_rows(reference[rows], target[rows])

    def _counts_bytes(self) -> bool:
        """Whether both sides store the same 8-bit integers with one scale, whose order is that of the real values."""
        quantization = self._meaning_of_reference.quantization
        one_scale = quantization is None or (not quantization.per_channel and quantization.scale[0] > 0.0)
        types = {self.reference.dtype, self.target.dtype}
        whole = self.reference.format is None and self.target.format is None
        return self._same_integers and len(types) == 1 and types <= _BYTES and one_scale and whole

    def _update_rows(self, reference: Array, target: Array) -> None:
        real_reference = real_values(self._meaning_of_reference, reference)
        real_target = real_values(self._meaning_of_target, target)
        self._metrics.update(real_reference, real_target)
        if self._classes > 1:
            shape = (len(reference), self._classes)
            self._agreement.update(real_reference.reshape(shape), real_target.reshape(shape))
        if self._same_integers:
            self._integers.update(reference, target)
        if self._same_integers and real_reference is not reference:
            self._metrics_raw.update(reference, target)
        self._count += reference.size
        self._beyond += self._count_beyond(reference, target, real_reference, real_target)

    def _count_beyond(self, reference: Array, target: Array, real_reference: Array, real_target: Array) -> int:
        if np.array_equal(reference, target) and self._same_storage:
            return reference.size - int(np.isfinite(reference).sum())
        tolerance = self.tolerance
        if self._same_integers and tolerance.max_lsb is not None:
            return int((np.abs(exact_difference(reference, target)) > tolerance.max_lsb).sum())
        with np.errstate(invalid="ignore"):
            error = np.abs(exact_difference(real_reference, real_target))
            if tolerance.max_lsb is not None:
                steps = error / step_size(self._stepped, reference.ndim)
                largest = float(np.max(steps, initial=0.0, where=np.isfinite(steps)))
                self._largest_lsb = max(self._largest_lsb, largest)
                within = steps <= tolerance.max_lsb + _LSB_SLACK
            else:
                within = error <= tolerance.atol + tolerance.rtol * np.abs(real_reference.astype(np.float64))
        within &= np.isfinite(real_reference) & np.isfinite(real_target)
        return int(within.size - within.sum())

    def real_reference(self, reference: Array) -> Array:
        """The real values of the reference's tensor."""
        return real_values(self._meaning_of_reference, reference)

    def real_target(self, target: Array) -> Array:
        """The real values of the target's tensor, in the shape that the reference has."""
        shape = (len(target), *self.reference.sample_shape)
        return real_values(self._meaning_of_target, target.reshape(shape))

    def merge(self, other: TensorPair) -> None:
        """Adds what another one of the same tensors has seen."""
        self._metrics.merge(other._metrics)
        self._metrics_raw.merge(other._metrics_raw)
        self._agreement.merge(other._agreement)
        self._integers.merge(other._integers)
        self._largest_lsb = max(self._largest_lsb, other._largest_lsb)
        self._beyond += other._beyond
        self._count += other._count
        if self._bytes is not None and other._bytes is not None:
            self._bytes.merge(other._bytes)

    def result(self) -> TensorComparison:
        """What was found so far."""
        agreement = self._agreement if self._classes > 1 else None
        if self._bytes is not None:
            return self._result_of_bytes(self._bytes, agreement)
        metrics = self._metrics.values(agreement)
        raw = metrics
        if not self._same_storage:
            raw = no_metrics()
        elif self._metrics_raw.count:
            raw = self._metrics_raw.values(agreement)
        return TensorComparison(
            name=self.reference.name,
            metrics=metrics,
            metrics_raw=raw,
            max_lsb=self._max_lsb(),
            histogram=self._integers.histogram() if self._same_integers else {},
            tolerance=self.tolerance,
            beyond=self._beyond,
            count=self._count,
        )

    def _result_of_bytes(self, pairs: BytePairs, agreement: Agreement | None) -> TensorComparison:
        histogram, count = pairs.histogram(), pairs.count
        raw = pairs.stored.astype(np.float64)
        tables = (real_values(tensor, pairs.stored) for tensor in (self._meaning_of_reference, self._meaning_of_target))
        allowed = self.tolerance.max_lsb or 0.0
        return TensorComparison(
            name=self.reference.name,
            metrics=pairs.metrics(*(table.astype(np.float64) for table in tables)).values(agreement),
            metrics_raw=pairs.metrics(raw, raw).values(agreement),
            max_lsb=float(max(map(abs, histogram))) if count else None,
            histogram=histogram,
            tolerance=self.tolerance,
            beyond=sum(number for error, number in histogram.items() if abs(error) > allowed),
            count=count,
        )

    def _max_lsb(self) -> float | None:
        if not self._count or self.tolerance.max_lsb is None:
            return None
        return self._integers.largest if self._same_integers else self._largest_lsb


def real_values(tensor: TensorInfo, stored: Array) -> Array:
    """The real values that `stored` stands for: float32 where there is a quantization, `stored` itself elsewhere."""
    if tensor.quantization is not None and is_integer(tensor):
        quantization = tensor.quantization
        if quantization.per_channel:
            quantization = replace(quantization, axis=quantization.axis + stored.ndim - len(tensor.shape))
        return quantization.dequantize(stored)
    if tensor.format is not None and tensor.format.fixed_point:
        return np.ldexp(stored.astype(np.float32), -tensor.format.fractional_bits)
    return stored


def step_size(tensor: TensorInfo, ndim: int) -> npt.NDArray[np.float64]:
    """The real size of one step of a quantized tensor, broadcastable to `ndim` dimensions; 1 without a quantization."""
    if tensor.quantization is None:
        return np.ones((1,) * ndim)
    shape = [1] * ndim
    if tensor.quantization.per_channel:
        shape[tensor.quantization.axis + ndim - len(tensor.shape)] = -1
    return np.array(tensor.quantization.scale, np.float64).reshape(shape)


def class_count(tensor: TensorInfo) -> int:
    """Number of scores when a sample is a vector (dimensions of 1 apart); 0 for a feature map."""
    sizes = [size for size in tensor.sample_shape if size != 1]
    return prod(sizes) if len(sizes) <= 1 else 0
