"""A judged report as Markdown for a comment on a pull request: the verdict, one table, what fails and where it begins.

GitHub's flavour. Names come from models, files and devices: nothing in them is markup, a link, a mention or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ai_runner.report.headline import headline, nothing_judged
from ai_runner.report.judgement_text import divergence_text, is_divergence
from ai_runner.report.output_file import whole_file
from ai_runner.report.printable import printable, shortened

Report = Mapping[str, Any]

_REASONS = 10
_LONGEST = 300
_MARKS = {"pass": "✅ pass", "fail": "❌ fail"}


def write_markdown(report: Report, path: str | Path) -> None:
    """Writes the report, which has been judged; raises InvalidParamError when `path` cannot be written."""
    with whole_file(path) as file:
        file.write(markdown(report).encode("utf-8"))


def markdown(report: Report) -> str:
    """The comment."""
    policy, targets = report["policy"], report["targets"]
    refused = " (refused)" if policy["verdict"] == "refused" else ""
    lines = [
        f"### {_MARKS[report['verdict']]}{refused}: {headline(report)}",
        "",
        *_table(report),
    ]
    for target in targets:
        lines += _details(target)
    skipped = [rule for rule in policy["rules"] if rule["status"] == "skipped"]
    if skipped:
        lines += ["", f"{len(skipped)} rules were not judged, the first because: {_code(skipped[0]['reason'])}"]
    return "\n".join([*lines, "", _provenance(report), ""])


def _table(report: Report) -> list[str]:
    with_accuracy = any("accuracy" in run for run in (report["reference"], *report["targets"]))
    head = ["", "verdict", "max error", "cos", *(["accuracy"] if with_accuracy else []), "ms a sample"]
    rows = [_row("reference", report["reference"], with_accuracy)]
    rows += [_row(_MARKS[target["verdict"]], target, with_accuracy) for target in report["targets"]]
    align = ["---", "---", *["---:"] * (len(head) - 2)]
    return [f"| {' | '.join(row)} |" for row in (head, align, *rows)]


def _row(verdict: str, run: Report, with_accuracy: bool) -> list[str]:
    outputs = run.get("outputs", ())
    steps = [output["max_lsb"] for output in outputs if output["max_lsb"] is not None]
    largest = [output["metrics"]["max_abs"] for output in outputs if output["metrics"]["max_abs"] is not None]
    error = f"{max(steps):.4g} LSB" if steps else f"{max(largest):.3g}" if largest else ""
    if any(output["metrics"].get(count) for output in outputs for count in ("target_nan", "target_inf")):
        error = "NaN or Inf"
    cosines = [output["metrics"]["cos"] for output in outputs if output["metrics"]["cos"] is not None]
    accuracy = run.get("accuracy")
    time = "" if run["c_duration_ms"] is None else f"{run['c_duration_ms']:.4g} {_cell(run['c_duration_source'] or '')}"
    cells = [_cell(run["descriptor"]), verdict, error, f"{min(cosines):.6g}" if cosines else ""]
    return [*cells, *([_share(accuracy)] if with_accuracy else []), time]


def _share(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{accuracy:.2%}"


def _details(target: Report) -> list[str]:
    lines = []
    reasons = [reason for reason in target["reasons"] if not is_divergence(reason, target["first_divergence"])]
    if target["first_divergence"] is not None:
        lines.append(f"* {_code(target['descriptor'])} {_code(divergence_text(target['first_divergence']))}")
    lines += [f"* {_code(target['descriptor'])} {_code(reason)}" for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        lines.append(f"* and {len(reasons) - _REASONS} more")
    shares = [share for share in target["error_budget"] if share["share"] is not None]
    if shares:
        told = ", ".join(f"{share['stage'].replace('_', ' ')} {share['share']:.0%}" for share in shares)
        lines.append(f"* error budget of {_code(target['descriptor'])}: {_code(told)}")
    return ["", *lines] if lines else []


def _provenance(report: Report) -> str:
    provenance, policy = report["provenance"], report["policy"]
    facts: Sequence[tuple[str, Any]] = (
        ("data", provenance["data"]),
        ("model", provenance.get("model_hash")),
        ("judged by", "" if nothing_judged(report) else policy["base"]),
        ("policy", policy["name"] or policy["sha256"][:12]),
        ("AiRunner", provenance.get("ai_runner")),
        ("at", provenance["time"]),
    )
    return "<sub>" + ", ".join(f"{name} {_code(str(value))}" for name, value in facts if value) + "</sub>"


def _cell(text: str) -> str:
    """A code span in a table: a bar ends a cell even there; a backslash before it is taken away again."""
    return _code(text).replace("|", "\\|")


def _code(text: str) -> str:
    """Text as a code span that no text can leave."""
    line = shortened(" ".join(printable(str(text)).split()), _LONGEST)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"
