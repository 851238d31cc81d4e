"""The files that a session leaves: the judged report in every form that was asked for, the bundle, the reproducers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ai_runner.bundle.writer import BundleWriter
    from ai_runner.compare.verdict import Validation
    from ai_runner.pytest_plugin.options import Question

_REPORTS = ("json", "html", "markdown")


def check_report_files(question: Question) -> None:
    """Finds out before a board runs for minutes whether the reports can be written.

    Raises:
        InvalidParamError: one of them cannot.
        MissingRuntimeError: the packages that draw the page are not installed.
    """
    from ai_runner.report.html.page import check_packages
    from ai_runner.report.output_file import check_writable

    for form in _REPORTS:
        if getattr(question, form):
            check_writable(getattr(question, form))
    if question.html:
        check_packages()


def write_report_files(question: Question, report: Mapping[str, Any]) -> None:
    """Writes a judged report."""
    from ai_runner.report.html.page import write_html
    from ai_runner.report.json import write_report
    from ai_runner.report.markdown import write_markdown

    for form, write in zip(_REPORTS, (write_report, write_html, write_markdown), strict=True):
        if getattr(question, form):
            write(report, getattr(question, form))


def finish_bundle(bundle: BundleWriter, report: Mapping[str, Any], found: Validation, policy: bytes) -> None:
    """Makes a bundle whole, with the policy file in it; without a reference there is none."""
    if found.reference.info is not None:
        infos = {place: x.run.info for place, x in enumerate(found.targets) if x.run.info is not None}
        bundle.finish(report, found.reference.info, infos, policy)


def write_reproducers(folder: str, found: Validation) -> list[str]:
    """One for each target that diverges, in folders of their own where there are several; a line about each."""
    from ai_runner.report.reproducer import reproducer_line, write_reproducer

    lines = []
    for place, target in enumerate(found.targets):
        written = write_reproducer(target, Path(folder) / f"target-{place}" if len(found.targets) > 1 else Path(folder))
        lines += [] if written is None else [reproducer_line(written)]
    return lines
