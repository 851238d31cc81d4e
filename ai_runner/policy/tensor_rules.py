"""The rules about one output or layer of a report: noise floor, equality, tolerance, limits of metrics, time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from ai_runner.policy.judgement import RuleResult, Status, Value
from ai_runner.policy.policy import Base, Missing, Policy, TensorRule

Tensor = Mapping[str, Any]

# Dequantised values are float32: an error of exactly one step may come out a little above it.
_LSB_SLACK = 0.01
_NO_NUMBER = ("reference_nan", "reference_inf", "target_nan", "target_inf")


@dataclass(frozen=True)
class Subject:
    """What a rule judges.

    Attributes:
        target: position of the target.
        text: ``output[softmax]``.
        said: how reasons begin.
        missing: what becomes of a number that was not measured.
    """

    target: int | None
    text: str
    said: str
    missing: Missing

    def result(self, rule: str, holds: bool, value: Value, limit: Value, reason: str) -> RuleResult:
        """Of a number that was measured; the reason is left out where the rule holds."""
        status = Status.PASS if holds else Status.FAIL
        return RuleResult(
            self.target, self.text, rule, status, value, limit, "" if holds else _sentence(self.said, reason)
        )

    def not_measured(self, rule: str, limit: Value, reason: str) -> RuleResult:
        """Of a number that was not measured."""
        status = Status.FAIL if self.missing is Missing.FAIL else Status.SKIPPED
        return RuleResult(self.target, self.text, rule, status, None, limit, _sentence(self.said, reason))

    def refused(self, rule: str, limit: Value, reason: str) -> RuleResult:
        """Of what must not be compared, or an artefact that is not wanted."""
        return RuleResult(self.target, self.text, rule, Status.REFUSED, None, limit, _sentence(self.said, reason))


def output_results(output: Tensor, target: int, policy: Policy, run_base: Base) -> Iterator[RuleResult]:
    """The results of one output.

    Args:
        output: as the report has it.
        target: position of the target.
        policy: what it is held to.
        run_base: how the run judged.
    """
    rule = first_fitting(policy.outputs, output["name"])
    subject = Subject(target, f"output[{output['name']}]", f"output '{output['name']}'", policy.missing)
    base, asked = base_of(rule, policy, run_base)
    yield from _base_results(output, subject, base, asked, run_base, rule.or_else(policy.tolerance))
    yield from _metric_results(output, subject, rule)


def layer_results(layer: Tensor, target: int, policy: Policy, run_base: Base) -> Iterator[RuleResult]:
    """The results of one layer, likewise; by tolerance layers are judged only where a rule of their own says so."""
    rule = first_fitting(policy.layers, layer["name"], str(layer["index"]))
    said = f"layer {layer['index']} {layer['name']} ({layer['type']})"
    subject = Subject(target, f"layer[{layer['index']} {layer['name']}]", said, policy.missing)
    base, asked = base_of(rule, policy, run_base)
    if rule.has_base or (base in (Base.NOISE_FLOOR, Base.EXACT) and layer["introduced"] is not None):
        yield from _base_results(layer, subject, base, asked, run_base, rule.or_else(policy.tolerance))
    yield from _metric_results(layer, subject, rule)
    if rule.max_ms is not None:
        yield at_most(subject, "max_ms", layer["c_duration_ms"], rule.max_ms, "ms", "time")


def base_of(rule: TensorRule, policy: Policy, run_base: Base) -> tuple[Base, bool]:
    """How a tensor is judged, and whether the policy asks for just that."""
    if rule.base is not None:
        return rule.base, True
    if rule.has_tolerance:
        return Base.TOLERANCE, True
    return (policy.base, True) if policy.base is not None else (run_base, False)


def first_fitting(rules: tuple[TensorRule, ...], *names: str) -> TensorRule:
    """The first rule that means one of the names; one that says nothing where none does."""
    return next((rule for rule in rules if rule.fits(*names)), TensorRule("*"))


def at_most(subject: Subject, rule: str, value: float | None, limit: float, unit: str, what: str) -> RuleResult:
    """The result for a number with an upper limit."""
    if value is None:
        return subject.not_measured(rule, limit, f"its {what} was not measured")
    reason = f"its {what} is {value:.6g} {unit}, at most {limit:g} {unit} are allowed"
    return subject.result(rule, value <= limit, value, limit, reason)


def beyond_tolerance(tensor: Tensor, tolerance: TensorRule) -> str:
    """Why a tensor is not within a tolerance, one clause; '' where it is, or where that was not measured."""
    result = _by_tolerance(tensor, Subject(None, "", "", Missing.WARN), tolerance)
    return result.reason if result.status is Status.FAIL else ""


def _base_results(
    tensor: Tensor, subject: Subject, base: Base, asked: bool, run_base: Base, tolerance: TensorRule
) -> Iterator[RuleResult]:
    introduced = tensor["introduced"]
    if base is Base.IGNORE:
        return
    if base is Base.TOLERANCE or (introduced is None and not asked):
        yield _by_tolerance(tensor, subject, tolerance)
    elif introduced is None:
        yield subject.not_measured(str(base), None, "it was not run again on trusted kernels")
    elif base is Base.EXACT:
        yield _by_equality(introduced, subject, run_base)
    else:
        # A report says what the noise floor says even where the run was judged by equality.
        reason = introduced.get("beyond_noise", introduced["reason"])
        yield subject.result(str(base), not reason, introduced["largest"], introduced["allowed"], reason)


def _by_equality(introduced: Tensor, subject: Subject, run_base: Base) -> RuleResult:
    unequal = introduced.get("unequal")
    if unequal is None:
        if run_base is Base.EXACT:
            return subject.result("exact", not introduced["reason"], None, 0, introduced["reason"])
        return subject.not_measured("exact", 0, "equality with a kernel set was not measured; a bundle has it")
    if not unequal:
        return subject.result("exact", True, 0, 0, "")
    nearest = min(unequal, key=lambda kernels: (unequal[kernels], kernels))
    reason = f"{unequal[nearest]} of {introduced['count']} elements differ from the {nearest} kernels, the nearest ones"
    return subject.result("exact", unequal[nearest] == 0, unequal[nearest], 0, reason)


def _by_tolerance(tensor: Tensor, subject: Subject, wanted: TensorRule) -> RuleResult:
    if tensor["tolerance"] is None or tensor["within_tolerance"] is None:
        return subject.not_measured("tolerance", None, "its data was not compared")
    integers = "max_lsb" in tensor["tolerance"]
    held = {key: tensor["tolerance"].get(key, 0.0) for key in (("max_lsb",) if integers else ("atol", "rtol"))}
    value = tensor["max_lsb"] if integers else tensor["metrics"]["max_abs"]
    limit = _wanted(held, wanted)
    said = f"{limit['max_lsb']:g} LSB" if integers else f"atol {limit['atol']:g} + rtol {limit['rtol']:g}"
    shown: Value = limit["max_lsb"] if integers else said
    # Of a layer another run by this policy would have counted what is beyond; judged again, its largest error is known.
    if limit == held and ("beyond" in tensor or not integers):
        reason = tensor.get("reason") or f"beyond {said}"
        return subject.result("tolerance", tensor["within_tolerance"], value, shown, reason)
    if _strange(tensor) or value is None:
        return subject.result("tolerance", False, value, shown, _strange(tensor) or "no value was compared")
    if integers:
        slack = 0.0 if float(value).is_integer() else _LSB_SLACK
        reason = f"the largest error is {value:.4g} LSB, {limit['max_lsb']:g} are allowed"
        return subject.result("tolerance", value <= limit["max_lsb"] + slack, value, shown, reason)
    if limit["rtol"] == 0 or value <= limit["atol"]:
        reason = f"the largest error is {value:.4g}, {said} are allowed"
        return subject.result("tolerance", value <= limit["atol"], value, shown, reason)
    within = tensor["within_tolerance"]
    if within and all(limit[key] >= held[key] for key in held):
        return subject.result("tolerance", True, value, shown, "")
    was = f"atol {held['atol']:g} + rtol {held['rtol']:g}"
    if not within and all(limit[key] <= held[key] for key in held):
        reason = f"the largest error is {value:.4g}, {said} are allowed, and it is beyond {was}"
        return subject.result("tolerance", False, value, shown, reason)
    return subject.not_measured("tolerance", shown, f"{said} was not measured, the run was held to {was}")


def _wanted(held: Tensor, wanted: TensorRule) -> dict[str, float]:
    """The tolerance of the run, with what the policy says in its place."""
    asked = {key: getattr(wanted, key) for key in held}
    return {key: held[key] if asked[key] is None else asked[key] for key in held}


def _metric_results(tensor: Tensor, subject: Subject, rule: TensorRule) -> Iterator[RuleResult]:
    for name, limits in rule.metrics.items():
        value = _metric(tensor, name)
        limit = " and ".join(
            f"{words} {one:g}" for words, one in (("at least", limits.min), ("at most", limits.max)) if one is not None
        )
        if value is None:
            yield subject.not_measured(name, limit, f"its {name} was not measured")
            continue
        low, high = -inf if limits.min is None else limits.min, inf if limits.max is None else limits.max
        strange = _strange(tensor)
        reason = strange or f"its {name} is {value:.6g}, {limit} is wanted"
        yield subject.result(name, low <= value <= high and not strange, _finite(value), limit, reason)


def _metric(tensor: Tensor, name: str) -> float | None:
    """A metric on real values; reports have null for what is infinite as well as for what was not measured."""
    metrics = tensor["metrics"]
    value = metrics.get(name)
    if value is not None or not metrics.get("count"):
        return None if value is None else float(value)
    if name == "snr":
        return inf if metrics["rmse"] == 0 else -inf
    return {"nse": -inf, "l2r": inf}.get(name)


def _strange(tensor: Tensor) -> str:
    """What is no number on either side, one clause; '' without any."""
    metrics = tensor["metrics"]
    if not any(metrics.get(key) for key in _NO_NUMBER):
        return ""
    return " and ".join(
        f"the {side} has {metrics[f'{side}_nan']} NaN and {metrics[f'{side}_inf']} Inf"
        for side in ("reference", "target")
        if metrics[f"{side}_nan"] or metrics[f"{side}_inf"]
    )


def _finite(value: float) -> Value:
    return value if -inf < value < inf else str(value)


def _sentence(said: str, reason: str) -> str:
    return f"{said}: {reason}" if said else reason
