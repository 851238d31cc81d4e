"""Where a target begins to differ, as a policy sees it: the same for a run under it and for one judged again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ai_runner.policy.judgement import Judgement, Status
from ai_runner.policy.policy import Base, Policy, TensorRule
from ai_runner.policy.tensor_rules import beyond_tolerance, first_fitting

Report = Mapping[str, Any]
Divergence = dict[str, Any]

_BASES = (Base.NOISE_FLOOR, Base.EXACT, Base.TOLERANCE)


def first_divergence(target: Report, judgement: Judgement, place: int, run_base: Base) -> Divergence | None:
    """The first layer, else the first output, that does not hold what the policy says of it; None without one.

    What the run found goes first where it judged in the same way, because it knows more: the input, the stage, what the
    error looks like. By tolerance no layer fails by itself, and the first one beyond it is told all the same.

    Args:
        target: as the report has it.
        judgement: of the report.
        place: position of the target.
        run_base: how the run judged.
    """
    found = next(_divergences(target, judgement, place), None)
    told: Divergence | None = target["first_divergence"]
    if told is None or judgement.base != run_base or _judged_otherwise(told, judgement.policy):
        return found
    return told if found is None or _order(target, told) <= _order(target, found) else found


def _divergences(target: Report, judgement: Judgement, place: int) -> Iterator[Divergence]:
    failed = {
        result.subject: result.reason
        for result in judgement.of(place)
        if result.status is Status.FAIL and result.rule in _BASES and result.value is not None
    }
    seen: Counter[str] = Counter()
    for layer in target["layers"]:
        index, name, kind = layer["index"], layer["name"], layer["type"]
        reason = failed.get(_numbered(f"layer[{index} {name}]", seen), "").partition("): ")[2]
        if judgement.base == Base.TOLERANCE and not _rule_of_layer(judgement.policy, index, name).has_base:
            reason = reason or beyond_tolerance(layer, judgement.policy.tolerance)
        if reason:
            yield {"layer": index, "name": name, "type": kind, "reason": reason, "stage": None}
    for output in target["outputs"]:
        name = output["name"]
        reason = failed.get(_numbered(f"output[{name}]", seen), "").removeprefix(f"output '{name}': ")
        if reason:
            yield {"layer": None, "name": name, "type": "output", "reason": reason, "stage": None}


def _numbered(subject: str, seen: Counter[str]) -> str:
    """The subject as the rules have it: those of one name are numbered."""
    seen[subject] += 1
    return subject if seen[subject] == 1 else f"{subject}#{seen[subject]}"


def _judged_otherwise(told: Divergence, policy: Policy) -> bool:
    """Whether a rule of its own decides about the layer or output."""
    if told["layer"] is not None:
        return _rule_of_layer(policy, told["layer"], told["name"]).has_base
    return told["type"] == "output" and first_fitting(policy.outputs, told["name"]).has_base


def _rule_of_layer(policy: Policy, index: int, name: str) -> TensorRule:
    return first_fitting(policy.layers, name, str(index))


def _order(target: Report, found: Divergence) -> int:
    """In which order things run: the input, layers, outputs."""
    if found["layer"] is None:
        return -1 if found["type"] == "input" else len(target["layers"])
    return [layer["index"] for layer in target["layers"]].index(found["layer"])
