"""``ai-runner run``: one runtime over some inputs; its outputs, its times."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ai_runner.cli.inputs import add_input_arguments, open_inputs
from ai_runner.errors import ExitCode

if TYPE_CHECKING:
    import numpy.typing as npt

    from ai_runner import AiRunner, Mode, RunResult
    from ai_runner.data import Source

    Arrays = list[npt.NDArray[Any]]

HELP = "run a model and show its outputs and times"

_CHUNK = 32  # samples run at once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``-d DESC [--inputs F | --random N | --features F] [--per-layer | --with-data] [--save F.npz]``."""
    parser.add_argument("-d", "--desc", metavar="DESC", required=True, help="what runs it (docs/descriptors.md)")
    add_input_arguments(parser, raw_features=True)
    layers = parser.add_mutually_exclusive_group()
    layers.add_argument("--per-layer", action="store_true", help="show the time of every node")
    layers.add_argument("--with-data", action="store_true", help="as --per-layer, and fetch what the nodes write")
    parser.add_argument("--save", metavar="F.npz", help="save m_inputs_1, ..., m_outputs_1, ... and node tensors N.i.k")


def run(args: argparse.Namespace) -> int:
    """Runs the inputs in chunks and prints the profile."""
    from ai_runner import AiRunner, Mode
    from ai_runner.cli.console import ProgressBar, foretell
    from ai_runner.report.output_file import check_writable
    from ai_runner.report.printable import printable
    from ai_runner.report.summary import profiling_lines

    if args.save:
        check_writable(args.save)
    mode = Mode.IO_ONLY
    if args.per_layer or args.with_data:
        mode = Mode.PER_LAYER | (Mode.PER_LAYER_WITH_DATA if args.with_data else Mode.IO_ONLY)
    with AiRunner.open(args.desc, logger=logging.getLogger("ai_runner.cli")) as runner:
        source = open_inputs(args, runner.model_info().inputs)
        foretell(runner, source.samples)
        with ProgressBar("run") as progress:
            inputs, result = _run_in_chunks(runner, source, mode, bool(args.save), progress)
    print(printable(f"inputs   : {source.description}"))
    for line in profiling_lines(inputs, result.to_dict(), list(result.outputs), debug=args.verbose > 0):
        print(printable(line))
    if args.save:
        _save(args.save, inputs, result)
    return ExitCode.PASS


def _run_in_chunks(
    runner: AiRunner, source: Source, mode: Mode, keep_data: bool, progress: Any
) -> tuple[Arrays, RunResult]:
    """Inputs and one result of all; the data of nodes is kept only when it is to be saved."""
    from ai_runner.profile import joined_results

    chunks, results = [], []
    for start in range(0, source.samples, _CHUNK):
        progress(start, source.samples)
        inputs = source.chunk(start, min(start + _CHUNK, source.samples))
        result = runner.run(inputs, mode=mode)
        if not keep_data:
            result = replace(result, nodes=tuple(replace(node, data=()) for node in result.nodes))
        chunks.append(inputs)
        results.append(result)
    progress(source.samples, source.samples)
    return _joined(chunks), joined_results(results)


def _joined(chunks: list[Arrays]) -> Arrays:
    import numpy as np

    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def _save(path: str, inputs: Arrays, result: RunResult) -> None:
    import numpy as np

    from ai_runner.report.output_file import whole_file

    arrays: dict[str, Any] = {f"m_inputs_{k + 1}": array for k, array in enumerate(inputs)}
    arrays |= {f"m_outputs_{k + 1}": array for k, array in enumerate(result.outputs)}
    for i, node in enumerate(result.nodes):
        arrays |= {f"N.{i}.{k}": array for k, array in enumerate(node.data)}
    with whole_file(path) as file:
        np.savez(file, **arrays)
    print(f"saved    : {path}")
