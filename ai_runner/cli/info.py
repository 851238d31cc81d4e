"""``ai-runner info``: what a descriptor leads to."""

from __future__ import annotations

import argparse
import logging

from ai_runner.errors import ExitCode

HELP = "describe the models, the runtime and the device behind a descriptor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``-d DESC``."""
    parser.add_argument(
        "-d", "--desc", metavar="DESC", required=True, help="file:DIR, tflite:MODEL, ... (docs/descriptors.md)"
    )


def run(args: argparse.Namespace) -> int:
    """Connects and prints a summary of every model."""
    from ai_runner import AiRunner
    from ai_runner.report.printable import printable

    with AiRunner.open(args.desc, logger=logging.getLogger("ai_runner.cli")) as runner:
        for place, name in enumerate(runner.names):
            if place:
                print()
            runner.summary(name, print_fn=lambda line: print(printable(line)), indent=0, level=min(args.verbose, 1))
    return ExitCode.PASS
