"""The judged report in every form that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
