"""How often the latency gate cries wolf, and how often it finds a layer that became 5 % slower.

python benchmarks/latency_gate.py [--equal N] [--planted N] [--saved-equal N] [--saved-planted N] [MODEL.tflite]

C-models of one .tflite are built several times: unchanged, and with a busy loop in one layer of at least 1 us that
takes 5 % of its time. `equal` compares two unchanged builds, `planted` a slower one with an unchanged one, in turn, 200
pairs (`bench --against`); the `saved` ones compare minima of 10 processes with those of earlier ones (`--baseline`).
Which layer is slowed down changes from one comparison to the next.

Limits: 1 % alarms and 98 % named in turn; where the layer's share of the model is 20 % or more, 90 % seen on the whole
model as well; 2 % alarms and 95 % named with a saved baseline.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from ai_runner import AiRunner
from ai_runner.bench.baseline import Baseline, judge_baseline
from ai_runner.bench.gate import MODEL, LatencyVerdict, judge_pairs
from ai_runner.bench.measurement import Connect, Run, measure, measure_pairs
from ai_runner.bench.processes import measure_in_processes
from ai_runner.c_model.compiler import compile_library, library_suffix
from ai_runner.c_model.generator import generate
from ai_runner.inputs import generate_rnd

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLED = REPOSITORY / "examples" / "models" / "digits_int8.tflite"
SLOWDOWN = 0.05
PAIRS = 200
SHORTEST_MS = 0.001
LARGE_SHARE = 0.2
CALIBRATION = 20_000  # rounds of the busy loop


@dataclass(frozen=True)
class Layer:
    """A layer that is long enough to be judged: its place, its time in ms, its share of all layers."""

    index: int
    ms: float
    share: float


class Builds:
    """C-models of one .tflite in a folder."""

    def __init__(self, model: Path, folder: Path) -> None:
        self._model, self._folder, self._count = model, folder, 0

    def build(self, layer: int = -1, rounds: int = 0) -> str:
        """The descriptor of a new build; `layer` begins with a busy loop of so many rounds."""
        self._count += 1
        folder = self._folder / f"build_{self._count}"
        generate(self._model, folder)
        if rounds:
            network = folder / "network.c"
            head = rf"(static void node_{layer}\(const cm_memory \*memory\)\n\{{\n)"
            loop = f"    for (volatile unsigned spin = 0; spin < {rounds}; spin++) {{\n    }}\n"
            text, found = re.subn(head, lambda m: m.group(1) + loop, network.read_text())
            assert found == 1, "the generated code looks different"
            network.write_text(text)
            self._compile(folder)
        return f"file:{folder}"

    def _compile(self, folder: Path) -> None:
        sources = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.c") if path.name != "observer.c")
        compile_library(folder, sources, f"libai_network{library_suffix()}")


def connect(desc: str) -> Connect:
    @contextmanager
    def connected() -> Iterator[Run]:
        with AiRunner.open(desc) as runner:
            infos = runner.model_info().inputs
            inputs = generate_rnd([t.dtype for t in infos], [t.shape for t in infos], 1)
            yield lambda mode: runner.run(inputs, mode=mode)

    return connected


def layer_times(desc: str) -> list[float]:
    return [median(layer.series.times) for layer in measure(connect(desc), 500).layers]


def in_turn(new: str, old: str, random: np.random.Generator) -> LatencyVerdict:
    return judge_pairs(measure_pairs(connect(new), connect(old), PAIRS, random))


def best_of_processes(desc: str) -> Baseline:
    command = [sys.executable, "-m", "ai_runner.cli", "bench", f"--desc={desc}", "--processes=1"]
    return measure_in_processes(lambda path: [*command, f"--save-baseline={path}"], 10)


class Score:
    """Counts of one kind of comparison."""

    def __init__(self, title: str) -> None:
        self.title, self.compared, self.hits = title, 0, 0

    def add(self, hit: bool) -> None:
        self.compared += 1
        self.hits += hit

    def show(self) -> None:
        if self.compared:
            print(f"{self.title}: {self.hits} of {self.compared} ({self.hits / self.compared:.1%})", flush=True)

    def at_most(self, part: float) -> bool:
        return self.hits <= part * self.compared

    def at_least(self, part: float) -> bool:
        return self.hits >= part * self.compared


def alarms(verdict: LatencyVerdict) -> str:
    return ", ".join(f"{s.name} {s.shift:+.2%}" + ("" if s.p is None else f" p {s.p:.1g}") for s in verdict.slower)


def compare_equal(count: int, old: str, new: str, random: np.random.Generator) -> bool:
    false = Score("in turn, equal: alarms")
    for _ in range(count):
        verdict = in_turn(new, old, random)
        false.add(bool(verdict.slower))
        if verdict.slower:
            print(f"  false alarm: {alarms(verdict)}", flush=True)
    false.show()
    return false.at_most(0.01)


def compare_planted(
    count: int, old: str, slower: list[tuple[Layer, str]], names: list[str], random: np.random.Generator
) -> bool:
    named, seen = Score("in turn, 5 % in one layer: named"), Score("in turn, 5 % in a large layer: seen on the model")
    for i in range(count):
        layer, desc = slower[i % len(slower)]
        verdict = in_turn(desc, old, random)
        found = {shift.name for shift in verdict.slower}
        named.add(names[layer.index] in found)
        if layer.share >= LARGE_SHARE:
            seen.add(MODEL in found)
        if names[layer.index] not in found:
            print(f"  not named: {names[layer.index]}, but {alarms(verdict) or 'nothing'}", flush=True)
    named.show()
    seen.show()
    return named.at_least(0.98) and seen.at_least(0.9)


def compare_saved(
    equal: int, planted: int, old: str, new: str, slower: list[tuple[Layer, str]], names: list[str]
) -> bool:
    false, named = Score("saved baseline, equal: alarms"), Score("saved baseline, 5 % in one layer: named")
    if not equal + planted:
        return True
    baseline = best_of_processes(old)
    for i in range(max(equal, planted)):
        if i % 10 == 9:
            baseline = best_of_processes(old)
        if i < equal:
            verdict = judge_baseline(baseline, best_of_processes(new))
            false.add(bool(verdict.slower))
            if verdict.slower:
                print(f"  false alarm: {alarms(verdict)}", flush=True)
        if i < planted:
            layer, desc = slower[i % len(slower)]
            verdict = judge_baseline(baseline, best_of_processes(desc))
            named.add(names[layer.index] in {shift.name for shift in verdict.slower})
    false.show()
    named.show()
    return false.at_most(0.02) and named.at_least(0.95)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("equal", 200), ("planted", 100), ("saved-equal", 50), ("saved-planted", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("model", nargs="?", type=Path, default=BUNDLED)
    args = parser.parse_args()
    random = np.random.default_rng()
    with TemporaryDirectory() as folder:
        builds = Builds(args.model, Path(folder))
        old, new = builds.build(), builds.build()
        times = layer_times(old)
        names = [layer.node.name for layer in measure(connect(old), 1).layers]
        layers = [Layer(i, ms, ms / sum(times)) for i, ms in enumerate(times) if ms >= SHORTEST_MS]
        per_round = (
            layer_times(builds.build(layers[0].index, CALIBRATION))[layers[0].index] - layers[0].ms
        ) / CALIBRATION
        slower = []
        for layer in layers:
            rounds = max(1, round(layer.ms * SLOWDOWN / per_round))
            slower.append((layer, builds.build(layer.index, rounds)))
            print(
                f"{names[layer.index]}: {layer.ms * 1e3:.3f} us, {layer.share:.0%} of the model, {rounds} rounds more"
            )
        good = compare_equal(args.equal, old, new, random)
        good = compare_planted(args.planted, old, slower, names, random) and good
        good = compare_saved(args.saved_equal, args.saved_planted, old, new, slower, names) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
