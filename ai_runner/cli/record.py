"""``ai-runner record``: any verb, with everything that goes over the wire written down."""

from __future__ import annotations

import argparse

from ai_runner.errors import InvalidParamError

HELP = "run another verb on a board and write a recording that replay:FILE plays without the board"

# Verbs without -d DESC.
_WITHOUT_TARGET = ("judge", "diff", "drivers", "ports", "c-model", "firmware", "ei", "ei-library", "eim")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``-d DESC -o FILE -- VERB ...``."""
    parser.add_argument(
        "-d", "--desc", metavar="DESC", required=True, help="what is recorded; it is given to VERB as -d"
    )
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the recording (docs/replay.md)")
    parser.add_argument("command", metavar="-- VERB ...", nargs=argparse.REMAINDER, help="what runs, without that -d")


def run(args: argparse.Namespace) -> int:
    """Runs the verb; its exit code."""
    from ai_runner.cli import argument_parser
    from ai_runner.descriptor import with_option

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command or command[0] == "record":
        raise InvalidParamError(
            "record: another verb is missing", hint="ai-runner record -d DESC -o FILE -- validate -m MODEL"
        )
    if command[0] in _WITHOUT_TARGET:
        raise InvalidParamError(
            f"record: {command[0]} talks to no target", hint="record validate, run, bench, info or doctor"
        )
    parsed = argument_parser().parse_args([*command, "-d", with_option(args.desc, "record", args.output)])
    code: int = parsed.run(parsed)
    return code
