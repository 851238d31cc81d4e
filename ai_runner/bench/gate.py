"""Whether a model has become slower: the rules, on runs in turn or on minima of separate processes.

Sequential comparisons of two series (Mann-Whitney, means) take the machine's moods for a change of the model. Runs in
turn are compared pair by pair: a one-sided Wilcoxon signed-rank test on the log-ratios, at 1 % divided by the number of
layers, and a median shift that matters. Where runs are apart in time, what is left to compare is the minimum that a
process reaches, over at least ten processes. What is deterministic is compared exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

import numpy as np

from ai_runner.bench.measurement import PairedMeasurement, Series
from ai_runner.bench.statistics import (
    Floats,
    clock_step,
    log_ratios,
    median_margin,
    median_shift,
    wilcoxon_greater,
)
from ai_runner.model import NodeInfo
from ai_runner.profile import TimeSource

MODEL = "model"
FEWEST_PAIRS = 20

# Seen on an emulated STM32F405 at 168 MHz: a tick or two, as the line's interrupts fall.
_READING_MS = 2e-5
_READING_PART = 1e-4


class Method(StrEnum):
    """How two times were compared."""

    PAIRS = "pairs"
    MINIMA = "minima"
    EXACT = "exact"
    NONE = "none"


@dataclass(frozen=True)
class LatencyRule:
    """What counts as slower.

    Attributes:
        level: chance of an alarm without reason, over all layers together.
        layer_shift, model_shift: smallest median shift that matters, runs in turn.
        minimum_shift: smallest shift of minima that matters.
        shortest: ms; shorter layers are not judged.
    """

    level: float = 0.01
    layer_shift: float = 0.02
    model_shift: float = 0.005
    minimum_shift: float = 0.03
    shortest: float = 0.001


@dataclass(frozen=True)
class Shift:
    """The model or a layer, before and now.

    Attributes:
        name, type: of the node; MODEL and '' for the whole.
        old, new: what was compared, in `unit`: medians, minima, or the value that every run had.
        unit: "ms", or the type of a counter.
        shift: part by which it is slower, 0.02 for 2 %.
        p: of the test; None without one.
        method: how it was judged.
        slower: the alarm.
        reason: why it was not judged; '' when it was.
        margin: by which part `shift` may be off, as the spread of pairs tells; None where pairs were not judged.
    """

    name: str
    type: str
    old: float
    new: float
    unit: str
    shift: float
    p: float | None
    method: Method
    slower: bool
    reason: str = ""
    margin: float | None = None


@dataclass(frozen=True)
class LatencyVerdict:
    """All shifts, the model's first, layers of one side that have no counterpart, and the rule that was applied."""

    shifts: tuple[Shift, ...]
    unpaired: tuple[str, ...] = ()
    rule: LatencyRule = LatencyRule()

    @property
    def slower(self) -> tuple[Shift, ...]:
        """The alarms."""
        return tuple(shift for shift in self.shifts if shift.slower)

    @property
    def uncertain(self) -> tuple[Shift, ...]:
        """What passed although pairs differ so much that a shift which matters may have gone unseen."""
        return tuple(s for s in self.shifts if s.margin is not None and not s.slower and s.margin > self._limit(s))

    def _limit(self, shift: Shift) -> float:
        return self.rule.model_shift if shift.name == MODEL and not shift.type else self.rule.layer_shift

    @property
    def missing(self) -> str:
        """Why the model as a whole was not judged, which is no reason to pass; '' when it was."""
        whole = self.shifts[0] if self.shifts else None
        if whole is None or whole.name != MODEL:
            return "not measured"
        return whole.reason


def judge_pairs(measured: PairedMeasurement, rule: LatencyRule = LatencyRule()) -> LatencyVerdict:
    """Judges two measurements made in turn."""
    old, new, together = measured.old, measured.new, measured.together
    pairs, unpaired = pair_layers([x.node for x in old.layers], [x.node for x in new.layers])
    layers = [(old.layers[i], new.layers[k]) for i, k in pairs]
    judged = sum(_too_little(a.series, b.series, rule) == "" for a, b in layers)
    level = rule.level / max(1, judged)
    step = clock_step(ms for layer in layers for side in layer for ms in side.series.times)
    shifts = [_model_shift(measured, rule.model_shift, level)]
    shifts += _counter_shifts(MODEL, "", old.model, new.model)
    for one, other in layers:
        name, kind, why = other.node.name, other.node.type_name, _too_little(one.series, other.series, rule)
        if why:
            shifts.append(_not_judged(name, kind, one.series, other.series, why))
        else:
            ratios = _independent(one.series, other.series, together, rule.layer_shift, step)
            shifts.append(_pair_shift(name, kind, one.series, other.series, ratios, rule.layer_shift, level))
        shifts += _counter_shifts(name, kind, one.series, other.series)
    return LatencyVerdict(tuple(shifts), unpaired, rule)


def pair_layers(old: Sequence[NodeInfo], new: Sequence[NodeInfo]) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    """Positions of layers that belong together: in order where the operators are the same, else by name.

    Returns:
        The pairs in the order of `new`, and one clause for each layer without counterpart.
    """
    if [node.type_name for node in old] == [node.type_name for node in new]:
        return [(i, i) for i in range(len(new))], ()
    places = {node.name: i for i, node in enumerate(old)}
    pairs = [(places[node.name], k) for k, node in enumerate(new) if node.name in places]
    names = {node.name for node in new}
    unpaired = [f"{node.name} is new" for node in new if node.name not in places]
    return pairs, (*unpaired, *(f"{node.name} is gone" for node in old if node.name not in names))


def _too_little(old: Series, new: Series, rule: LatencyRule) -> str:
    """Why a layer is not judged; '' when it is."""
    if TimeSource.ISOLATED in (old.source, new.source):
        return "estimated from the operator alone, not measured run by run"
    if not old.times or len(old.times) != len(new.times):
        return "not measured in every run"
    if float(np.median(old.times)) < rule.shortest and float(np.median(new.times)) < rule.shortest:
        return f"shorter than {rule.shortest * 1e3:g} us"
    return ""


def _model_shift(measured: PairedMeasurement, limit: float, level: float) -> Shift:
    old, new = measured.old.model, measured.new.model
    ratios = _independent(old, new, measured.together, limit, clock_step((*old.times, *new.times)))
    return _pair_shift(MODEL, "", old, new, ratios, limit, level)


def _independent(old: Series, new: Series, together: int, limit: float, step: float) -> Floats | None:
    """Log-ratios of what can be told apart and does not depend on one another; None where the clock did not tick.

    Pairs of one connection are not independent: they count as one. And where the clock's `step`, in ms, is coarse
    beside `limit`, as many consecutive pairs are summed up as it takes, and as leave enough to judge.
    """
    if not old.times:
        return log_ratios((), ())
    needed = step / (limit / 2 * max(float(np.median(old.times)), step)) if step else 1.0
    size = min(ceil(needed), len(old.times) // FEWEST_PAIRS) // together * together
    if size <= together:
        ratios = log_ratios(new.times, old.times)
        if len(ratios) < len(new.times):
            return None
        return np.asarray(np.median(_blocks(ratios, together), axis=1))
    before, now = (_blocks(np.asarray(side.times), size).sum(1) for side in (old, new))
    return log_ratios(now.tolist(), before.tolist()) if min(before.min(), now.min()) > 0.0 else None


def _blocks(values: Floats, size: int) -> Floats:
    """(blocks, size), without the rest."""
    return values[: len(values) // size * size].reshape(-1, size)


def _pair_shift(
    name: str, kind: str, old: Series, new: Series, ratios: Floats | None, limit: float, level: float
) -> Shift:
    if _repeats(old) and _repeats(new):
        return emulated_shift(name, kind, min(old.times), min(new.times))
    if ratios is None:
        return _not_judged(name, kind, old, new, "too short for its clock")
    if len(ratios) < FEWEST_PAIRS:
        return _not_judged(name, kind, old, new, f"{len(ratios)} pairs are too few")
    shift, p, margin = median_shift(ratios), wilcoxon_greater(ratios), median_margin(ratios)
    before, now = _medians(old, new)
    return Shift(name, kind, before, now, "ms", shift, p, Method.PAIRS, p < level and shift > limit, margin=margin)


def _not_judged(name: str, kind: str, old: Series, new: Series, reason: str) -> Shift:
    before, now = _medians(old, new)
    return Shift(name, kind, before, now, "ms", _ratio(before, now), None, Method.NONE, False, reason)


def _medians(old: Series, new: Series) -> tuple[float, float]:
    before, now = (float(np.median(side.times)) if side.times else 0.0 for side in (old, new))
    return before, now


def _counter_shifts(name: str, kind: str, old: Series, new: Series) -> list[Shift]:
    """Counters that have one value in all runs of either side."""
    if old.counters_type != new.counters_type or not old.counters or not new.counters:
        return []
    if len(set(old.counters)) > 1 or len(set(new.counters)) > 1:
        return []
    pairs = zip(old.counters[0], new.counters[0], strict=False)
    return [exact_shift(name, kind, before, now, old.counters_type or "counts") for before, now in pairs]


def _repeats(series: Series) -> bool:
    """True for an emulator's times that are the same in every run, but for reading its clock."""
    if series.source is not TimeSource.SIMULATED:
        return False
    return max(series.times) - min(series.times) <= _reading(min(series.times))


def _reading(ms: float) -> float:
    """How far two readings of an emulator's clock may be apart for the same instructions, in ms."""
    return max(_READING_MS, _READING_PART * ms)


def emulated_shift(name: str, kind: str, old: float, new: float) -> Shift:
    """An emulator counts instructions: more of them are slower, in ms."""
    return Shift(name, kind, old, new, "ms", _ratio(old, new), None, Method.EXACT, new - old > _reading(old))


def exact_shift(name: str, kind: str, old: int, new: int, unit: str) -> Shift:
    """A counter that never changes is slower when it is more."""
    return Shift(name, kind, old, new, unit, _ratio(old, new), None, Method.EXACT, new > old)


def minimum_shift(name: str, kind: str, before: Sequence[float], now: Sequence[float], rule: LatencyRule) -> Shift:
    """Judges minima of processes, in ms.

    The shortest of all has to be longer by more than the rule's shift, and the median process by at least half of it:
    near 1 us one lucky process of ten is some per cent ahead of all others.
    """
    old, new = min(before), min(now)
    shift, typical = _ratio(old, new), _ratio(float(np.median(before)), float(np.median(now)))
    if max(old, new) < rule.shortest:
        reason = f"shorter than {rule.shortest * 1e3:g} us"
        return Shift(name, kind, old, new, "ms", shift, None, Method.NONE, False, reason)
    if old <= 0.0:
        return Shift(name, kind, old, new, "ms", shift, None, Method.NONE, False, "too short for its clock")
    slower = shift > rule.minimum_shift and typical > rule.minimum_shift / 2
    return Shift(name, kind, old, new, "ms", shift, None, Method.MINIMA, slower)


def _ratio(old: float, new: float) -> float:
    return new / old - 1.0 if old > 0.0 else 0.0
