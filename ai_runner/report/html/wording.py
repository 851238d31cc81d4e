"""What the page says in words: verdict first, then why, in sentences that can be quoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from ai_runner.report.html.chart import plain
from ai_runner.report.judgement_text import is_divergence
from ai_runner.report.printable import shortened

Report = Mapping[str, Any]

_LONGEST_CLASS = 18  # characters of its name, beside its number


def standing(target: Report) -> str:
    """The verdict of a target in a word: ``error`` where it broke, ``not judged`` where nothing was compared."""
    if target["error"] is not None:
        return "error"
    return str(target["verdict"]) if target["samples"] else "not judged"


def divergence(target: Report) -> str:
    """Where a target begins to differ and why, one sentence; '' where it does not."""
    found = target["first_divergence"]
    if found is None:
        return ""
    where = f"layer {found['layer']} {found['name']} ({found['type']})"
    if found["layer"] is None:
        where = "the input" if found["type"] == "input" else f"output {found['name']}"
    place = "on the target" if found["stage"] == "target" else f"at {str(found['stage']).replace('_', ' ')}"
    stage = f" It comes in {place}." if found["stage"] else ""
    return f"Begins at {where}: {found['reason']}.{stage}"


def explained_by(reason: str, target: Report, report: Report) -> bool:
    """Whether a reason says no more than an error, or than the sentence about the target's first divergence."""
    errors = (target["error"], report["error"])
    told = any(error is not None and error["message"] in reason for error in errors)
    return told or is_divergence(reason, target["first_divergence"])


def answer(number: int | None, names: Sequence[str]) -> str:
    """A class by number and name; a negative number is no answer."""
    if number is None:
        return "\N{EN DASH}"
    if number < 0:
        return "none"
    name = names[number] if number < len(names) else ""
    return f"{number} {shortened(name, _LONGEST_CLASS)}" if name and name != str(number) else str(number)


def runtime_of(run: Report) -> str:
    """Name, version and facts of a runtime."""
    if run["info"] is None:
        return ""
    runtime = run["info"]["runtime"]
    version = runtime["version"] if runtime["version"].strip("0.") else ""
    facts = [f"{key} {value}" for key, value in runtime["attributes"].items() if value != version]
    return ", ".join([f"{runtime['name']} {version}".strip(), *facts])


def largest_error(tensor: Report) -> str:
    """In LSB where integers were compared; a target without a number there has no largest error."""
    if not_numbers(tensor):
        return "NaN or Inf"
    if tensor["max_lsb"] is not None:
        return f"{number(tensor['max_lsb'])} LSB"
    return number(tensor["metrics"]["max_abs"])


def not_numbers(tensor: Report) -> int:
    """How many values of the target are NaN or infinite."""
    return (tensor["metrics"]["target_nan"] or 0) + (tensor["metrics"]["target_inf"] or 0)


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
