"""What has changed from one validation to another, and whether it has become worse.

Worse is what a verdict stands on: a target that passed and fails, one that is gone, an output that is gone, a layer or
output that diverges and did not. Numbers are told and decide nothing: how much of them matters is for a policy to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ai_runner.policy.comparability import counterpart, differing_facts, refusal
from ai_runner.policy.policy import COMPARABILITY

Report = Mapping[str, Any]

_METRICS = ("max_lsb", "rmse", "cos", "acc")


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        target: descriptor of the new target, or of the old one where it is gone; '' for the validation as a whole.
        what: ``verdict``, ``first divergence``, ``accuracy``, ``output 'y' cos``, ...
        old, new: both values as text; '' for none.
        worse: whether it makes the whole worse.
        refused: why the two cannot be compared; '' where they can.
    """

    target: str
    what: str
    old: str
    new: str
    worse: bool = False
    refused: str = ""


def changes(old: Report, new: Report) -> tuple[Change, ...]:
    """Everything that has changed from `old` to `new`, two reports of schema ``ai-runner/validation/1``."""
    found = [*_changed("", "verdict", old["verdict"], new["verdict"], new["verdict"] == "fail")]
    matched = []
    for place, target in enumerate(new["targets"]):
        before = counterpart(old, new, place)
        if before is None:
            found.append(Change(target["descriptor"], "target", "", "is new"))
        else:
            matched.append(before["descriptor"])
            found += _target(old, new, before, target)
    for target in old["targets"]:
        if target["descriptor"] not in matched:
            found.append(Change(target["descriptor"], "target", "was there", "is gone", worse=True))
    return tuple(found)


def _target(old: Report, new: Report, before: Report, now: Report) -> Iterator[Change]:
    who = now["descriptor"]
    facts = differing_facts(old, new, before, now)
    for fact in facts:
        yield Change(who, fact.name, fact.old or "unknown", fact.new or "unknown")
    yield from _changed(who, "verdict", before["verdict"], now["verdict"], now["verdict"] == "fail")
    first, second = _divergence(before), _divergence(now)
    yield from _changed(who, "first divergence", first, second, not first)
    for reason in before["reasons"]:
        if reason not in now["reasons"]:
            yield Change(who, "reason", reason, "")
    for reason in now["reasons"]:
        if reason not in before["reasons"]:
            yield Change(who, "reason", "", reason)
    refused = refusal(facts, COMPARABILITY["accuracy"])
    yield from _number(who, "accuracy", before.get("accuracy"), now.get("accuracy"), refused)
    refused = refusal(facts, COMPARABILITY["latency"])
    yield from _number(who, "ms a sample", before["c_duration_ms"], now["c_duration_ms"], refused)
    refused = refusal(facts, ("model", "data", "reference"))
    yield from _outputs(who, before, now, refused)
    yield from _layers(who, before, now, refused)


def _outputs(who: str, before: Report, now: Report, refused: str) -> Iterator[Change]:
    mine = {output["name"]: output for output in now["outputs"]}
    for output in before["outputs"]:
        name = f"output '{output['name']}'"
        if output["name"] not in mine:
            yield Change(who, name, "was there", "is gone", worse=True)
            continue
        other = mine[output["name"]]
        first, second = _wrong(output), _wrong(other)
        yield from _changed(who, name, first, second, not first)
        for metric in _METRICS:
            yield from _number(who, f"{name} {metric}", _metric(output, metric), _metric(other, metric), refused)


def _wrong(output: Report) -> str:
    """What speaks against an output; '' for nothing."""
    if output["introduced"] is not None:
        return str(output["introduced"]["reason"])
    return "" if output["within_tolerance"] in (True, None) else output.get("reason") or "beyond its tolerance"


def _metric(tensor: Report, name: str) -> float | None:
    found: float | None = tensor["max_lsb"] if name == "max_lsb" else tensor["metrics"][name]
    return found


def _layers(who: str, before: Report, now: Report, refused: str) -> Iterator[Change]:
    mine = {(layer["index"], layer["name"]): layer for layer in now["layers"]}
    for layer in before["layers"]:
        name = f"layer {layer['index']} {layer['name']}"
        other = mine.get((layer["index"], layer["name"]))
        if other is None:
            if now["layers"]:
                yield Change(who, name, "was compared", "is not")
            continue
        first, second = layer["introduced"], other["introduced"]
        if first is None or second is None:
            continue
        yield from _changed(who, name, first["reason"], second["reason"], not first["reason"])
        yield from _number(who, f"{name} introduced", first["largest"], second["largest"], refused)


def _divergence(target: Report) -> str:
    found = target["first_divergence"]
    if found is None:
        return ""
    where = "" if found["layer"] is None else f"layer {found['layer']} "
    return f"{where}{found['name']} ({found['type']}): {found['reason']}"


def _changed(who: str, what: str, old: str, new: str, worse_if_new: bool) -> Iterator[Change]:
    if old != new:
        yield Change(who, what, old, new, worse=bool(new) and worse_if_new)


def _number(who: str, what: str, old: float | None, new: float | None, refused: str) -> Iterator[Change]:
    if old != new:
        yield Change(who, what, _digits(old), _digits(new), refused=refused)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
