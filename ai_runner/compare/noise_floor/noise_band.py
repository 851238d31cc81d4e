"""What a layer of a target computes, held against all that trusted kernels compute from the same inputs.

Kernel sets that are all correct differ: by a step of the quantization in some elements of an integer layer, in the
last digits of a real one. The elementwise band between the smallest and the largest of their results is the noise
floor; what lies outside of it is the error that the layer introduces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.metrics import BLOCK, blocks
from ai_runner.compare.tensor_pair import class_count, real_values, step_size
from ai_runner.compare.tolerance import has_steps, is_integer, same_integers
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]

# A correct kernel that is not among the trusted ones rounds one step beyond them, here and there.
STEPS_PER_OPERATOR = 1.0
SHARE_OF_TENSOR, LEAST_OF_TENSOR = 0.02, 8
SHARE_OF_CHANNEL, LEAST_OF_CHANNEL = 0.10, 4
REAL_SHARE_OF_MAXIMUM = 1e-5

# Real values that stand for integers are float32: an error of exactly one step may come out a little beside it.
_STEP_SLACK = 0.01


@dataclass(frozen=True)
class IntroducedError:
    """What one layer adds to the error of its inputs.

    Attributes:
        operators: that were run again between the recorded tensors and this one.
        kernels: the sets that span the band.
        count: elements judged, over all samples.
        outside: elements outside of the band; None for real values, whose band has no width to count by.
        largest: the largest distance outside of the band, in LSB of the reference or, for real values, as it is.
        allowed: the distance up to which an element may lie outside, likewise.
        band: the largest width of the band, likewise.
        non_finite: NaN and Inf of the target where the trusted kernels have numbers.
        worst_channel: the channel (last dimension) with most elements outside, and how many; None without any.
        answers: samples whose largest score is another one than all kernel sets agree on; None where not asked.
        reason: why it diverges, one clause; '' when it does not.
        beyond_noise: why it lies beyond the noise floor, likewise; not what `reason` says where equality is demanded.
        unequal: elements that differ from each kernel set, by its name; None where they were not counted.
    """

    operators: int
    kernels: tuple[str, ...]
    count: int
    outside: int | None
    largest: float
    allowed: float
    band: float
    non_finite: int = 0
    worst_channel: tuple[int, int] | None = None
    answers: int | None = None
    reason: str = ""
    beyond_noise: str = ""
    unequal: Mapping[str, int] | None = None

    @property
    def diverges(self) -> bool:
        """True when the layer computes something else than any trusted kernel would."""
        return bool(self.reason)


class NoiseBand:
    """Accumulates one tensor of a target over the samples.

    Args:
        reference, target: the tensor as both sides declare it.
        exact: demand equality with one kernel set instead.
        answers: the tensor holds a score a class, and the largest one has to be the trusted one.
        thorough: count the elements that differ from each kernel set, whether or not equality is demanded.
    """

    def __init__(
        self,
        reference: TensorInfo,
        target: TensorInfo,
        *,
        exact: bool = False,
        answers: bool = False,
        thorough: bool = False,
    ) -> None:
        self.reference = reference
        self.target = target
        self._integers = is_integer(reference)
        self._same = same_integers(reference, target)
        self._exact = exact
        self._thorough = thorough or exact
        self._kernels: dict[str, int] = {}  # elements that differ from each
        self._operators = 0
        self._count = 0
        self._outside = 0
        self._largest = 0.0
        self._band = 0.0
        self._maximum = 0.0
        self._non_finite = 0
        channels = reference.sample_shape[-1] if reference.sample_shape else 1
        self._by_channel = np.zeros(channels, np.int64)
        self._classes = class_count(reference) if answers else 0
        self._answers = 0

    def agree(self, target: Array) -> None:
        """Adds samples in which the target is known to equal a trusted result."""
        self._count += target.size
        if not self._integers:
            finite = np.abs(target[np.isfinite(target)])
            self._maximum = max(self._maximum, float(finite.max(initial=0.0)))

    def update(
        self,
        target: Array,
        trusted: Mapping[str, Array],
        operators: int,
        also: Callable[[], Sequence[Array]] = tuple,
        stored_as: Quantization | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Adds samples.

        Args:
            target: what the target computed, ``(batch,) + sample_shape`` as it declares it.
            trusted: by kernel set, in the type and shape of the reference.
            operators: that lie between the recorded inputs and this tensor.
            also: further correct results, as many elements each: they widen the band and are no kernel set. Asked for
                where integers lie outside of the band of the others.
            stored_as: real values that are integers made real are judged as these integers are.

        Returns:
            Which samples have an element outside of the band, ``(batch,)``.
        """
        self._operators = max(self._operators, operators)
        if stored_as is not None and not self._integers:
            self.reference, self._integers = replace(self.reference, quantization=stored_as), True
        first = next(iter(trusted.values()))
        batch = len(first)
        values = target.reshape(first.shape)
        for kernels, result in trusted.items():
            unequal = self._unequal(values, result) if self._thorough else 0
            self._kernels[kernels] = self._kernels.get(kernels, 0) + unequal
        within = list(trusted.values())
        parts = list(blocks(batch, max(1, BLOCK // max(1, first[:1].size))))
        asked = self._integers and has_steps(self.reference)
        if asked and any(self._any_outside(values[rows], [result[rows] for result in within]) for rows in parts):
            within += [result.reshape(first.shape) for result in also()]
        touched = np.zeros(batch, bool)
        for rows in parts:
            touched[rows] = self._update_rows(values[rows], [result[rows] for result in within])
        if self._classes > 1:
            self._count_answers(values.reshape(batch, -1), [r.reshape(batch, -1) for r in trusted.values()])
        self._count += first.size
        return touched

    def _update_rows(self, target: Array, trusted: Sequence[Array]) -> npt.NDArray[np.bool_]:
        low, high = _band(trusted)
        below, above, width = self._distances(target, low, high)
        distance = np.maximum(below, above)
        if target.dtype.kind == "f":
            distance = self._without_non_finite(distance, target, low, high)
        if not self._integers:
            finite = np.abs(high[np.isfinite(high)]), np.abs(low[np.isfinite(low)])
            self._maximum = max(self._maximum, *(float(x.max(initial=0.0)) for x in finite))
        outside = distance > (0.0 if self._same or not self._integers else _STEP_SLACK)
        finite_width = width if self._same else np.where(np.isfinite(width), width, 0.0)
        self._band = max(self._band, float(finite_width.max(initial=0)))
        self._largest = max(self._largest, float(distance.max(initial=0)))
        if outside.any():
            self._outside += int(outside.sum())
            self._by_channel += outside.reshape(-1, len(self._by_channel)).sum(axis=0)
        return np.asarray(outside.reshape(len(outside), -1).any(axis=1), bool)

    def _any_outside(self, target: Array, trusted: Sequence[Array]) -> bool:
        low, high = _band(trusted)
        if self._same:
            return bool(((target < low) | (target > high)).any())
        below, above, _ = self._distances(target, low, high)
        return bool((np.maximum(below, above) > _STEP_SLACK).any())

    def _unequal(self, target: Array, trusted: Array) -> int:
        if self._same:
            return int((target != trusted).sum())
        if not is_integer(self.reference):
            return int(((target != trusted) & ~(np.isnan(target) & np.isnan(trusted))).sum())
        below, above, _ = self._distances(target, trusted, trusted)
        return int((np.maximum(below, above) > _STEP_SLACK).sum())

    def _distances(self, target: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
        """How far below and above the band, and its width; in LSB for integers."""
        if self._same:
            wide = np.dtype(np.int16 if target.dtype.itemsize == 1 else np.float64)
            lowest, highest, values = (x.astype(wide) for x in (low, high, target))
            return lowest - values, values - highest, highest - lowest
        with np.errstate(invalid="ignore"):
            values = real_values(self.target, target).astype(np.float64)
            lowest = real_values(self.reference, low).astype(np.float64)
            highest = real_values(self.reference, high).astype(np.float64)
            step = step_size(self.reference, low.ndim) if self._integers else 1.0
            return (lowest - values) / step, (values - highest) / step, (highest - lowest) / step

    def _without_non_finite(self, distance: Array, target: Array, low: Array, high: Array) -> Array:
        """0 for what is no number on both sides; such as only the target has is counted."""
        finite = np.isfinite(target)
        if finite.all() and np.isfinite(distance).all():
            return distance
        trusted = np.isfinite(low) & np.isfinite(high)
        self._non_finite += int((~finite & trusted).sum())
        return np.where(finite & trusted, np.nan_to_num(distance), 0.0)

    def _count_answers(self, target: Array, trusted: list[Array]) -> None:
        answers = np.stack([result.argmax(axis=1) for result in trusted])
        agreed = (answers == answers[0]).all(axis=0)
        for result in trusted:  # among equal scores any may be taken for the answer
            agreed &= (result == result.max(axis=1, keepdims=True)).sum(axis=1) == 1
        chosen = np.take_along_axis(target, answers[:1].T, axis=1)[:, 0]
        self._answers += int((agreed & (chosen != target.max(axis=1))).sum())

    def result(self) -> IntroducedError:
        """What was found so far."""
        worst = int(self._by_channel.argmax()) if self._by_channel.any() else None
        return IntroducedError(
            operators=self._operators,
            kernels=tuple(self._kernels),
            count=self._count,
            outside=self._outside if self._integers else None,
            largest=self._largest,
            allowed=self._allowed(),
            band=self._band,
            non_finite=self._non_finite,
            worst_channel=None if worst is None else (worst, int(self._by_channel[worst])),
            answers=self._answers if self._classes > 1 else None,
            reason=self._reason_of_inequality() if self._exact else self._reason_beyond_noise(),
            beyond_noise=self._reason_beyond_noise(),
            unequal=dict(self._kernels) if self._thorough else None,
        )

    def _allowed(self) -> float:
        operators = max(1, self._operators)
        if not self._integers:
            return REAL_SHARE_OF_MAXIMUM * self._maximum * operators
        return STEPS_PER_OPERATOR * operators if has_steps(self.reference) else 0.0

    def _reason_beyond_noise(self) -> str:
        if self._non_finite:
            return f"{self._non_finite} of {self._count} elements are NaN or Inf where trusted kernels have numbers"
        allowed, unit = self._allowed(), " LSB" if self._integers else ""
        band = f"the band of the {', '.join(self._kernels)} kernels"
        if self._largest > allowed + (_STEP_SLACK if self._integers and not self._same else 0.0):
            return f"an element lies {self._largest:.4g}{unit} outside of {band}, {allowed:.4g}{unit} are noise"
        if self._integers and self._outside > max(LEAST_OF_TENSOR - 1, SHARE_OF_TENSOR * self._count):
            return f"{self._outside} of {self._count} elements lie outside of {band}, {SHARE_OF_TENSOR:.0%} are noise"
        in_channel = self._count / len(self._by_channel)
        worst = int(self._by_channel.max())
        if self._integers and worst > max(LEAST_OF_CHANNEL - 1, SHARE_OF_CHANNEL * in_channel):
            channel = int(self._by_channel.argmax())
            return f"{worst} of {in_channel:.0f} elements of channel {channel} lie outside of {band}"
        if self._answers:
            return f"in {self._answers} samples the answer is not the one that all trusted kernels agree on"
        return ""

    def _reason_of_inequality(self) -> str:
        if not self._kernels or not all(self._kernels.values()):
            return ""
        nearest = min(self._kernels, key=lambda kernels: self._kernels[kernels])
        return f"{self._kernels[nearest]} of {self._count} elements differ from the {nearest} kernels, the nearest ones"


def _band(results: Sequence[Array]) -> tuple[Array, Array]:
    low = high = results[0]
    for result in results[1:]:
        low, high = np.minimum(low, result), np.maximum(high, result)
    return low, high
