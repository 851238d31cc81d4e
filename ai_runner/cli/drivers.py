"""``ai-runner drivers``: what can stand before the colon of a descriptor."""

from __future__ import annotations

import argparse

from ai_runner.errors import ExitCode

HELP = "list the runtimes that a descriptor can name"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints one line a driver; imports none of them."""
    from tabulate import tabulate

    from ai_runner.registry import entries
    from ai_runner.report.printable import printable

    rows = []
    for entry in entries():
        state = "yes" if entry.location else "not in this version"
        rows.append([printable(text) for text in (f"{entry.scheme}:", state, entry.summary, entry.needs, entry.origin)])
    print(tabulate(rows, headers=["scheme", "served", "runtime", "needs", "from"], disable_numparse=True))
    return ExitCode.PASS
