"""What the page says in words: verdict first, then why, in sentences that can be quoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from ai_runner.report.html.chart import plain

Report = Mapping[str, Any]

_HELD_TO = {
    "noise-floor": "no layer and no output lies beyond the noise floor of the trusted kernels",
    "exact": "every layer and output equals a trusted kernel set bit for bit",
    "tolerance": "every output is within its tolerance",
}


def verdict_of(report: Report) -> str:
    """``pass``, ``fail`` or ``refused``: that of the policy where there is one."""
    policy = report["policy"]
    return str(policy["verdict"] if policy else report["verdict"])


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    targets = report["targets"]
    error = report["reference"]["error"] or (report["error"] if not any(t["samples"] for t in targets) else None)
    if error is not None:
        return f"Nothing could be judged: {error['message']}"
    count = len(targets)
    failing = [target for target in targets if target["verdict"] == "fail"]
    broken = [target for target in failing if target["error"] is not None]
    if not failing:
        who = "The target computes" if count == 1 else f"All {count} targets compute"
        held = _HELD_TO.get(str(report["provenance"]["judged_by"]), "")
        return f"{who} what the reference computes{': ' if held else ''}{held}."
    if len(broken) == len(failing):
        return f"{_of(len(failing), count)} could not be judged to the end."
    does = "does" if len(failing) == 1 else "do"
    what = "compute what the reference computes" if _computes_otherwise(report) else "meet the policy"
    return f"{_of(len(failing), count)} {does} not {what}."


def _computes_otherwise(report: Report) -> bool:
    """Whether a target fails by what it computes, and not by other rules of a policy alone: time, memory, accuracy."""
    policy = report["policy"]
    if not policy or not policy["rules"]:
        return True
    return any(rule["rule"] in _HELD_TO and rule["status"] == "fail" for rule in policy["rules"])


def _of(some: int, count: int) -> str:
    if count == 1:
        return "The target"
    return f"{some} of {count} targets"


def divergence(target: Report) -> str:
    """Where a target begins to differ and why, one sentence; '' where it does not."""
    found = target["first_divergence"]
    if found is None:
        return ""
    where = f"layer {found['layer']} {found['name']} ({found['type']})"
    if found["layer"] is None:
        where = "the input" if found["type"] == "input" else f"output {found['name']}"
    stage = f" It comes in at the {found['stage'].replace('_', ' ')}." if found["stage"] else ""
    return f"Begins at {where}: {found['reason']}.{stage}"


def explained_by(reason: str, target: Report) -> bool:
    """Whether a reason says no more than the target's error, or the sentence about its first divergence."""
    error, found = target["error"], target["first_divergence"]
    if error is not None and error["message"] in reason:
        return True
    if found is None:
        return False
    clause = found["reason"].partition("; ")[0]
    where = "output" if found["layer"] is None else f"layer {found['layer']} "
    return reason.startswith(where) and reason.endswith(clause) and found["name"] in reason


def answer(number: int | None, names: Sequence[str]) -> str:
    """A class by number and name; a negative number is no answer."""
    if number is None:
        return "\N{EN DASH}"
    if number < 0:
        return "none"
    name = names[number] if number < len(names) else ""
    return f"{number} {name}" if name and name != str(number) else str(number)


def runtime_of(run: Report) -> str:
    """Name, version and facts of a runtime."""
    if run["info"] is None:
        return ""
    runtime = run["info"]["runtime"]
    version = runtime["version"] if runtime["version"].strip("0.") else ""
    facts = [f"{key} {value}" for key, value in runtime["attributes"].items() if value != version]
    return ", ".join([f"{runtime['name']} {version}".strip(), *facts])


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash for what was not measured."""
    return "\N{EN DASH}" if value is None or isnan(value) else plain(value, digits)


def milliseconds(value: float | None) -> str:
    """A time, three digits."""
    return number(value, 3)


def percent(value: float | None) -> str:
    """A share as percent with two decimals."""
    return "\N{EN DASH}" if value is None or isnan(value) else f"{value:.2%}"


def bytes_in_words(count: int | None) -> str:
    """A number of bytes in a unit that leaves few digits."""
    if count is None:
        return "\N{EN DASH}"
    return (
        f"{count} B" if count < 2048 else f"{count / 1024:.1f} KiB" if count < 2 << 20 else f"{count / 1048576:.1f} MiB"
    )
