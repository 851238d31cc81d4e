"""``ai-runner bench``: how long a model takes, and whether it takes longer than another one or than before."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ai_runner.cli.inputs import add_input_arguments, natural, open_inputs, positive
from ai_runner.errors import ExitCode, InvalidParamError

if TYPE_CHECKING:
    from ai_runner.bench.baseline import Baseline
    from ai_runner.bench.gate import LatencyVerdict
    from ai_runner.bench.measurement import Connect, Measurement, Run

HELP = "measure latencies, and find out whether a model has become slower"

_REPEATS = 200
_WARM_UP = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``-d DESC [--against OLD | --baseline F] [--save-baseline F]``, how often, inputs, report."""
    parser.add_argument("-d", "--desc", metavar="DESC", required=True, help="what runs it (docs/descriptors.md)")
    old = parser.add_mutually_exclusive_group()
    old.add_argument(
        "--against", metavar="OLD", help="another descriptor: single runs of both in turn, slower is exit 1"
    )
    old.add_argument("--baseline", metavar="F", help="an earlier measurement: slower than it is exit 1")
    parser.add_argument("--save-baseline", metavar="F", help="keep the best of every process for a later --baseline")
    parser.add_argument(
        "--repeats",
        metavar="N",
        type=positive,
        help=f"runs of the first sample (default: {_REPEATS}; with --baseline as many as it had)",
    )
    parser.add_argument(
        "--warm-up", metavar="N", type=natural, default=_WARM_UP, help="runs that do not count (default: %(default)s)"
    )
    parser.add_argument(
        "--processes",
        metavar="N",
        type=positive,
        help="processes that measure one after the other (default: 10 with a baseline, else 1)",
    )
    parser.add_argument("--no-layers", action="store_true", help="measure the model as a whole only")
    parser.add_argument(
        "--accept",
        metavar="WHAT",
        action="append",
        default=[],
        help="compare although this differs: device, clock, caches, compiler, firmware, options or timer",
    )
    add_input_arguments(parser)
    parser.add_argument("--json", metavar="F", help="write the report as JSON as well, whatever the verdict")


def run(args: argparse.Namespace) -> int:
    """Measures, prints; exit code 1 when something has become slower."""
    from ai_runner.report.output_file import check_writable

    if args.against is not None and (args.save_baseline or args.processes):
        raise InvalidParamError("--against runs both in this process", hint="leave out --save-baseline and --processes")
    for path in filter(None, (args.json, args.save_baseline)):
        check_writable(path)
    if args.baseline is None and args.repeats is None:
        args.repeats = _REPEATS
    if args.against is not None:
        return _compare_in_turn(args)
    default = 10 if args.baseline or args.save_baseline else 1
    if args.baseline is None and (args.processes or default) == 1:
        return _measure_here(args)
    return _measure_in_processes(args, args.processes or default)


def _measure_here(args: argparse.Namespace) -> int:
    from ai_runner.bench.baseline import Baseline
    from ai_runner.bench.measurement import measure
    from ai_runner.cli.console import ProgressBar
    from ai_runner.report.bench_json import bench_dict, write_bench_json
    from ai_runner.report.bench_text import measurement_lines

    with ProgressBar("bench") as progress:
        measured = measure(_connect(args.desc, args), args.repeats, args.warm_up, not args.no_layers, progress)
    _print(measurement_lines(measured, args.desc))
    if args.save_baseline:
        write_bench_json(Baseline.of(measured, args.desc).to_dict(), args.save_baseline)
    if args.json:
        write_bench_json(bench_dict([(args.desc, measured)]), args.json)
    return ExitCode.PASS


def _compare_in_turn(args: argparse.Namespace) -> int:
    import numpy as np

    from ai_runner.bench.conditions import check_comparable
    from ai_runner.bench.gate import judge_pairs
    from ai_runner.bench.measurement import measure_pairs
    from ai_runner.cli.console import ProgressBar
    from ai_runner.report.bench_text import measurement_lines

    new, old = _connect(args.desc, args), _connect(args.against, args)
    accepted = check_comparable(_conditions(args.against, args), _conditions(args.desc, args), args.accept)
    with ProgressBar("bench") as progress:
        random = np.random.default_rng()
        pair = measure_pairs(new, old, args.repeats, random, args.warm_up, not args.no_layers, progress)
    _print(measurement_lines(pair.new, args.desc))
    return _report(args, judge_pairs(pair), pair.new, pair.old, args.against, accepted)


def _measure_in_processes(args: argparse.Namespace, processes: int) -> int:
    from ai_runner.bench.baseline import check_runs, judge_baseline, read_baseline
    from ai_runner.bench.conditions import check_comparable
    from ai_runner.bench.processes import measure_in_processes
    from ai_runner.cli.console import ProgressBar
    from ai_runner.report.bench_json import bench_dict, write_bench_json
    from ai_runner.report.bench_text import baseline_lines

    old = read_baseline(args.baseline) if args.baseline else None
    if old is not None:
        # Too few processes, another number of runs and other conditions are found out before the measurement.
        judge_baseline(old, old)
        args.repeats = args.repeats or old.runs or _REPEATS
        check_runs(old, args.repeats)
        check_comparable(old.conditions, _conditions(args.desc, args), args.accept)
    with ProgressBar("bench") as progress:
        new = measure_in_processes(lambda path: _command(args, path), processes, progress)
    _print(baseline_lines(new))
    if args.save_baseline:
        write_bench_json(new.to_dict(), args.save_baseline)
    if old is None:
        if args.json:
            write_bench_json(bench_dict([(args.desc, new)]), args.json)
        return ExitCode.PASS
    accepted = check_comparable(old.conditions, new.conditions, args.accept)
    return _report(args, judge_baseline(old, new), new, old, args.baseline, accepted)


def _report(
    args: argparse.Namespace,
    verdict: LatencyVerdict,
    new: Measurement | Baseline,
    old: Measurement | Baseline,
    old_name: str,
    accepted: list[str],
) -> int:
    from ai_runner.report.bench_json import bench_dict, write_bench_json
    from ai_runner.report.bench_text import verdict_lines

    _print(["", *verdict_lines(verdict, old_name, accepted)])
    if args.json:
        write_bench_json(bench_dict([(args.desc, new), (old_name, old)], verdict, accepted), args.json)
    if verdict.missing and not verdict.slower:
        raise InvalidParamError(
            f"{args.desc}: the model was not judged: {verdict.missing}", hint="--repeats 20 or more"
        )
    return ExitCode.VERDICT_FAILED if verdict.slower else ExitCode.PASS


def _connect(desc: str, args: argparse.Namespace) -> Connect:
    """What connects, and then runs the first sample of the inputs whenever it is called."""
    from ai_runner import AiRunner

    @contextmanager
    def connected() -> Iterator[Run]:
        with AiRunner.open(desc, logger=logging.getLogger("ai_runner.cli")) as runner:
            inputs = open_inputs(args, runner.model_info().inputs).chunk(0, 1)
            yield lambda mode: runner.run(inputs, mode=mode)

    return connected


def _conditions(desc: str, args: argparse.Namespace) -> dict[str, str]:
    """Found out by a single run."""
    from ai_runner.bench.conditions import conditions
    from ai_runner.bench.measurement import measure

    return conditions(measure(_connect(desc, args), 1, 0, per_layer=False))


def _command(args: argparse.Namespace, path: Path) -> list[str]:
    command = [sys.executable, "-m", "ai_runner.cli", "bench", f"--desc={args.desc}", "--processes=1"]
    command += [f"--save-baseline={path}", f"--repeats={args.repeats}", f"--warm-up={args.warm_up}"]
    command += ["--no-layers"] if args.no_layers else []
    for name in ("inputs", "random", "samples", "seed", "columns"):
        if getattr(args, name) is not None:
            command.append(f"--{name}={getattr(args, name)}")
    return [*command, "--preprocess", *args.preprocess] if args.preprocess else command


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line)
