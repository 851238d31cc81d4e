"""judge(): the report of a validation under a policy, rule by rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ai_runner.policy.comparability import counterpart, differing_facts, digest, refusal
from ai_runner.policy.first_divergence import first_divergence
from ai_runner.policy.judgement import Judgement, RuleResult
from ai_runner.policy.policy import Base, Policy
from ai_runner.policy.tensor_rules import Subject, at_most, layer_results, output_results

Report = Mapping[str, Any]

HEALTH = (
    *("non_finite", "stale", "echo", "not_repeatable"),
    *("constant", "dead_channels", "saturation", "unused_range"),
)
STRUCTURE = ("hash", "dtype", "shape", "scale", "zero_point", "count")

# Shares and ratios are differences of rounded numbers: 0.99 - 0.98 is a little more than 0.01.
_SLACK = 1e-9


def judge(report: Report, policy: Policy = Policy(), baseline: Report | None = None) -> Judgement:  # noqa: B008
    """Judges a validation.

    Args:
        report: of schema ``ai-runner/validation/1``, as `ai_runner.report.json` makes it or `ai_runner.schemas` has
            checked it.
        policy: the default judges as the run did: by noise floor, equality or tolerance, and by nothing else.
        baseline: an earlier report, for the rules that compare with one.
    """
    base = run_base(report)
    results = [*_expected_hash(report, None, policy)]
    for place in range(len(report["targets"])):
        results += _target_results(report, place, policy, base, baseline)
    return Judgement(
        policy=policy,
        base=str(policy.base or base),
        results=tuple(_distinct(results)),
        descriptors=tuple(target["descriptor"] for target in report["targets"]),
        error=report["error"],
    )


def _distinct(results: Iterable[RuleResult]) -> Iterator[RuleResult]:
    """Subjects of one name, such as two outputs of a layer, are numbered."""
    seen: dict[tuple[int | None, str], int] = {}
    for result in results:
        key = result.target, result.name
        seen[key] = seen.get(key, 0) + 1
        yield result if seen[key] == 1 else replace(result, subject=f"{result.subject}#{seen[key]}")


def run_base(report: Report) -> Base:
    """How the run judged its targets."""
    told = report["provenance"].get("judged_by")
    if told is not None:
        return Base(told)
    tensors = [tensor for target in report["targets"] for key in ("outputs", "layers") for tensor in target[key]]
    return Base.NOISE_FLOOR if any(tensor["introduced"] for tensor in tensors) else Base.TOLERANCE


def _target_results(
    report: Report, place: int, policy: Policy, base: Base, baseline: Report | None
) -> Iterator[RuleResult]:
    target = report["targets"][place]
    subject = Subject(place, "target", "", policy.missing)
    yield from _expected_hash(report, place, policy)
    yield _run(report, place, subject)
    yield from _structure(target, subject, policy)
    yield from _layers(report, place, policy, base)
    yield from _outputs(report, place, policy, base)
    yield from _health(target, subject, policy)
    yield from _accuracy(report, target, subject, policy)
    yield from _latency(target, subject, policy)
    yield from _memory(target, subject, policy)
    if policy.needs_baseline:
        yield from _against_baseline(report, place, subject, policy, baseline)


def _expected_hash(report: Report, place: int | None, policy: Policy) -> Iterator[RuleResult]:
    wanted = policy.model_hash
    if not wanted or (wanted == "reference" and place is None):
        return
    who = "reference" if place is None else "target"
    subject = Subject(place, who, f"the {who}", policy.missing)
    side = report["reference"] if place is None else report["targets"][place]
    found = digest(side["info"])
    if wanted == "reference":
        wanted = digest(report["reference"]["info"])
    if not found or not wanted:
        yield subject.not_measured("model_hash", wanted or "of the reference", "does not tell the hash of its model")
    elif found != wanted:
        yield subject.refused("model_hash", wanted, f"has the model {found}, expected is {wanted}")
    else:
        yield subject.result("model_hash", True, found, wanted, "")


def _run(report: Report, place: int, subject: Subject) -> RuleResult:
    """Whether everything could be run."""
    target = report["targets"][place]
    reference = report["reference"]["error"]
    failures = [] if reference is None else [f"the reference failed: {_told(reference)}"]
    failures += [] if target["error"] is None else [_told(target["error"])]
    nobody = not any(run["error"] for run in (report["reference"], *report["targets"]))
    if report["error"] is not None and nobody:
        failures.append(_told(report["error"]))
    if not failures and not target["outputs"] and not _missing_outputs(target):
        failures.append("no output was compared")
    return subject.result("run", not failures, target["samples"], None, "; ".join(failures))


def _told(error: Report) -> str:
    return " ".join(f"E{error['code']}({error['name']}): {error['message']}".split())


def _missing_outputs(target: Report) -> list[str]:
    return [x["name"] for x in target["unpaired"] if x["side"] == "reference" and x["type"] == "output"]


def _stopped(report: Report, place: int) -> bool:
    return report["error"] is not None and bool(report["targets"][place]["error"] or report["reference"]["error"])


def _layers(report: Report, place: int, policy: Policy, base: Base) -> Iterator[RuleResult]:
    layers = report["targets"][place]["layers"]
    for layer in layers:
        yield from layer_results(layer, place, policy, base)
    for rule in () if _stopped(report, place) else policy.layers:
        if not any(rule.fits(layer["name"], str(layer["index"])) for layer in layers):
            subject = Subject(place, f"layers[{rule.pattern}]", f"layers '{rule.pattern}'", policy.missing)
            why = "no layer has such a name or number" if layers else "no layers were compared; --per-layer does"
            yield subject.not_measured("found", None, why)


def _outputs(report: Report, place: int, policy: Policy, base: Base) -> Iterator[RuleResult]:
    target = report["targets"][place]
    for name in _missing_outputs(target):
        subject = Subject(place, f"output[{name}]", "", policy.missing)
        yield subject.result("paired", False, None, None, f"output '{name}' has no counterpart in the target")
    for output in target["outputs"]:
        if output.get("count", 1) or not _stopped(report, place):
            yield from output_results(output, place, policy, base)
    names = [*_missing_outputs(target), *(output["name"] for output in target["outputs"])]
    for rule in () if _stopped(report, place) else policy.outputs:
        if not any(rule.fits(name) for name in names):
            subject = Subject(place, f"outputs[{rule.pattern}]", f"outputs '{rule.pattern}'", policy.missing)
            yield subject.not_measured("found", None, "no output has such a name")


def _structure(target: Report, subject: Subject, policy: Policy) -> Iterator[RuleResult]:
    for kind in STRUCTURE:
        if policy.structure.isdisjoint({kind, "all"}):
            continue
        if target["info"] is None:
            yield subject.not_measured(f"structure-{kind}", 0, "does not describe itself")
            continue
        found = [x for x in target["structure"] if kind == x["what"].replace(" ", "_").partition("_of_")[0]]
        reason = "; ".join(
            f"{x['where']}: {x['what']} is {x['target']}, the reference has {x['reference']}" for x in found
        )
        yield subject.result(f"structure-{kind}", not found, len(found), 0, reason)


def _health(target: Report, subject: Subject, policy: Policy) -> Iterator[RuleResult]:
    health = target["health"]
    for kind in HEALTH:
        if policy.health.isdisjoint({kind, "all"}):
            continue
        if not health["outputs"] or (kind == "not_repeatable" and health["repeatable"] is None):
            yield subject.not_measured(f"health-{kind}", 0, f"its health was not measured: {kind}")
            continue
        pairs = zip(health["findings"], health.get("kinds", ()), strict=False)
        found = [text for text, kind_of_text in pairs if kind_of_text == kind]
        yield subject.result(f"health-{kind}", not found, len(found), 0, "; ".join(found))


def _accuracy(report: Report, target: Report, subject: Subject, policy: Policy) -> Iterator[RuleResult]:
    mine, theirs = target.get("accuracy"), report["reference"].get("accuracy")
    if policy.min_accuracy is not None:
        if mine is None:
            yield subject.not_measured("min_accuracy", policy.min_accuracy, "its accuracy was not measured")
        else:
            reason = f"its accuracy is {mine:.6g}, at least {policy.min_accuracy:g} is wanted"
            yield subject.result(
                "min_accuracy", mine + _SLACK >= policy.min_accuracy, mine, policy.min_accuracy, reason
            )
    if policy.max_accuracy_drop is not None:
        drop = None if mine is None or theirs is None else theirs - mine
        yield _drop(subject, "max_accuracy_drop", drop, policy.max_accuracy_drop, "the reference")


def _drop(subject: Subject, rule: str, drop: float | None, limit: float, whose: str) -> RuleResult:
    if drop is None:
        return subject.not_measured(rule, limit, "its accuracy was not measured, or not that of " + whose)
    reason = f"its accuracy is {drop:.6g} below that of {whose}, at most {limit:g} is allowed"
    return subject.result(rule, drop <= limit + _SLACK, drop, limit, reason)


def _latency(target: Report, subject: Subject, policy: Policy) -> Iterator[RuleResult]:
    if policy.max_ms is not None:
        yield at_most(subject, "max_ms", target["c_duration_ms"], policy.max_ms, "ms", "mean time of a sample")


def _memory(target: Report, subject: Subject, policy: Policy) -> Iterator[RuleResult]:
    for rule, pools, limit in (
        ("max_weights", "params", policy.max_weights),
        ("max_activations", "activations", policy.max_activations),
    ):
        if limit is not None:
            known = [] if target["info"] is None else target["info"][pools]
            size = sum(pool["size"] for pool in known) if known else None
            yield at_most(subject, rule, size, limit, "bytes", f"size of {rule.removeprefix('max_')}")


def _against_baseline(
    report: Report, place: int, subject: Subject, policy: Policy, baseline: Report | None
) -> Iterator[RuleResult]:
    target = report["targets"][place]
    before = None if baseline is None else counterpart(baseline, report, place)
    facts = () if baseline is None or before is None else differing_facts(baseline, report, before, target)
    for kind, rule, limit in (
        ("accuracy", "max_drop_from_baseline", policy.max_accuracy_drop_from_baseline),
        ("latency", "max_increase", policy.max_latency_increase),
    ):
        if limit is None:
            continue
        if before is None:
            why = "no baseline was given (--baseline)" if baseline is None else "the baseline has no such target"
            yield subject.not_measured(rule, limit, why)
            continue
        refused = refusal(facts, policy.comparability[kind])
        if refused:
            yield subject.refused(rule, limit, f"{kind} cannot be compared with the baseline: {refused}")
        elif kind == "accuracy":
            mine, theirs = target.get("accuracy"), before.get("accuracy")
            drop = None if mine is None or theirs is None else theirs - mine
            yield _drop(subject, rule, drop, limit, "the baseline")
        else:
            yield _increase(subject, rule, before["c_duration_ms"], target["c_duration_ms"], limit)


def _increase(subject: Subject, rule: str, before: float | None, now: float | None, limit: float) -> RuleResult:
    if not before or now is None:
        return subject.not_measured(rule, limit, "its time was not measured, or not that of the baseline")
    increase = now / before - 1
    reason = (
        f"its mean time of a sample went from {before:.6g} to {now:.6g} ms ({increase:+.1%}), {limit:.1%} is allowed"
    )
    return subject.result(rule, increase <= limit + _SLACK, increase, limit, reason)


def with_judgement(report: Report, judgement: Judgement) -> dict[str, Any]:
    """The report with verdicts, reasons and first divergences of a judgement, and its rules under ``policy``."""
    targets = []
    for place, target in enumerate(report["targets"]):
        reasons = list(judgement.reasons(place))
        changed = {**target, "verdict": "fail" if reasons else "pass", "reasons": reasons}
        if judgement.policy != Policy():
            changed["first_divergence"] = first_divergence(target, judgement, place, run_base(report))
        targets.append(changed)
    verdict = "pass" if judgement.verdict == "pass" else "fail"
    return {**report, "verdict": verdict, "targets": targets, "policy": judgement.to_dict()}
