"""What verbs that judge have in common: the policy, the baseline, and the files that a judged report is written to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ai_runner.errors import AiRunnerError, ExitCode, InvalidParamError

BASES = ("noise-floor", "exact", "tolerance")
_OUTPUTS = ("json", "html", "junit", "markdown", "save_baseline")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """``--json F``, ``--html F``, ``--junit F``, ``--markdown F``."""
    parser.add_argument("--json", metavar="F", help="write the report as JSON as well, whatever the verdict")
    parser.add_argument("--html", metavar="F", help="write the report as one HTML page, with charts (docs/report.md)")
    parser.add_argument("--junit", metavar="F", help="write the rules and what came of them as JUnit XML")
    parser.add_argument("--markdown", metavar="F", help="write a summary as Markdown, for a pull request")


def add_baseline_argument(parser: argparse.ArgumentParser) -> None:
    """``--baseline F``."""
    parser.add_argument(
        "--baseline",
        metavar="F",
        help="an earlier report or bundle: rules of the policy compare with it; without a policy, becoming worse fails",
    )


def policy_argument(text: str) -> str:
    """An argparse type: the name of a base, or a policy file."""
    if text in BASES or text.lower().endswith(".toml"):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(BASES)} and no .toml file")


def check_outputs(args: argparse.Namespace) -> None:
    """Finds out before a long run whether its results can be written, each to a file of its own."""
    from ai_runner.report.html.page import check_packages
    from ai_runner.report.output_file import check_writable

    taken: dict[Path, str] = {}
    for option in (*_OUTPUTS, "bundle"):
        path, name = getattr(args, option, None), f"--{option.replace('_', '-')}"
        if path is None:
            continue
        if not path:
            raise InvalidParamError(f"{name}: an empty path", hint="a variable that is not set?")
        other = taken.setdefault(Path(path).absolute(), name)
        if other != name:
            raise InvalidParamError(f"{other} and {name} are the same file: {path}", hint="name two files")
        if option != "bundle":  # its writer finds out by itself
            check_writable(path)
    if getattr(args, "html", None):
        check_packages()


def write_outputs(args: argparse.Namespace, report: Mapping[str, Any]) -> None:
    """Writes a judged report wherever it was asked for; one of a runtime that failed does not become a baseline."""
    from ai_runner.report.html.page import write_html
    from ai_runner.report.json import write_report
    from ai_runner.report.junit import write_junit
    from ai_runner.report.markdown import write_markdown

    for option, write in (
        ("json", write_report),
        ("html", write_html),
        ("junit", write_junit),
        ("markdown", write_markdown),
        ("save_baseline", write_report),
    ):
        if getattr(args, option, None) and not (option == "save_baseline" and report["error"]):
            write(report, getattr(args, option))


def foreseen(error: Exception) -> AiRunnerError:
    """An error as reports have it: one that nobody foresaw is AiRunner's own."""
    if isinstance(error, AiRunnerError):
        return error
    return AiRunnerError(f"internal error: {type(error).__name__}: {error}", hint="--debug shows the traceback")


def exit_code(report: Mapping[str, Any]) -> int:
    """Of a judged report; an error of a runtime is raised again, as the run did."""
    error = report["error"]
    if error is not None:
        raise _Recorded(error)
    return int(report["policy"]["exit_code"])


def worse_than(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[str], int]:
    """What has changed since a baseline, as lines, and the exit code of that."""
    from ai_runner.policy.changes import changes
    from ai_runner.report.judgement_text import change_lines

    found = changes(old, new)
    worse = any(change.worse for change in found)
    return change_lines(found), ExitCode.VERDICT_FAILED if worse else ExitCode.PASS


class _Recorded(AiRunnerError):
    """An error that a report tells of."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"], hint=error["hint"])
        self.EXIT_CODE = error["exit_code"]  # type: ignore[misc]
