"""Latencies kept for later: the minimum of every layer in each of several processes, and how they were measured.

Runs that are apart in time cannot be paired, and their means tell more about the machine's day than about the model.
What a process reaches at its best repeats well, but from one process to the next memory lies differently: so at least
ten of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ai_runner.bench.conditions import CONDITIONS, conditions
from ai_runner.bench.gate import (
    MODEL,
    LatencyRule,
    LatencyVerdict,
    Shift,
    emulated_shift,
    exact_shift,
    minimum_shift,
    pair_layers,
)
from ai_runner.bench.measurement import Measurement, Series
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.model import NodeInfo
from ai_runner.profile import TimeSource
from ai_runner.schemas import parse

SCHEMA = "ai-runner/latency-baseline/1"
FEWEST_PROCESSES = 10

_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Best:
    """The best of one thing in one process.

    Attributes:
        ms: shortest time; None when not measured run by run.
        counters: values that every run had; empty without counters or where runs differ.
    """

    ms: float | None
    counters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """The best of several processes.

    Attributes:
        desc: what was measured.
        model_name, model_hash: of the model.
        conditions: as `conditions.conditions` gives them.
        layers: name and type of every layer.
        emulated: times are those of an emulator and repeat.
        model: the best of each process.
        bests: for every process the best of each layer.
        runs: of which each process took the best; 0 where the file does not say.
    """

    desc: str
    model_name: str
    model_hash: str
    conditions: Mapping[str, str]
    layers: tuple[tuple[str, str], ...]
    emulated: bool
    model: tuple[Best, ...]
    bests: tuple[tuple[Best, ...], ...]
    runs: int = 0

    @classmethod
    def of(cls, measurement: Measurement, desc: str) -> Baseline:
        """What one process has measured."""
        return cls(
            desc=desc,
            model_name=measurement.info.name,
            model_hash=measurement.info.hash,
            conditions=conditions(measurement),
            layers=tuple((layer.node.name, layer.node.type_name) for layer in measurement.layers),
            emulated=measurement.model.source is TimeSource.SIMULATED,
            model=(_best(measurement.model),),
            bests=(tuple(_best(layer.series) for layer in measurement.layers),),
            runs=len(measurement.host_times),
        )

    def joined(self, other: Baseline) -> Baseline:
        """The processes of both.

        Raises:
            InvalidModelError: they measured different things.
        """
        mine, theirs = ((x.model_hash, dict(x.conditions), x.layers, x.emulated) for x in (self, other))
        if mine != theirs:
            raise InvalidModelError(f"{self.desc}: another process found another model or other conditions")
        return Baseline(
            self.desc,
            self.model_name,
            self.model_hash,
            self.conditions,
            self.layers,
            self.emulated,
            self.model + other.model,
            self.bests + other.bests,
            min(self.runs, other.runs),
        )

    def to_dict(self) -> dict[str, Any]:
        """The baseline as it is written."""
        return {
            "schema": SCHEMA,
            "desc": self.desc,
            "model": {"name": self.model_name, "hash": self.model_hash},
            "conditions": dict(self.conditions),
            "emulated": self.emulated,
            "runs": self.runs,
            "layers": [{"name": name, "type": kind} for name, kind in self.layers],
            "processes": [
                {"model": _best_dict(model), "layers": [_best_dict(best) for best in bests]}
                for model, bests in zip(self.model, self.bests, strict=True)
            ],
        }


def _best(series: Series) -> Best:
    measured = series.times and series.source is not TimeSource.ISOLATED
    constant = len(set(series.counters)) == 1
    return Best(min(series.times) if measured else None, series.counters[0] if constant else ())


def _best_dict(best: Best) -> dict[str, Any]:
    return {"ms": best.ms, "counters": list(best.counters)}


def judge_baseline(old: Baseline, new: Baseline, rule: LatencyRule = LatencyRule()) -> LatencyVerdict:  # noqa: B008
    """Judges the best of `new` by the best of `old`.

    Raises:
        InvalidParamError: one of them has fewer than ten processes, or they had different numbers of runs.
    """
    for side, one in (("the baseline", old), ("this measurement", new)):
        if len(one.model) < FEWEST_PROCESSES and not one.emulated:
            raise InvalidParamError(
                f"{side} has {len(one.model)} processes, too few for minima that repeat",
                hint=f"--processes {FEWEST_PROCESSES} or more",
            )
    check_runs(old, new.runs)
    pairs, unpaired = pair_layers(_nodes(old), _nodes(new))
    emulated = old.emulated and new.emulated
    shifts = _shifts(MODEL, "", old.model, new.model, emulated, replace(rule, shortest=0.0))
    for i, k in pairs:
        name, kind = new.layers[k]
        shifts += _shifts(name, kind, [b[i] for b in old.bests], [b[k] for b in new.bests], emulated, rule)
    return LatencyVerdict(tuple(shifts), unpaired)


def check_runs(old: Baseline, runs: int) -> None:
    """Raises InvalidParamError where a process made another number of runs before: the best of fewer is longer."""
    if old.runs and runs and runs != old.runs and not old.emulated:
        raise InvalidParamError(
            f"{runs} runs a process, where the baseline is the best of {old.runs}",
            hint=f"--repeats {old.runs}, which is the default with this baseline",
        )


def _nodes(baseline: Baseline) -> list[NodeInfo]:
    return [NodeInfo(name, -1, 0, kind, ()) for name, kind in baseline.layers]


def _shifts(
    name: str, kind: str, old: Sequence[Best], new: Sequence[Best], emulated: bool, rule: LatencyRule
) -> list[Shift]:
    before, now = ([best.ms for best in side if best.ms is not None] for side in (old, new))
    found = []
    if before and now:
        found.append(
            emulated_shift(name, kind, min(before), min(now))
            if emulated
            else minimum_shift(name, kind, before, now, rule)
        )
    counts = {best.counters for best in old}, {best.counters for best in new}
    if all(len(side) == 1 for side in counts):
        (first,), (second,) = counts
        found += [exact_shift(name, kind, a, b, "counts") for a, b in zip(first, second, strict=False)]
    return found


def read_baseline(path: str | Path) -> Baseline:
    """Reads what `Baseline.to_dict` has written as JSON.

    Raises:
        InvalidParamError: the file is missing or cannot be read.
        InvalidModelError: it is no baseline, a broken one, or one of another version.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidParamError(f"{path}: cannot read the baseline: {reason}", hint="check the path") from error
    try:
        if len(raw) > _MAX_BYTES:
            raise ValueError("it is too large")
        return _parsed(parse(raw, "latency-baseline"))
    except (ValueError, RecursionError) as error:
        raise InvalidModelError(
            f"{path}: no latency baseline of this version: {error}",
            hint="write it with ai-runner bench --save-baseline",
        ) from error


def _parsed(found: Any) -> Baseline:
    """Raises ValueError where a process has another number of layers."""
    layers = tuple((layer["name"], layer["type"]) for layer in found["layers"])
    bests = tuple(tuple(_read_best(best) for best in process["layers"]) for process in found["processes"])
    if any(len(best) != len(layers) for best in bests):
        raise ValueError("a process has another number of layers")
    return Baseline(
        desc=found["desc"],
        model_name=found["model"]["name"],
        model_hash=found["model"]["hash"],
        conditions={name: found["conditions"][name] for name in CONDITIONS},
        layers=layers,
        emulated=found["emulated"],
        model=tuple(_read_best(process["model"]) for process in found["processes"]),
        bests=bests,
        runs=found.get("runs", 0),
    )


def _read_best(found: Any) -> Best:
    return Best(None if found["ms"] is None else float(found["ms"]), tuple(found["counters"]))
