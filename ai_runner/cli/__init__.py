"""The command line: one module a verb, imported for its arguments; heavy things are imported when a verb runs.

A verb is a module with ``HELP: str``, ``add_arguments(parser)`` and ``run(args) -> int``, the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from ai_runner.cli.console import add_verbosity, logging_to_stderr, show_error, show_internal_error, show_interruption
from ai_runner.errors import AiRunnerError, InvalidParamError

VERBS = {
    "validate": "ai_runner.cli.validate",
    "judge": "ai_runner.cli.judge",
    "diff": "ai_runner.cli.diff",
    "bench": "ai_runner.cli.bench",
    "info": "ai_runner.cli.info",
    "run": "ai_runner.cli.run",
    "drivers": "ai_runner.cli.drivers",
    "ports": "ai_runner.cli.ports",
    "doctor": "ai_runner.cli.doctor",
    "c-model": "ai_runner.cli.c_model",
    "record": "ai_runner.cli.record",
    "firmware": "ai_runner.cli.firmware",
    "ei": "ai_runner.cli.ei",
    "ei-library": "ai_runner.cli.ei_library",
    "eim": "ai_runner.cli.eim",
}

# What a shell reports for a process that the signal ended (128 + number): neither a verdict nor a fault.
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code (docs/architecture.md); `argv` without the program's name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in arguments
    try:
        parsed = argument_parser().parse_args(arguments)
        with logging_to_stderr(debug, parsed.verbose):
            code: int = parsed.run(parsed)
        sys.stdout.flush()
        return code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except AiRunnerError as error:
        show_error(error, debug, "-v" in arguments or "--verbose" in arguments)
        return error.EXIT_CODE
    except BrokenPipeError:
        # Nobody reads any more. The interpreter flushes once again at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        show_interruption()
        return _INTERRUPTED
    except Exception as error:  # the last line of defence: one line for the user, the traceback on demand
        show_internal_error(error, debug)
        return AiRunnerError.EXIT_CODE


class _Parser(argparse.ArgumentParser):
    """argparse with errors that are raised like all others instead of printed with the usage."""

    def error(self, message: str) -> NoReturn:
        raise InvalidParamError(message, hint=f"{self.prog} --help")


def argument_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; what it parses has the verb's function as `run`."""
    from ai_runner import __version__

    parser = _Parser(
        prog="ai-runner",
        description="Validate that a target computes what the trained model computes.",
        epilog="exit codes: 0 pass, 1 verdict failed, 2 usage, 3 bench or link fault, 4 wrong model, 5 internal error",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ai-runner {__version__}")
    add_verbosity(parser, verbose=0, debug=False)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    for verb, module_name in VERBS.items():
        module = import_module(module_name)
        sub = verbs.add_parser(verb, help=module.HELP, description=module.HELP, allow_abbrev=False)
        module.add_arguments(sub)
        add_verbosity(sub)
        sub.set_defaults(run=module.run)
    return parser
