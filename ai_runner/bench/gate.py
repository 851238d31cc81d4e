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

import numpy as np

from ai_runner.bench.measurement import PairedMeasurement, Series
from ai_runner.bench.statistics import log_ratios, median_shift, wilcoxon_greater
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


@dataclass(frozen=True)
class LatencyVerdict:
    """All shifts, the model's first, and layers of one side that have no counterpart."""

    shifts: tuple[Shift, ...]
    unpaired: tuple[str, ...] = ()

    @property
    def slower(self) -> tuple[Shift, ...]:
        """The alarms."""
        return tuple(shift for shift in self.shifts if shift.slower)

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
    shifts = [_pair_shift(MODEL, "", old.model, new.model, together, rule.model_shift, level)]
    shifts += _counter_shifts(MODEL, "", old.model, new.model)
    for one, other in layers:
        name, kind, why = other.node.name, other.node.type_name, _too_little(one.series, other.series, rule)
        if why:
            shifts.append(_not_judged(name, kind, one.series, other.series, why))
        else:
            shifts.append(_pair_shift(name, kind, one.series, other.series, together, rule.layer_shift, level))
        shifts += _counter_shifts(name, kind, one.series, other.series)
    return LatencyVerdict(tuple(shifts), unpaired)


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


def _pair_shift(name: str, kind: str, old: Series, new: Series, together: int, limit: float, level: float) -> Shift:
    if _repeats(old) and _repeats(new):
        return emulated_shift(name, kind, min(old.times), min(new.times))
    ratios = log_ratios(new.times, old.times)
    if len(ratios) < len(new.times):
        return _not_judged(name, kind, old, new, "too short for its clock")
    # Pairs of one connection are not independent of one another: they count as one.
    independent = np.median(ratios[: len(ratios) // together * together].reshape(-1, together), axis=1)
    if len(independent) < FEWEST_PAIRS:
        return _not_judged(name, kind, old, new, f"{len(independent)} pairs are too few")
    shift, p = median_shift(independent), wilcoxon_greater(independent)
    before, now = _medians(old, new)
    return Shift(name, kind, before, now, "ms", shift, p, Method.PAIRS, p < level and shift > limit)


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


def minimum_shift(name: str, kind: str, old: float, new: float, rule: LatencyRule) -> Shift:
    """Judges minima over processes, in ms."""
    shift = _ratio(old, new)
    if max(old, new) < rule.shortest:
        reason = f"shorter than {rule.shortest * 1e3:g} us"
        return Shift(name, kind, old, new, "ms", shift, None, Method.NONE, False, reason)
    if old <= 0.0:
        return Shift(name, kind, old, new, "ms", shift, None, Method.NONE, False, "too short for its clock")
    return Shift(name, kind, old, new, "ms", shift, None, Method.MINIMA, shift > rule.minimum_shift)


def _ratio(old: float, new: float) -> float:
    return new / old - 1.0 if old > 0.0 else 0.0
