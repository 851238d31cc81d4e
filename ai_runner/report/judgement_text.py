"""A judged report, and what has changed between two, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ai_runner.policy.changes import Change
from ai_runner.report.printable import printable

Report = Mapping[str, Any]

_LISTED = 30


def policy_lines(report: Report) -> list[str]:
    """What came of the rules of a policy, and which of them could not be judged."""
    policy = report["policy"]
    counts = Counter(rule["status"] for rule in policy["rules"])
    told = ", ".join(
        f"{counts[status]} {status}" for status in ("pass", "fail", "skipped", "refused") if counts[status]
    )
    name = printable(policy["name"]) or ("a policy" if policy["sha256"] else "none")
    digest = f" (sha256 {policy['sha256'][:12]})" if policy["sha256"] else ""
    lines = [f"policy     {name}{digest}, judged by {policy['base']}: {told or 'no rules'}"]
    for rule in policy["rules"]:
        if rule["status"] in ("skipped", "refused"):
            lines.append(f"{rule['status']:<10} {printable(_where(rule))}: {printable(rule['reason'])}")
    return lines[: _LISTED + 1]


def judged_lines(report: Report) -> list[str]:
    """A report that was judged again: where it comes from, its policy, every target with verdict and reasons."""
    provenance = report["provenance"]
    lines = [
        f"reference  {printable(report['reference']['descriptor'])}",
        f"inputs     {printable(provenance['data'])}, run at {printable(provenance['time'])}",
        *policy_lines(report),
    ]
    for target in report["targets"]:
        lines += ["", f"target     {printable(target['descriptor'])}"]
        if target["first_divergence"] is not None:
            lines.append(f"divergence {printable(divergence_text(target['first_divergence']))}")
        lines.append(f"verdict    {target['verdict'].upper()}")
        lines += [f"           {printable(reason)}" for reason in target["reasons"]]
    if len(report["targets"]) > 1:
        passed = sum(target["verdict"] == "pass" for target in report["targets"])
        lines += ["", f"verdict    {report['verdict'].upper()}: {passed} of {len(report['targets'])} targets pass"]
    return lines


def change_lines(found: Sequence[Change]) -> list[str]:
    """What has changed, target by target."""
    if not found:
        return ["unchanged"]
    lines: list[str] = []
    for target in dict.fromkeys(change.target for change in found):
        lines += [f"target     {printable(target)}"] if target else []
        for change in found:
            if change.target == target:
                lines.append(_change_line(change))
    return lines


def is_divergence(reason: str, found: Report | None) -> bool:
    """Whether a reason says no more than the sentence about a target's first divergence."""
    if found is None:
        return False
    clause = found["reason"].partition("; ")[0]
    where = "output" if found["layer"] is None else f"layer {found['layer']} "
    return reason.startswith(where) and reason.endswith(clause) and found["name"] in reason


def divergence_text(found: Report) -> str:
    """Where a target begins to differ, one line."""
    stage = f" [{found['stage'].replace('_', ' ')}]" if found.get("stage") else ""
    if found["layer"] is None:
        return f"begins at the {found['type']} {found['name']}{stage}: {found['reason']}"
    return f"begins at layer {found['layer']} {found['name']} ({found['type']}){stage}: {found['reason']}"


def _change_line(change: Change) -> str:
    mark = "WORSE" if change.worse else "refused" if change.refused else "changed"
    values = f"{change.old or 'none'} -> {change.new or 'none'}"
    why = f" (not comparable: {change.refused})" if change.refused else ""
    return f"{mark:<10} {printable(f'{change.what}: {values}{why}')}"


def _where(rule: Report) -> str:
    target = "" if rule["target"] is None else f"target {rule['target']} "
    return f"{target}{rule['subject']} {rule['rule']}"
