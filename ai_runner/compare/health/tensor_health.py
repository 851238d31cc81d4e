"""What is odd about a tensor by itself, whatever the reference says: saturated, constant, dead, stale, half unused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.health.unchanged import Unchanged
from ai_runner.compare.health.unwritten import Unwritten
from ai_runner.compare.health.value_counts import ValueCounts
from ai_runner.compare.tensor_pair import real_values
from ai_runner.compare.tolerance import has_steps, is_integer, same_integers
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

SATURATED_SHARE = 0.05  # of the elements at one end of the range, more than the reference has there
USED_SHARE = 0.25  # of the 256 values of an int8 tensor; fewer waste two bits of resolution
FEWEST_SAMPLES = 4  # below, constants and unused ranges say more about the inputs than about the target
ROUNDED_STEPS = (
    2  # of an integer with a scale: a reference that moves no further may not move at all in another correct runtime
)
ROUNDED_SHARE = 1e-4  # of the reference's range, likewise for real values
REQUANTISED_SHARE = 0.25  # of it, where only one of the two is quantised
CHANCE = 0.01  # of the samples equal the one before although they should not: saturated ones do
CHANCE_OF_FEW = 0.1  # where there are few values, or only one of the two is quantised
FEW_ELEMENTS = 4


@dataclass(frozen=True)
class TensorHealth:
    """One tensor of a target over all samples.

    Attributes:
        name: of the reference's tensor, or of the target's where it has none.
        samples, count: how many samples and elements were seen.
        nan, inf: elements.
        lowest, highest: smallest and largest finite value as stored; None without any.
        at_lower, at_upper: elements at the ends of an integer's range, of real values at the lowest and the highest;
            None without a finite value.
        constant: every element of every sample is the same.
        dead_channels: channels (last dimension) with one value throughout; 0 when the whole tensor is constant.
        repeated: samples equal to the one before although the reference's clearly differ, or where it has none the
            inputs.
        unwritten: elements of a sample that are not written, in all runs or in some.
        findings: what a reader should know, one clause each.
        kinds: of the findings, a word each: ``non_finite``, ``stale`` (unchanged, or not written at all), ``constant``,
            ``dead_channels``, ``saturation``, ``unused_range``.
    """

    name: str
    samples: int
    count: int
    nan: int
    inf: int
    lowest: float | None
    highest: float | None
    at_lower: int | None
    at_upper: int | None
    constant: bool
    dead_channels: int
    repeated: int
    unwritten: int = 0
    findings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class HealthMonitor:
    """Accumulates the health of one tensor, chunk by chunk, beside that of the reference's.

    What the reference shows as well, such as a softmax that saturates, is no finding. Both are held against each other
    as the target stores them, and what a rounding can make of a value is no difference.

    Args:
        tensor: as the target declares it.
        name: what findings call it.
        reference: as the reference declares it; None where it has no such tensor.
    """

    def __init__(self, tensor: TensorInfo, name: str, reference: TensorInfo | None = None) -> None:
        self._tensor = tensor
        self._name = name
        self._expected_as = reference or tensor
        self._same_storage = stored_alike(self._expected_as, tensor)
        self._channels = tensor.sample_shape[-1] if tensor.sample_shape else 1
        self._target = ValueCounts.none(self._channels)
        self._reference = ValueCounts.none(self._channels)
        self._samples = self._unwritten_nan = 0
        self._unchanged = Unchanged()
        self._unwritten = Unwritten(prod(tensor.sample_shape))

    def update(self, values: Array, expected: Array | None, new_inputs: npt.NDArray[np.bool_]) -> None:
        """Adds samples.

        Args:
            values: ``(batch,) + sample_shape``, as stored.
            expected: what the reference has, of as many values; None where it has no such tensor.
            new_inputs: ``(batch,)``, which samples have other inputs than the one before.
        """
        if not values.size:
            return
        rows = values.reshape(len(values), -1)
        self._samples += len(rows)
        counts = ValueCounts.of(values, self._channels)
        self._target.add(counts)
        if expected is not None:
            expected = as_stored_by(self._tensor, self._expected_as, expected, values.shape)
            same = expected.dtype == values.dtype and np.array_equal(expected, values)
            right = counts if same else ValueCounts.of(expected, self._channels, self._slack)
            self._reference.add(right, self._slack)
            expected = expected.reshape(len(rows), -1)
        self._unchanged.update(rows, expected, new_inputs, self._slack)
        self._unwritten_nan += self._unwritten.update(rows, expected, self._slack)

    def update_again(self, values: Array) -> None:
        """Adds samples that were run before, ``(batch,) + sample_shape``: only canaries are looked for."""
        self._unwritten.update(values.reshape(len(values), -1))

    def result(self) -> TensorHealth:
        """What was found so far."""
        counts, findings = self._target, self._findings()
        return TensorHealth(
            name=self._name,
            samples=self._samples,
            count=counts.count,
            nan=counts.nan,
            inf=counts.inf,
            lowest=counts.lowest if counts.known else None,
            highest=counts.highest if counts.known else None,
            at_lower=counts.at_lower if counts.known else None,
            at_upper=counts.at_upper if counts.known else None,
            constant=counts.constant,
            dead_channels=0 if counts.constant or self._channels == 1 else int(counts.dead().sum()),
            repeated=self._unchanged.count,
            unwritten=self._unwritten.count,
            findings=tuple(findings.values()),
            kinds=tuple(findings),
        )

    @property
    def _slack(self) -> float:
        """By how much two correct runtimes may differ, as the target stores it."""
        share = ROUNDED_SHARE if self._same_storage else REQUANTISED_SHARE
        stepped = self._tensor.dtype.kind in "iu" and (has_steps(self._tensor) or has_steps(self._expected_as))
        steps = ROUNDED_STEPS if stepped else 0
        return max(steps, share * self._reference.span)

    def _findings(self) -> dict[str, str]:
        """What is odd, by its kind."""
        counts, expected, found = self._target, self._reference, dict[str, str]()
        nan = counts.nan - self._unwritten_nan
        if (nan, counts.inf) != (expected.nan, expected.inf):
            found["non_finite"] = f"{nan} NaN and {counts.inf} Inf in {counts.count} elements"
        if stale := self._stale():
            found["stale"] = stale
        if not counts.known or self._samples < FEWEST_SAMPLES or self._unwritten.never:
            return found
        if counts.constant:
            if not expected.known or expected.span > self._slack:
                found["constant"] = f"every element is {counts.lowest:g}"
            return found
        dead = counts.dead() & (expected.alive(self._slack) if expected.known else True)
        if self._channels > 1 and dead.any():
            found["dead_channels"] = f"{int(dead.sum())} of {self._channels} channels never change"
        if ends := self._saturation():
            found["saturation"] = ends
        if unused := self._unused_range():
            found["unused_range"] = unused
        return found

    def _stale(self) -> str:
        repeated = self._unchanged.count
        few = prod(self._tensor.sample_shape) < FEW_ELEMENTS or not self._same_storage
        most = CHANCE_OF_FEW if few else CHANCE
        clauses = [self._unwritten.finding] if self._unwritten.finding else []
        if repeated > most * self._samples and not self._unwritten.never:
            clauses.append(f"in {repeated} of {self._samples} samples it did not change though it should have")
        return ", ".join(clauses)

    def _saturation(self) -> str:
        """Which end of the range has far more elements than that of the reference."""
        counts, expected, kind = self._target, self._reference, self._tensor.dtype.kind
        integers = kind in "iu" and self._tensor.quantization is not None
        if not integers and not (kind == "f" and expected.known):
            return ""
        clauses = []
        for word, value, mine, theirs in (
            ("upper", counts.highest, counts.at_upper, expected.at_upper),
            ("lower", counts.lowest, counts.at_lower, expected.at_lower),
        ):
            share, right = mine / counts.count, theirs / max(expected.count, 1)
            if not expected.known and word == "lower":
                continue  # a ReLU or a softmax has many there
            if share > max(2 * right, right + SATURATED_SHARE):
                where = f"at the {word} end of the range" if integers else f"at its {word} end {value:.6g}"
                clauses.append(f"{share:.1%} of its elements are {where}{self._beside(f'{right:.1%}')}")
        return ", ".join(clauses)

    def _unused_range(self) -> str:
        counts = self._target
        one_byte = self._tensor.dtype.kind in "iu" and self._tensor.dtype.itemsize == 1
        if not one_byte or self._tensor.quantization is None or counts.span + 1 >= USED_SHARE * 256:
            return ""
        mine, right = (f"{(seen.span + 1) / 256:.0%}" for seen in (counts, self._reference))
        return f"uses {counts.lowest:g}..{counts.highest:g}, {mine} of its range{self._beside(right)}"

    def _beside(self, value: str) -> str:
        return f", the reference {value}" if self._reference.known else ""


def stored_alike(one: TensorInfo, other: TensorInfo) -> bool:
    """Whether both are integers of one meaning, or both real."""
    return same_integers(one, other) or not (is_integer(one) or is_integer(other))


def as_stored_by(tensor: TensorInfo, reference: TensorInfo, values: Array, shape: tuple[int, ...]) -> Array:
    """What a reference holds, as a target stores it.

    Args:
        tensor, reference: as target and reference declare it.
        values: of the reference, as stored.
        shape: of the target's array, with as many values.

    Returns:
        Integers of the target's type where it has a quantization, real values elsewhere; integers of the same meaning
        and real values as they are.
    """
    if stored_alike(reference, tensor):
        return values.reshape(shape)
    real = real_values(reference, values).reshape(shape)
    if not is_integer(tensor) or tensor.quantization is None:
        return real if real.dtype.kind == "f" else real.astype(np.float64)
    quantization = tensor.quantization
    if quantization.per_channel:
        quantization = replace(quantization, axis=quantization.axis + len(shape) - len(tensor.shape))
    return quantization.quantize(real, tensor.dtype)


def changed(inputs: list[Array], before: list[Array] | None) -> npt.NDArray[np.bool_]:
    """Which samples have other inputs than the one before them, ``(batch,)``.

    Args:
        inputs: one array an input, ``(batch, ...)``.
        before: the last sample of the chunk before, one array ``(1, ...)`` an input; None when there is none.
    """
    different = np.zeros(len(inputs[0]), bool)
    for place, array in enumerate(inputs):
        rows = array.reshape(len(array), -1)
        first = rows[:1] if before is None else before[place].reshape(1, -1)
        different |= (rows != np.concatenate([first, rows[:-1]])).any(axis=1)
    if before is None and len(different):
        different[0] = True
    return different
