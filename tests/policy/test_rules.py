"""Rules on reports: what passes, fails, is skipped or refused, and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_runner.policy.judgement import Judgement, RuleResult, Status
from ai_runner.policy.policy import Policy, parse_policy
from ai_runner.policy.rules import judge, with_judgement


def policy(text: str) -> Policy:
    return parse_policy(('schema = "ai-runner/policy/1"\n' + text).encode(), "p.toml")


def rule(judgement: Judgement, name: str) -> RuleResult:
    (found,) = (result for result in judgement.results if result.name == name)
    return found


def outcome(judgement: Judgement, name: str) -> tuple[str, Any, Any]:
    found = rule(judgement, name)
    assert (found.status is Status.PASS) == (found.reason == "")
    return str(found.status), found.value, found.limit


def test_without_a_policy_the_run_decides(reports: Any) -> None:
    found = judge(reports.report())
    assert (found.verdict, found.exit_code, found.base) == ("pass", 0, "noise-floor")
    assert [result.name for result in found.results] == ["target::run", "output[softmax]::noise-floor"]
    assert found.reasons(0) == ()


def test_a_layer_that_introduces_an_error_fails(reports: Any) -> None:
    wrong = reports.introduced(diverges=True, reason="an element lies far out", beyond_noise="an element lies far out")
    layers = [reports.layer(0, "a"), reports.layer(1, "b", introduced=wrong), reports.layer(2, "c", introduced=None)]
    found = judge(reports.report(reports.target(layers=layers)))
    assert (found.verdict, found.exit_code) == ("fail", 1)
    assert found.reasons(0) == ("layer 1 b (CONV_2D): an element lies far out",)
    assert [r.name for r in found.results if r.subject.startswith("layer")] == [
        "layer[0 a]::noise-floor",
        "layer[1 b]::noise-floor",
    ]


def test_a_layer_may_be_ignored_by_name_or_number(reports: Any) -> None:
    wrong = reports.introduced(diverges=True, reason="far out", beyond_noise="far out")
    report = reports.report(reports.target(layers=[reports.layer(7, "conv_7", introduced=wrong)]))
    for pattern in ("7", "conv_7", '"conv*"', '"*"'):
        assert judge(report, policy(f'[layers.{pattern}]\nbase = "ignore"')).verdict == "pass", pattern
    assert judge(report, policy('[layers."7"]\nbase = "noise-floor"\n[layers."*"]\nbase = "ignore"')).verdict == "fail"


@pytest.mark.parametrize(("limit", "status"), [(0, "fail"), (1, "pass"), (2, "pass")])
def test_another_tolerance_of_integers(reports: Any, limit: int, status: str) -> None:
    found = judge(reports.report(), policy(f"[tolerance]\nmax_lsb = {limit}"))
    assert outcome(found, "output[softmax]::tolerance") == (status, 1, limit)


def test_tolerances_of_real_values(reports: Any) -> None:
    held = {"tolerance": {"atol": 1e-5, "rtol": 1e-4}, "max_lsb": None, "metrics": reports.metrics(max_abs=0.5)}
    wrong = reports.output(**held, within_tolerance=False, reason="3 of 40 values beyond", introduced=None)
    report = reports.report(reports.target(outputs=[wrong]), judged_by="tolerance")
    assert judge(report).reasons(0) == ("output 'softmax': 3 of 40 values beyond",)
    name = "output[softmax]::tolerance"
    assert outcome(judge(report, policy("[tolerance]\natol = 0.5\nrtol = 0")), name)[0] == "pass"
    assert outcome(judge(report, policy("[tolerance]\natol = 0.4\nrtol = 0")), name)[0] == "fail"
    found = judge(report, policy("[tolerance]\natol = 0.4\nrtol = 0.1"))
    assert rule(found, name).reason.endswith("was not measured, the run was held to atol 1e-05 + rtol 0.0001")
    assert judge(report, policy('missing = "pass"\n[tolerance]\natol = 0.4\nrtol = 0.1')).verdict == "pass"


def test_equality(reports: Any) -> None:
    unequal = {"reference": 5, "xnnpack": 3}
    report = reports.report(reports.target(outputs=[reports.output(introduced=reports.introduced(unequal=unequal))]))
    assert judge(report).verdict == "pass"
    found = judge(report, policy('base = "exact"'))
    assert outcome(found, "output[softmax]::exact") == ("fail", 3, 0)
    assert found.reasons(0) == ("output 'softmax': 3 of 40 elements differ from the xnnpack kernels, the nearest ones",)
    unequal["xnnpack"] = 0
    assert judge(report, policy('base = "exact"')).verdict == "pass"
    not_measured = judge(reports.report(), policy('base = "exact"'))
    assert "equality with a kernel set was not measured" in not_measured.reasons(0)[0]


def test_a_run_by_equality_under_the_noise_floor(reports: Any) -> None:
    only_unequal = reports.introduced(diverges=True, reason="5 of 40 differ", beyond_noise="")
    report = reports.report(reports.target(outputs=[reports.output(introduced=only_unequal)]), judged_by="exact")
    assert judge(report).reasons(0) == ("output 'softmax': 5 of 40 differ",)
    assert judge(report, policy('base = "noise-floor"')).verdict == "pass"


def test_the_noise_floor_where_it_was_not_measured(reports: Any) -> None:
    report = reports.report(reports.target(outputs=[reports.output(introduced=None)]), judged_by="tolerance")
    assert judge(report).verdict == "pass"
    found = judge(report, policy('base = "noise-floor"'))
    assert outcome(found, "output[softmax]::noise-floor") == ("fail", None, None)
    assert judge(report, policy('base = "noise-floor"\nmissing = "warn"')).verdict == "pass"


def test_metrics(reports: Any) -> None:
    output = reports.output(metrics=reports.metrics(cos=0.99, snr=None, rmse=0.0, nse=None, acc=None))
    text = "[outputs.softmax.metrics]\n" + "\n".join(
        (
            "cos = { min = 0.999 }",
            "snr = { min = 30 }",
            "nse = { min = 0.9 }",
            "acc = { min = 1 }",
            "rmse = { max = 0 }",
        )
    )
    found = judge(reports.report(reports.target(outputs=[output])), policy(text))
    assert outcome(found, "output[softmax]::cos") == ("fail", 0.99, "at least 0.999")
    assert outcome(found, "output[softmax]::snr") == ("pass", "inf", "at least 30")
    assert outcome(found, "output[softmax]::nse") == ("fail", "-inf", "at least 0.9")
    assert outcome(found, "output[softmax]::acc") == ("fail", None, "at least 1")
    assert outcome(found, "output[softmax]::rmse") == ("pass", 0.0, "at most 0")
    assert outcome(found, "output[softmax]::noise-floor")[0] == "pass"


def test_a_metric_beside_a_nan_never_passes(reports: Any) -> None:
    output = reports.output(metrics=reports.metrics(target_nan=1))
    found = judge(
        reports.report(reports.target(outputs=[output])),
        policy('[outputs."*"]\nbase = "ignore"\nmetrics = { cos = { min = 0 } }'),
    )
    assert found.reasons(0) == ("output 'softmax': the target has 1 NaN and 0 Inf",)


def test_patterns_that_mean_nothing_are_told(reports: Any) -> None:
    text = '[outputs.sofmax]\nmax_lsb = 1\n[layers."conv*"]\nmax_lsb = 1'
    found = judge(reports.report(), policy(text))
    assert found.reasons(0) == (
        "layers 'conv*': no layers were compared; --per-layer does",
        "outputs 'sofmax': no output has such a name",
    )


def test_layers_by_tolerance_only_where_the_policy_says_so(reports: Any) -> None:
    layers = [reports.layer(0, "a", introduced=None, within_tolerance=False, max_lsb=9)]
    report = reports.report(reports.target(layers=layers), judged_by="tolerance")
    assert judge(report).verdict == "pass"
    assert outcome(judge(report, policy("[layers.a]\nmax_lsb = 8")), "layer[0 a]::tolerance") == ("fail", 9, 8)
    assert outcome(judge(report, policy("[layers.0]\nmax_lsb = 9")), "layer[0 a]::tolerance") == ("pass", 9, 9)
    found = judge(report, policy("[layers.a]\nmax_ms = 0.2"))
    assert found.reasons(0) == ("layer 0 a (CONV_2D): its time is 0.25 ms, at most 0.2 ms are allowed",)


def test_accuracy(reports: Any) -> None:
    report = reports.report(reports.target(accuracy=0.98))
    report["reference"]["accuracy"] = 0.99
    assert judge(report, policy("[accuracy]\nmin = 0.98\nmax_drop = 0.01")).verdict == "pass"
    found = judge(report, policy("[accuracy]\nmin = 0.985\nmax_drop = 0.005"))
    assert found.reasons(0) == (
        "its accuracy is 0.98, at least 0.985 is wanted",
        "its accuracy is 0.01 below that of the reference, at most 0.005 is allowed",
    )
    assert "was not measured" in judge(reports.report(), policy("[accuracy]\nmin = 0.5")).reasons(0)[0]


def test_latency_and_memory(reports: Any) -> None:
    text = "[latency]\nmax_ms = 2\n[memory]\nmax_weights = 3000\nmax_activations = 1499"
    found = judge(reports.report(), policy(text))
    assert outcome(found, "target::max_ms") == ("pass", 2.0, 2)
    assert outcome(found, "target::max_weights") == ("pass", 3000, 3000)
    assert outcome(found, "target::max_activations") == ("fail", 1500, 1499)
    nothing = reports.target(c_duration_ms=None, info={**reports.info(), "params": []})
    found = judge(reports.report(nothing), policy('missing = "warn"\n' + text))
    assert outcome(found, "target::max_ms")[0] == outcome(found, "target::max_weights")[0] == "skipped"


def test_structure_and_health(reports: Any) -> None:
    structure = [
        {"where": "model", "what": "count of inputs", "reference": "1", "target": "2"},
        {"where": "output 0 'y'", "what": "zero point", "reference": "3", "target": "4"},
    ]
    health = {**reports.target()["health"], "findings": ["output 'y': stale"], "kinds": ["stale"]}
    report = reports.report(reports.target(structure=structure, health=health))
    assert judge(report).verdict == "pass"
    found = judge(report, policy('[structure]\nfail = ["all"]\n[health]\nfail = ["stale", "echo"]'))
    failed = [result.rule for result in found.results if result.status is Status.FAIL]
    assert failed == ["structure-zero_point", "structure-count", "health-stale"]
    assert outcome(found, "target::structure-dtype") == ("pass", 0, 0)
    assert found.reasons(0)[-1] == "output 'y': stale"
    assert judge(report, policy('[structure]\nfail = ["scale", "hash"]')).verdict == "pass"


def test_another_model_is_refused(reports: Any) -> None:
    other = reports.target(info=reports.info("0x00000000"))
    found = judge(reports.report(reports.target(), other), policy('[expect]\nmodel_hash = "abcdef01"'))
    assert (found.verdict, found.exit_code) == ("refused", 4)
    assert [(r.target, str(r.status)) for r in found.results if r.rule == "model_hash"] == [
        *((None, "pass"), (0, "pass"), (1, "refused")),
    ]
    assert found.reasons(0) == ()
    assert found.reasons(1) == ("the target: has the model 00000000, expected is abcdef01",)
    assert judge(reports.report(other), policy('[expect]\nmodel_hash = "reference"')).exit_code == 4
    silent = reports.report(reports.target(info=reports.info("")))
    assert judge(silent, policy('[expect]\nmodel_hash = "reference"')).exit_code == 1


def test_a_wrong_reference_speaks_against_every_target(reports: Any) -> None:
    found = judge(reports.report(), policy('[expect]\nmodel_hash = "12345678"'))
    assert found.exit_code == 4
    assert len(found.reasons(0)) == 2


def test_errors(reports: Any) -> None:
    error = {"code": 801, "name": "HwIOError", "message": "gone", "hint": "", "retryable": True, "exit_code": 3}
    dead = reports.target(error=error, outputs=[reports.output(count=0, within_tolerance=False)])
    report = {**reports.report(dead, reports.target()), "error": error}
    found = judge(report)
    assert (found.verdict, found.exit_code) == ("fail", 3)
    assert found.reasons(0) == ("E801(HwIOError): gone",)
    assert found.reasons(1) == ()
    report = {**reports.report(reports.target(outputs=[])), "error": error}
    assert judge(report).reasons(0) == ("E801(HwIOError): gone",)
    assert judge(reports.report(reports.target(outputs=[]))).reasons(0) == ("no output was compared",)


def test_an_output_without_counterpart(reports: Any) -> None:
    gone = [{"side": "reference", "index": 1, "name": "boxes", "type": "output", "reason": "none"}]
    found = judge(reports.report(reports.target(unpaired=gone)))
    assert found.reasons(0) == ("output 'boxes' has no counterpart in the target",)


def test_no_target_no_pass(reports: Any) -> None:
    assert judge({**reports.report(), "targets": []}).verdict == "fail"


def test_names_are_distinct(reports: Any) -> None:
    found = judge(reports.report(reports.target(outputs=[reports.output("y"), reports.output("y")])))
    names = [result.name for result in found.results]
    assert len(set(names)) == len(names)


BASELINE = "[latency]\nmax_increase = 0.1\n[accuracy]\nmax_drop_from_baseline = 0.01\n"


def test_a_baseline(reports: Any) -> None:
    old = reports.report(reports.target(c_duration_ms=2.0, accuracy=0.9))
    new = reports.report(reports.target(c_duration_ms=2.2, accuracy=0.89))
    assert judge(new, policy(BASELINE), old).verdict == "pass"
    worse = reports.report(reports.target(c_duration_ms=2.3, accuracy=0.88))
    assert judge(worse, policy(BASELINE), old).reasons(0) == (
        "its accuracy is 0.02 below that of the baseline, at most 0.01 is allowed",
        "its mean time of a sample went from 2 to 2.3 ms (+15.0%), 10.0% is allowed",
    )
    assert "no baseline was given" in judge(new, policy(BASELINE)).reasons(0)[0]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"sys_clock": 240_000_000}, "clock is 240/240 MHz, was 480/240 MHz"),
        ({"attrs": ["icache"]}, "caches is icache, was dcache icache"),
        ({"dev_id": "0x483"}, "device is stm32 0x483, was stm32 0x450"),
    ],
)
def test_a_time_of_another_board_is_refused(reports: Any, change: dict[str, Any], fact: str) -> None:
    new = reports.report(reports.target(info=reports.info(**change), accuracy=0.9))
    found = judge(new, policy(BASELINE), reports.report(reports.target(accuracy=0.9)))
    assert outcome(found, "target::max_drop_from_baseline")[0] == "pass"
    assert outcome(found, "target::max_increase")[0] == "refused"
    assert found.reasons(0) == (f"latency cannot be compared with the baseline: {fact}",)
    assert (found.verdict, found.exit_code) == ("refused", 4)
    allowed = policy(BASELINE + '[comparability]\nlatency = ["compiler", "timer"]')
    assert judge(new, allowed, reports.report(reports.target(accuracy=0.9))).verdict == "pass"


def test_an_accuracy_on_other_data_is_refused(reports: Any) -> None:
    old = reports.report(reports.target(accuracy=0.9), data_sha256="aa")
    found = judge(reports.report(reports.target(accuracy=0.9), data_sha256="bb"), policy(BASELINE), old)
    assert outcome(found, "target::max_drop_from_baseline")[0] == "refused"
    assert outcome(found, "target::max_increase")[0] == "pass"


def test_the_counterpart_in_a_baseline(reports: Any) -> None:
    old = reports.report(reports.target("b", c_duration_ms=1.0), reports.target("a", c_duration_ms=2.0))
    text = policy("[latency]\nmax_increase = 0")
    assert judge(reports.report(reports.target("a")), text, old).verdict == "pass"
    assert "no such target" in judge(reports.report(reports.target("c")), text, old).reasons(0)[0]
    assert judge(reports.report(reports.target("c"), reports.target("d")), text, old).reasons(1) == ()


def test_the_report_with_its_judgement(reports: Any) -> None:
    report = reports.report(
        reports.target(layers=[reports.layer(1, "b", introduced=reports.introduced(unequal={"k": 3}))])
    )
    found = judge(report, policy('base = "exact"\n[outputs."*"]\nbase = "noise-floor"'))
    judged = with_judgement(report, found)
    assert judged["verdict"] == judged["targets"][0]["verdict"] == "fail"
    assert judged["targets"][0]["first_divergence"] == {
        **{"layer": 1, "name": "b", "type": "CONV_2D", "stage": None},
        "reason": "3 of 40 elements differ from the k kernels, the nearest ones",
    }
    assert judged["policy"]["base"] == "exact"
    assert judged["policy"]["rules"][1] == {
        **{"target": 0, "subject": "layer[1 b]", "rule": "exact", "status": "fail", "value": 3, "limit": 0},
        "reason": "layer 1 b (CONV_2D): 3 of 40 elements differ from the k kernels, the nearest ones",
    }
    assert json.loads(json.dumps(judged, allow_nan=False)) == judged
    assert report["verdict"] == "pass"
