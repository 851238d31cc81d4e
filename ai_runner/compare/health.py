"""What is odd about a tensor by itself, whatever the reference says: saturated, constant, dead, stale, half unused."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.unwritten import Unwritten
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

SATURATED_SHARE = 0.05  # of the elements at one end of the range; a ReLU6 or a softmax has more at the lower end
USED_SHARE = 0.25  # of the 256 values of an int8 tensor; fewer waste two bits of resolution
FEWEST_SAMPLES = 4  # below, constants and unused ranges say more about the inputs than about the target


@dataclass(frozen=True)
class TensorHealth:
    """One tensor of a target over all samples.

    Attributes:
        name: of the reference's tensor, or of the target's where it has none.
        samples, count: how many samples and elements were seen.
        nan, inf: elements.
        lowest, highest: smallest and largest finite value as stored; None without any.
        at_lower, at_upper: elements at the ends of an integer's range; None for real values.
        constant: every element of every sample is the same.
        dead_channels: channels (last dimension) with one value throughout; 0 when the whole tensor is constant.
        repeated: samples equal to the one before although the reference's are not, or where it has none the inputs.
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
    findings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass
class _Counts:
    """What is counted of a tensor's values, chunk by chunk; lowest and highest by channel (last dimension)."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    count: int = 0
    nan: int = 0
    inf: int = 0
    at_lower: int = 0
    at_upper: int = 0

    @classmethod
    def none(cls, channels: int) -> _Counts:
        return cls(np.full(channels, np.inf), np.full(channels, -np.inf))

    @classmethod
    def of(cls, values: Array, channels: int) -> _Counts:
        found = cls.none(channels)
        found.count = values.size
        rows = values.reshape(-1, channels)
        if values.dtype.kind == "f":
            found.nan, found.inf = int(np.isnan(values).sum()), int(np.isinf(values).sum())
            rows = np.where(np.isfinite(rows), rows, np.nan) if found.nan or found.inf else rows
        found.low, found.high = (f.reduce(rows, axis=0).astype(np.float64) for f in (np.fmin, np.fmax))
        if values.dtype.kind in "iu":
            limits = np.iinfo(values.dtype)
            found.at_lower = int((values == limits.min).sum()) if found.low.min() == limits.min else 0
            found.at_upper = int((values == limits.max).sum()) if found.high.max() == limits.max else 0
        return found

    def add(self, other: _Counts) -> None:
        self.low, self.high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        for name in ("count", "nan", "inf", "at_lower", "at_upper"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def known(self) -> bool:
        return bool(self.count) and bool(self.low.min() <= self.high.max())

    @property
    def constant(self) -> bool:
        return self.known and bool(self.low.min() == self.high.max())

    @property
    def dead(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.low == self.high, bool)


class HealthMonitor:
    """Accumulates the health of one tensor, chunk by chunk, beside that of the reference's.

    What the reference shows as well, such as a softmax that saturates, is no finding.

    Args:
        tensor: as the target declares it.
        name: what findings call it.
    """

    def __init__(self, tensor: TensorInfo, name: str) -> None:
        self._tensor = tensor
        self._name = name
        self._channels = tensor.sample_shape[-1] if tensor.sample_shape else 1
        self._target = _Counts.none(self._channels)
        self._reference = _Counts.none(self._channels)
        self._samples = self._repeated = self._unwritten_nan = 0
        self._last: tuple[Array, Array] | None = None
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
        of_reference = rows if expected is None else expected.reshape(len(values), -1)
        self._samples += len(rows)
        self._unwritten_nan += self._unwritten.update(rows)
        counts = _Counts.of(values, self._channels)
        self._target.add(counts)
        same = rows.dtype == of_reference.dtype and np.array_equal(rows, of_reference)
        if expected is not None:
            self._reference.add(counts if same else _Counts.of(of_reference, self._channels))
        self._count_repeated(rows, None if expected is None else of_reference, new_inputs, same)
        self._last = rows[-1:].copy(), of_reference[-1:].copy()

    def _count_repeated(
        self, rows: Array, expected: Array | None, new_inputs: npt.NDArray[np.bool_], same: bool
    ) -> None:
        mine, theirs = (None, None) if self._last is None else self._last
        if expected is not None:
            if same:  # only the first sample can have changed otherwise than the reference's
                rows, expected, new_inputs = rows[:1], expected[:1], new_inputs[:1]
            new_inputs = new_inputs & ~_as_before(expected, theirs)
        self._repeated += int((_as_before(rows, mine) & new_inputs).sum())

    def update_again(self, values: Array) -> None:
        """Adds samples that were run before, ``(batch,) + sample_shape``: only canaries are looked for."""
        self._unwritten.update(values.reshape(len(values), -1))

    def result(self) -> TensorHealth:
        """What was found so far."""
        counts, findings = self._target, self._findings()
        known, integers = counts.known, self._tensor.dtype.kind in "iu"
        return TensorHealth(
            name=self._name,
            samples=self._samples,
            count=counts.count,
            nan=counts.nan,
            inf=counts.inf,
            lowest=float(counts.low.min()) if known else None,
            highest=float(counts.high.max()) if known else None,
            at_lower=counts.at_lower if integers else None,
            at_upper=counts.at_upper if integers else None,
            constant=counts.constant,
            dead_channels=self._dead(counts),
            repeated=self._repeated,
            findings=tuple(findings.values()),
            kinds=tuple(findings),
        )

    def _dead(self, counts: _Counts) -> int:
        return 0 if counts.constant or self._channels == 1 else int(counts.dead.sum())

    def _findings(self) -> dict[str, str]:
        """What is odd, by its kind."""
        counts, expected, found = self._target, self._reference, dict[str, str]()
        nan = counts.nan - self._unwritten_nan
        if (nan, counts.inf) != (expected.nan, expected.inf):
            found["non_finite"] = f"{nan} NaN and {counts.inf} Inf in {counts.count} elements"
        if unwritten := self._unwritten.finding:
            found["stale"] = unwritten
        elif self._repeated:
            found["stale"] = f"in {self._repeated} of {self._samples} samples it did not change though it should have"
        if not counts.known or self._samples < FEWEST_SAMPLES:
            return found
        if counts.constant:
            return found if expected.constant else {**found, "constant": f"every element is {counts.low[0]:g}"}
        dead = int((counts.dead & ~expected.dead).sum()) if self._channels > 1 else 0
        if dead:
            found["dead_channels"] = f"{dead} of {self._channels} channels never change"
        if self._tensor.quantization is None or self._tensor.dtype.kind not in "iu":
            return found
        saturated = counts.at_upper / counts.count
        if saturated > SATURATED_SHARE and saturated * expected.count > 2 * expected.at_upper:
            found["saturation"] = f"{saturated:.1%} of its elements are at the upper end of the range"
        used = float(counts.high.max() - counts.low.min()) + 1
        if self._tensor.dtype.itemsize == 1 and used < USED_SHARE * 256:
            span = f"{counts.low.min():g}..{counts.high.max():g}"
            found["unused_range"] = f"uses {span}, {used / 256:.0%} of its range"
        return found


def _as_before(rows: Array, last: Array | None) -> npt.NDArray[np.bool_]:
    """Which rows equal the one before them; `last` comes before the first."""
    before = np.concatenate([rows[:1] if last is None else last, rows[:-1]])
    same = np.asarray((rows == before).all(axis=1), bool)
    if last is None:
        same[0] = False
    return same


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
