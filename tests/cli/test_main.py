"""Exit codes, errors in one line, and what the command line does not do."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from ai_runner import __version__
from ai_runner.cli import VERBS


def test_version(ai_runner: Any) -> None:
    ended = ai_runner("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"ai-runner {__version__}\n", "")


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(ai_runner: Any, verb: str) -> None:
    ended = ai_runner(*filter(None, [verb, "--help"]))
    assert ended.code == 0
    assert ended.out.startswith(f"usage: ai-runner{' ' * bool(verb)}{verb}")
    assert ended.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: VERB"),
        (["bake"], "invalid choice: 'bake'"),
        (["validate"], "required: -m/--model, -d/--desc"),
        (["info"], "required: -d/--desc"),
        (["info", "-d", "fake:", "--json", "x"], "unrecognized arguments: --json x"),
        (["run", "-d", "fake:", "--random", "0"], "'0' is not a whole number from 1"),
        (["run", "-d", "fake:", "--random", "4", "--inputs", "f"], "not allowed with argument"),
        (["run", "-d", "fake:", "--random", "9" * 30], "is not a whole number"),
        (["run", "-d", "fake:", "--seed", "-1"], "'-1' is not a whole number from 0"),
        (["run", "-d", "fake:", "--inputs", "f.npy", "--seed", "1"], "--seed belongs to --random"),
        (["validate", "-m", "fake:", "-d", "fake:", "--atol", "nan"], "'nan' is not a number from 0"),
        (["validate", "-m", "fake:", "-d", "fake:", "--rtol", "x"], "'x' is not a number from 0"),
        (["validate", "-m", "fake:", "-d", "fake:", "--max-lsb", "0.5"], "'0.5' is not a whole number from 0"),
        (["info", "-d", "nobody:x"], "unknown scheme 'nobody'"),
        (["info", "-d", "fake:?speed=2"], "unknown option 'speed'"),
    ],
)
def test_usage_errors_are_one_line(ai_runner: Any, arguments: list[str], message: str) -> None:
    ended = ai_runner(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("ai-runner: error: ")
    assert message in line


@pytest.mark.parametrize(
    ("descriptor", "code", "lines"),
    [
        ("fake:busy", 3, ["ai-runner: error: port COM3 is in use; close the terminal"]),
        ("fake:broken", 4, ["ai-runner: error: the model is broken"]),
        ("fake:interrupted", 130, ["ai-runner: error: interrupted"]),
        (
            "fake:bug",
            5,
            [
                "ai-runner: error: internal error: ZeroDivisionError: division by zero; this is a fault of ai-runner, "
                "run again with --debug for the traceback",
            ],
        ),
    ],
)
def test_whose_fault_it_is(ai_runner: Any, descriptor: str, code: int, lines: list[str]) -> None:
    ended = ai_runner("info", "-d", descriptor)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.splitlines() == lines


def test_serial_without_a_port_is_a_fault_of_the_bench(ai_runner: Any) -> None:
    assert ai_runner("info", "-d", "serial:").code == 3


@pytest.mark.parametrize("arguments", [["--debug", "info", "-d", "fake:bug"], ["info", "-d", "fake:bug", "--debug"]])
def test_debug_shows_the_traceback(ai_runner: Any, arguments: list[str]) -> None:
    ended = ai_runner(*arguments)
    assert ended.code == 5
    assert "Traceback (most recent call last)" in ended.err
    assert ended.err.splitlines()[-1] == "ai-runner: error: internal error: ZeroDivisionError: division by zero"


def test_verbose_shows_the_evidence(ai_runner: Any) -> None:
    assert " port: COM3" in ai_runner("-v", "info", "-d", "fake:busy").err.splitlines()
    assert " port: COM3" not in ai_runner("info", "-d", "fake:busy").err.splitlines()


def test_warnings_of_the_library_are_single_lines_said_once(ai_runner: Any) -> None:
    ended = ai_runner("run", "-d", "fake:warns", "--random", "70")
    assert ended.code == 0
    assert ended.err.splitlines() == ["ai-runner: warning: network: is only a fake"]


def test_the_logging_of_the_process_is_left_as_it_was(ai_runner: Any) -> None:
    logger = logging.getLogger("ai_runner")
    before = (list(logger.handlers), logger.level, logger.propagate)
    ai_runner("-v", "run", "-d", "fake:warns", "--random", "1")
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from ai_runner.cli import main; main(['--help']); print('MODULES', *sys.modules)"
    modules = set(python("-c", code).stdout.rpartition("MODULES")[2].split())
    assert "ai_runner.cli.validate" in modules
    rooms = ("ai_runner.compare", "ai_runner.report", "ai_runner.data", "ai_runner.drivers", "ai_runner.c_model")
    assert not {name for name in modules if name.startswith(("rich", "tabulate", *rooms))}


def test_a_reader_that_stops_reading_is_no_error() -> None:
    # More than a pipe holds, and nobody reads: the write fails for certain.
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "ai_runner.cli", "drivers"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, "")


def test_names_that_the_terminal_cannot_show_are_no_error() -> None:
    done = python(
        "-m", "ai_runner.cli", "info", "-d", "file:größe\u4e2d", env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ai-runner: error: ")
    assert "gr\\xf6" in done.stderr
