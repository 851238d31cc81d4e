"""How many planted faults the verdict finds and names, and how often it alarms on correct targets.

python benchmarks/fault_detection.py [--quick] [--models kws,ad01] [--nodes 3] [--samples 16] [--seed 1] [--repeats 2]
    [--clang clang] [--outputs] [--folder DIR] [--verbose]

Faults are planted into C-models, compiled from edited sources, in several numerics each; see benchmarks/planted. One
counts when it changes at least one bit of one layer. Models whose files are absent are left out, and firmware where its
compiler or emulator is. With --folder models of one's own are measured; one that has an operator without C kernel is
judged on LiteRT's kernel sets alone.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from planted.clean import CleanRuns
from planted.models import MODELS, BenchModel, OwnModel
from planted.outcome import Comparison, Outcome
from planted.outputs_alone import OutputsAlone
from planted.tables import clean_table, fault_table, share
from planted.trial import Trial

from ai_runner.errors import InvalidModelError

DETECTED, NAMED, EXACT, ALARMS = 0.97, 0.95, 0.995, 0.01


def main() -> int:
    """Prints the tables; 1 when a share is below its limit."""
    options = _options()
    logging.disable(logging.WARNING)
    outcomes: list[Outcome] = []
    comparisons: list[Comparison] = []
    for model in _models(options):
        with tempfile.TemporaryDirectory() as folder:
            builds, stages = not options.quick, 0 if options.quick else 1
            try:
                if options.outputs:
                    alone = OutputsAlone(model, Path(folder), options.samples, options.seed, options.nodes)
                    outcomes += alone.faulty()
                    comparisons += alone.correct()
                    alone.close()
                else:
                    trial = Trial(model, Path(folder), options.samples, options.seed, options.nodes, stages)
                    outcomes += trial.run()
            except InvalidModelError as error:
                builds = False
                print(f"{model.name}: no C-model, {error.message}", file=sys.stderr)
            for seed in range(options.seed, options.seed + (0 if options.outputs else options.repeats)):
                clean = CleanRuns(model, Path(folder), options.samples, seed, options.clang, builds)
                comparisons += clean.run()
        print(f"{model.name}: {len(outcomes)} verdicts on faults, {len(comparisons)} on others so far", file=sys.stderr)
    _print(outcomes, comparisons, options.verbose)
    return int(not _good(outcomes, comparisons))


def _models(options: argparse.Namespace) -> list[BenchModel]:
    if options.folder:
        return [OwnModel.of(path) for path in sorted(options.folder.glob("*.tflite"))]
    return [model for model in MODELS if model.name in options.models.split(",") and model.available]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="planted faults found and named, and alarms on correct targets")
    parser.add_argument(
        "--quick", action="store_true", help="the bundled models only, one node a kind, no stages, few others"
    )
    parser.add_argument("--outputs", action="store_true", help="targets without layers instead")
    parser.add_argument("--models", default=",".join(model.name for model in MODELS))
    parser.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        help="measure the .tflite there instead; samples are in a .npz beside each",
    )
    parser.add_argument("--nodes", type=int, default=3, help="nodes that get a fault of each kind")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2, help="series of clean comparisons, with other samples each")
    parser.add_argument("--clang", nargs="*", default=[], help="further C compilers for clean comparisons")
    parser.add_argument("--verbose", action="store_true", help="list what was missed, and the alarms")
    options = parser.parse_args()
    if options.quick:
        options.models, options.nodes, options.repeats = "digits,digits_float", 1, 1
    return options


def _print(outcomes: Sequence[Outcome], comparisons: Sequence[Comparison], verbose: bool) -> None:
    if verbose:
        for missed in (outcome for outcome in outcomes if not outcome.named):
            print(f"{missed.policy}: {missed.kind}, {missed.model}, {missed.numerics}, {missed.where}: {missed.said}")
        for alarm in (comparison for comparison in comparisons if comparison.alarm):
            print(f"alarm: {alarm.kind}, {alarm.model}: {alarm.alarm}")
    print(fault_table("fault", outcomes, lambda outcome: outcome.kind), end="\n\n")
    print(fault_table("model, numerics", outcomes, lambda o: f"{o.model}, {o.numerics}"), end="\n\n")
    structure = [outcome for outcome in outcomes if outcome.policy == "structure"]
    print(f"layers of floats instead of int8: {sum(o.named for o in structure)} of {len(structure)} are listed\n")
    print(clean_table(comparisons))


def _good(outcomes: Sequence[Outcome], comparisons: Sequence[Comparison]) -> bool:
    judged = [outcome for outcome in outcomes if outcome.policy == "noise-floor"]
    exact = [outcome for outcome in outcomes if outcome.policy == "exact"]
    alarms = sum(bool(comparison.alarm) for comparison in comparisons)
    return (
        share(judged, "detected") >= DETECTED
        and share(judged, "named") >= NAMED
        and min(share(exact, "detected"), share(exact, "named")) >= EXACT
        and alarms <= ALARMS * len(comparisons)
    )


if __name__ == "__main__":
    sys.exit(main())
