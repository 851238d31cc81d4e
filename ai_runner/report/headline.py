"""The verdict of a report in one sentence, for the pages that people look at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]

# By what a run was judged: what holds where layers were judged as well, and where only outputs were.
_HELD_TO = {
    "noise-floor": (
        "no layer and no output lies beyond the noise floor of the trusted kernels",
        "no output lies beyond the noise floor of the trusted kernels",
    ),
    "exact": (
        "every layer and output equals a trusted kernel set bit for bit",
        "every output equals a trusted kernel set bit for bit",
    ),
    "tolerance": ("every output is within its tolerance", "every output is within its tolerance"),
}


def verdict_of(report: Report) -> str:
    """``pass``, ``fail`` or ``refused``: that of the policy where there is one."""
    policy = report.get("policy")
    return str(policy["verdict"] if policy else report["verdict"])


def headline(report: Report) -> str:
    """What came out, without the word of the verdict. A target that broke is not said to compute wrongly."""
    targets = report["targets"]
    if nothing_judged(report):
        return "Nothing could be judged."
    count = len(targets)
    failing = [target for target in targets if target["verdict"] == "fail"]
    broken = [target for target in failing if target["error"] is not None]
    if not failing:
        who = "The target computes" if count == 1 else f"All {count} targets compute"
        return f"{who} what the reference computes{_held_to(report)}."
    said = []
    if len(broken) < len(failing):
        wrong = len(failing) - len(broken)
        what = "compute what the reference computes" if _computes_otherwise(report) else "meet the policy"
        said.append(f"{_of(wrong, count)} {'does' if wrong == 1 else 'do'} not {what}")
    if broken:
        who = str(len(broken)) if said else _of(len(broken), count)
        said.append(f"{who} could not be judged to the end")
    return f"{', '.join(said)}."


def nothing_judged(report: Report) -> bool:
    """Whether no sample of any target was compared."""
    return report["reference"]["error"] is not None or not any(target["samples"] for target in report["targets"])


def _held_to(report: Report) -> str:
    held = _HELD_TO.get(str(report["provenance"].get("judged_by")))
    if held is None:
        return ""
    with_layers = all(any(layer.get("introduced") for layer in target["layers"]) for target in report["targets"])
    return f": {held[0] if with_layers else held[1]}"


def _computes_otherwise(report: Report) -> bool:
    """Whether a target fails by what it computes, and not by other rules of a policy alone: time, memory, accuracy."""
    policy = report.get("policy")
    if not policy or not policy["rules"]:
        return True
    return any(rule["rule"] in _HELD_TO and rule["status"] == "fail" for rule in policy["rules"])


def _of(some: int, count: int) -> str:
    return "The target" if count == 1 else f"{some} of {count} targets"
