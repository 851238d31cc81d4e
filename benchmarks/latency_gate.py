"""How often the latency gate cries wolf, and how often it finds a layer that became 5 % slower.

python benchmarks/latency_gate.py [--model NAME ...] [--quick]
    [--equal N] [--planted N] [--saved-equal N] [--saved-planted N]

Models, all of them unless told otherwise: C-models of digits (bundled) and kws (MLPerf Tiny), or of any .tflite whose
path is given; and libraries that only take time: decades (layers of 1, 10, 100 and 1000 us), single (one of 50 us),
sixty (60 of 2 us). Each is built several times: unchanged, and with a busy loop in one layer of at least 1 us that
takes 5 % of its time. `equal` compares two unchanged builds, `planted` a slower one with an unchanged one, in turn,
200 pairs (`bench --against`); the `saved` ones compare minima of 10 processes with those of earlier ones
(`--baseline`). Models and slower layers take turns.

All figures are printed beside their limits at the end; exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np
from latency_models import BUSY_US, CALIBRATION, TFLITE, Builds, builds_of, connect, layer_times

from ai_runner.bench.baseline import Baseline, judge_baseline
from ai_runner.bench.gate import MODEL, LatencyVerdict, judge_pairs
from ai_runner.bench.measurement import measure, measure_pairs
from ai_runner.bench.processes import measure_in_processes

SLOWDOWN = 0.05
PAIRS = 200
SHORTEST_MS = 0.001
LARGE_SHARE = 0.2
COUNTS = {"equal": 200, "planted": 100, "saved_equal": 50, "saved_planted": 40}
QUICK = 10


@dataclass
class Slower:
    """A layer that is long enough: its place, name and share of all layers, what makes it slower, and that build."""

    index: int
    layer: str
    share: float
    rounds: int
    desc: str = ""


@dataclass
class Subject:
    """A model, built twice as it is."""

    name: str
    builds: Builds
    old: str
    new: str
    layers: list[Slower]
    baseline: Baseline | None = None
    judged: int = 0

    def slower(self, turn: int) -> Slower:
        chosen = self.layers[turn % len(self.layers)]
        chosen.desc = chosen.desc or self.builds.build(chosen.index, chosen.rounds)
        return chosen


@dataclass
class Score:
    """How many comparisons of one kind came out in one way, and which part may or must."""

    title: str
    limit: float
    most: bool
    counts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, model: str, hit: bool) -> None:
        count = self.counts.setdefault(model, [0, 0])
        count[0] += hit
        count[1] += 1

    @property
    def total(self) -> tuple[int, int]:
        return sum(hits for hits, _ in self.counts.values()), sum(of for _, of in self.counts.values())

    @property
    def good(self) -> bool:
        hits, of = self.total
        return hits <= self.limit * of if self.most else hits >= self.limit * of

    def line(self) -> str:
        hits, of = self.total
        each = ", ".join(f"{model} {mine} of {total}" for model, (mine, total) in self.counts.items())
        limit = f"at {'most' if self.most else 'least'} {self.limit:.0%}"
        return f"{'ok  ' if self.good else 'MISS'} {self.title}: {hits} of {of}, {limit}   ({each})"


def build(name: str, folder: Path) -> Subject:
    builds = builds_of(name, folder)
    old, new = builds.build(), builds.build()
    names = [layer.node.name for layer in measure(connect(old), 1).layers]
    times = layer_times(old)
    long = [i for i, ms in enumerate(times) if ms >= SHORTEST_MS]
    per_round = (layer_times(builds.build(long[0], CALIBRATION))[long[0]] - times[long[0]]) / CALIBRATION
    rounds = {i: max(1, round(times[i] * SLOWDOWN / per_round)) for i in long}
    layers = [Slower(i, names[i], times[i] / sum(times), rounds[i]) for i in long]
    shown = ", ".join(f"{times[i] * 1e3:.1f}" for i in long[:12]) + (", ..." if len(long) > 12 else "")
    print(f"{name}: {len(names)} layers, of at least 1 us {len(long)}: {shown} us", flush=True)
    return Subject(name, builds, old, new, layers)


def in_turn(new: str, old: str) -> LatencyVerdict:
    return judge_pairs(measure_pairs(connect(new), connect(old), PAIRS, np.random.default_rng()))


def best_of_processes(desc: str) -> Baseline:
    command = [sys.executable, "-m", "ai_runner.cli", "bench", f"--desc={desc}", "--processes=1"]
    return measure_in_processes(lambda path: [*command, f"--save-baseline={path}"], 10)


def with_saved(desc: str, subject: Subject) -> LatencyVerdict:
    """Judged by a baseline that is measured again for every tenth comparison."""
    if subject.baseline is None or subject.judged % 10 == 0:
        subject.baseline = best_of_processes(subject.old)
    subject.judged += 1
    return judge_baseline(subject.baseline, best_of_processes(desc))


def told(what: str, verdict: LatencyVerdict) -> None:
    found = ", ".join(f"{s.name} {s.shift:+.2%}" + ("" if s.p is None else f" p {s.p:.1g}") for s in verdict.slower)
    print(f"  {what}: {found or 'nothing'}", flush=True)


def compare_equal(subject: Subject, verdict: LatencyVerdict, score: Score) -> None:
    score.add(subject.name, bool(verdict.slower))
    if verdict.slower:
        told(f"{subject.name}, {score.title}", verdict)


def compare_planted(
    subject: Subject, slower: Slower, verdict: LatencyVerdict, named: Score, seen: Score | None = None
) -> None:
    found = {shift.name for shift in verdict.slower}
    named.add(subject.name, slower.layer in found)
    if seen is not None and slower.share >= LARGE_SHARE:
        seen.add(subject.name, MODEL in found)
    if slower.layer not in found:
        told(f"{subject.name}, {slower.layer} not named, but", verdict)


def compare_all(subjects: Sequence[Subject], counts: dict[str, int]) -> list[Score]:
    equal = Score("in turn, equal: alarms", 0.01, most=True)
    named = Score("in turn, 5 % in one layer: named", 0.98, most=False)
    seen = Score("in turn, 5 % in a layer with 20 % or more: seen on the model", 0.9, most=False)
    saved_equal = Score("saved baseline, equal: alarms", 0.02, most=True)
    saved_named = Score("saved baseline, 5 % in one layer: named", 0.95, most=False)

    def turn(i: int) -> Subject:
        return subjects[i % len(subjects)]

    for i in range(counts["equal"]):
        subject = turn(i)
        compare_equal(subject, in_turn(subject.new, subject.old), equal)
    for i in range(counts["planted"]):
        subject, slower = turn(i), turn(i).slower(i // len(subjects))
        compare_planted(subject, slower, in_turn(slower.desc, subject.old), named, seen)
    for i in range(counts["saved_equal"]):
        subject = turn(i)
        compare_equal(subject, with_saved(subject.new, subject), saved_equal)
    for i in range(counts["saved_planted"]):
        subject, slower = turn(i), turn(i).slower(i // len(subjects))
        compare_planted(subject, slower, with_saved(slower.desc, subject), saved_named)
    return [equal, named, seen, saved_equal, saved_named]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", metavar="NAME", help="name or .tflite; may be given several times")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the comparisons")
    for name, default in COUNTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"comparisons ({default})")
    args = parser.parse_args()
    names = args.model or [name for name in (*TFLITE, *BUSY_US) if name in BUSY_US or TFLITE[name].exists()]
    whole = {name: default // (QUICK if args.quick else 1) for name, default in COUNTS.items()}
    counts = {name: default if getattr(args, name) is None else getattr(args, name) for name, default in whole.items()}
    began = monotonic()
    with TemporaryDirectory() as folder:
        subjects = [build(name, Path(folder) / str(i)) for i, name in enumerate(names)]
        scores = [score for score in compare_all(subjects, counts) if score.counts]
    print(f"after {(monotonic() - began) / 60:.1f} min:")
    for score in scores:
        print(score.line())
    return 0 if all(score.good for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main())
