"""Policies, bundles, baselines: ``validate --policy --bundle --baseline``, ``judge`` and ``diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ai_runner.policy.rules import judge
from ai_runner.schemas import check
from ai_runner.tflite_model import TfliteModel

HEAD = 'schema = "ai-runner/policy/1"\n'
SAME = ("validate", "-m", "fake:reference", "-d", "fake:same")
OFF = ("validate", "-m", "fake:reference", "-d", "fake:off?add=0.01", "-d", "fake:same")


@pytest.fixture
def policy(tmp_path: Path) -> Any:
    """Writes a policy file."""

    def write(text: str, name: str = "policy.toml") -> Path:
        path = tmp_path / name
        path.write_text(HEAD + text, encoding="utf-8")
        return path

    return write


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("ascii"))
    check(found, "validation")
    return found


def judged(report: dict[str, Any]) -> Any:
    """What a judgement says, without what tells one file from another."""
    return report["verdict"], [(x["verdict"], x["reasons"]) for x in report["targets"]], report["policy"]["rules"]


POLICIES = [
    "",
    "[tolerance]\natol = 0.02",
    "[tolerance]\natol = 0.001",
    "[tolerance]\natol = 0.001\nrtol = 0.5",
    "[tolerance]\natol = 0.001\nrtol = 0.00001",
    '[outputs."*"]\natol = 0.001\nrtol = 0.3',
    '[outputs."*".metrics]\nmax_abs = { max = 0.02 }\ncos = { min = 0.99999999 }',
    "[outputs.none]\nmax_lsb = 1",
    "[latency]\nmax_ms = 0.5",
    "[accuracy]\nmin = 0.5",
    'missing = "warn"\n[accuracy]\nmin = 0.5\n[memory]\nmax_weights = 1',
    '[expect]\nmodel_hash = "12345678"',
    '[health]\nfail = ["all"]\n[structure]\nfail = ["all"]',
    "[layers.0]\nmax_lsb = 1\nmetrics = { rmse = { max = 0.001 } }",
]


@pytest.mark.parametrize("text", POLICIES)
@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_judging_again_is_what_the_run_would_have_said(
    ai_runner: Any, tmp_path: Path, policy: Any, fake_driver: Any, text: str, name: str
) -> None:
    path, inputs = policy(text), ("--random", "40", "--per-layer")
    live = ai_runner(*OFF, *inputs, "--policy", path, "--json", tmp_path / "live.json")
    plain = ai_runner(*OFF, *inputs, "--bundle", tmp_path / name)
    assert plain.code == 1
    runs = len(fake_driver.runs)
    again = ai_runner("judge", tmp_path / name, "--policy", path, "--json", tmp_path / "again.json")
    assert len(fake_driver.runs) == runs
    assert again.code == live.code, again.out + again.err
    assert judged(read(tmp_path / "again.json")) == judged(read(tmp_path / "live.json"))
    assert again.err == live.err


def test_a_bundle_keeps_the_policy_that_it_was_judged_by(ai_runner: Any, tmp_path: Path, policy: Any) -> None:
    path = policy('name = "loose"\n[tolerance]\natol = 0.02')
    assert ai_runner(*OFF, "--policy", path, "--bundle", tmp_path / "b").code == 0
    ended = ai_runner("judge", tmp_path / "b")
    assert ended.code == 0
    assert "policy     loose (sha256 " in ended.out
    assert ai_runner("judge", tmp_path / "b", "--policy", "tolerance").code == 1


def test_an_error_of_the_run_is_told_again(ai_runner: Any, tmp_path: Path) -> None:
    question = (
        "validate",
        "-m",
        "fake:r",
        "-d",
        "fake:c?dies=2",
        "-d",
        "fake:busy",
        "-d",
        "fake:same",
        "--random",
        140,
    )
    ended = ai_runner(*question, "--bundle", tmp_path / "b")
    assert ended.code == 3
    again = ai_runner("judge", tmp_path / "b")
    assert (again.code, again.err) == (3, ended.err)
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    check(manifest, "bundle")
    assert [(x["target"], x["samples"]) for x in manifest["runtimes"]] == [(None, 140), (0, 128), (2, 140)]
    assert ai_runner(*SAME, "-d", f"bundle:{tmp_path / 'b'}?runtime=2", "--random", 140).code == 0


def test_a_reference_that_cannot_be_opened_leaves_no_bundle(ai_runner: Any, tmp_path: Path) -> None:
    files = ("--bundle", tmp_path / "b", "--junit", tmp_path / "j", "--json", tmp_path / "r.json")
    ended = ai_runner("validate", "-m", "fake:busy", "-d", "fake:same", *files)
    assert ended.code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j", "r.json"]
    assert read(tmp_path / "r.json")["policy"]["exit_code"] == 3
    assert "port COM3 is in use" in (tmp_path / "j").read_text()


def test_the_rules_say_what_the_verdict_says_without_a_policy(ai_runner: Any, tmp_path: Path) -> None:
    """The default policy and `TargetResult` come to the same verdict for the same reasons."""
    from ai_runner.compare.validation import validate
    from ai_runner.data import RandomInputs
    from ai_runner.report.json import plain_report
    from ai_runner.runner import AiRunner

    with AiRunner.open("fake:r") as reference:
        for target in ("fake:same", "fake:off?add=0.01", "fake:off?add=nan", "fake:c?dies=1", "fake:c?dies=2"):
            with AiRunner.open(target) as runner:
                inputs = RandomInputs(reference.model_info().inputs, 40)
                found = validate(reference, [runner], inputs, per_layer=True, chunk_samples=32)
            judgement = judge(plain_report(found))
            assert judgement.reasons(0) == found.targets[0].reasons
            assert judgement.verdict == found.verdict
            assert judgement.exit_code == (
                found.error.EXIT_CODE if found.error else {"pass": 0, "fail": 1}[found.verdict]
            )


def test_baselines(ai_runner: Any, tmp_path: Path, policy: Any) -> None:
    baseline = tmp_path / "baseline.json"
    assert ai_runner(*SAME, "--save-baseline", baseline).code == 0
    ended = ai_runner(*SAME, "--baseline", baseline)
    assert (ended.code, "unchanged" in ended.out) == (0, True)
    assert ai_runner(*SAME, "-d", "fake:other", "--baseline", baseline).code == 0
    failing = ("validate", "-m", "fake:reference", "-d", "fake:same?add=0.01")
    ended = ai_runner(*failing, "--atol", "1", "--baseline", baseline)
    assert (ended.code, "changed    output 'y' rmse: 0 -> 0.0" in ended.out) == (0, True)
    ended = ai_runner(*failing, "--baseline", baseline)
    assert (ended.code, "WORSE      verdict: pass -> fail" in ended.out) == (1, True)
    gate = policy("[latency]\nmax_increase = 0.5")
    assert ai_runner(*SAME, "--policy", gate, "--baseline", baseline).code == 0
    assert ai_runner(*SAME, "--policy", gate).code == 1
    ended = ai_runner(*SAME, "--policy", gate, "--baseline", baseline, "--per-layer")
    assert (ended.code, "mode is per layer, was outputs only" in ended.out) == (4, True)


def test_a_runtime_that_failed_leaves_the_baseline_as_it_was(ai_runner: Any, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    assert ai_runner(*SAME, "--save-baseline", baseline).code == 0
    before = baseline.read_bytes()
    for reference, target in (("fake:busy", "fake:same"), ("fake:r", "fake:busy"), ("fake:r", "fake:c?dies=1")):
        ended = ai_runner("validate", "-m", reference, "-d", target, "--save-baseline", baseline)
        assert (ended.code, baseline.read_bytes() == before) == (3, True)


def test_what_nobody_foresaw_is_reported_all_the_same(ai_runner: Any, tmp_path: Path) -> None:
    """A report of an earlier run must not stand for this one."""
    found, xml = tmp_path / "r.json", tmp_path / "j.xml"
    ai_runner(*SAME, "--json", found)
    ended = ai_runner("validate", "-m", "fake:bug", "-d", "fake:same", "--json", found, "--junit", xml)
    assert (ended.code, len(ended.err.splitlines())) == (5, 1)
    assert read(found)["error"]["message"] == "internal error: ZeroDivisionError: division by zero"
    assert read(found)["policy"]["exit_code"] == 5
    assert "division by zero" in xml.read_text()
    assert ai_runner("judge", found).code == 5


def test_diff(ai_runner: Any, tmp_path: Path, policy: Any) -> None:
    good, bad, bundle = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "bundle.zip"
    ai_runner(*SAME, "--per-layer", "--json", good)
    ai_runner("validate", "-m", "fake:reference", "-d", "fake:same?add=0.01", "--per-layer", "--json", bad)
    ai_runner(*SAME, "--per-layer", "--bundle", bundle)
    ended = ai_runner("diff", good, bundle)
    assert (ended.code, ended.out) == (0, "unchanged\n")
    ended = ai_runner("diff", bundle, bad)
    assert ended.code == 1
    assert "WORSE      verdict: pass -> fail" in ended.out
    assert "WORSE      first divergence: none -> layer 0 double (MUL): " in ended.out
    ended = ai_runner("diff", bad, good)
    assert (ended.code, "WORSE" in ended.out) == (0, False)
    ended = ai_runner("diff", good, bad, "--policy", policy("[tolerance]\natol = 1\n[latency]\nmax_increase = 0"))
    assert ended.code == 0, ended.out


def test_what_cannot_be_judged(ai_runner: Any, tmp_path: Path, policy: Any) -> None:
    broken, none = tmp_path / "broken.json", tmp_path / "none"
    broken.write_text('{"schema": "ai-runner/bench/1"}')
    for verb in (("judge", broken), ("diff", broken, broken), (*SAME, "--baseline", broken)):
        ended = ai_runner(*verb)
        assert (ended.code, ended.out) == (4, "")
        assert "is no report of a validation" in ended.err
    for verb in (("judge", none), ("diff", none, none), (*SAME, "--baseline", none)):
        ended = ai_runner(*verb)
        assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    ended = ai_runner(*SAME, "--policy", policy("[latncy]"))
    assert ended.code == 2
    assert "policy.toml: unknown key 'latncy'; allowed: accuracy, base," in ended.err
    assert ai_runner(*SAME, "--policy", "strict").code == 2
    ended = ai_runner(*SAME, "--policy", policy(""), "--atol", "1")
    assert (ended.code, "exclude each other" in ended.err) == (2, True)


def test_where_a_bundle_may_go(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for path in (tmp_path / "full", tmp_path / "no" / "folder"):
        ended = ai_runner(*SAME, "--bundle", path)
        assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert fake_driver.runs == []
    (tmp_path / "empty").mkdir()
    for name in ("empty", "b.zip", "b.zip", "c.ZIP"):
        assert ai_runner(*SAME, "--bundle", tmp_path / name).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "c.ZIP", "empty", "full"]
    assert (tmp_path / "c.ZIP").is_file()


def test_results_do_not_take_each_others_place(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    path = tmp_path / "r.json"
    for options, message in (
        (("--json", path, "--markdown", path), "--json and --markdown are the same file"),
        (("--json", path, "--bundle", path), "--json and --bundle are the same file"),
        (("--json", ""), "--json: an empty path"),
    ):
        ended = ai_runner(*SAME, *options)
        assert (ended.code, message in ended.err) == (2, True)
    assert fake_driver.runs == []


def test_an_interrupted_run_leaves_nothing(ai_runner: Any, tmp_path: Path) -> None:
    assert ai_runner("validate", "-m", "fake:r", "-d", "fake:interrupted", "--bundle", tmp_path / "b").code == 130
    assert list(tmp_path.iterdir()) == []


def test_junit_and_markdown(ai_runner: Any, tmp_path: Path, policy: Any) -> None:
    gate = policy('missing = "warn"\n[accuracy]\nmin = 0.5')
    xml, text = tmp_path / "j.xml", tmp_path / "m.md"
    assert ai_runner(*OFF, "--policy", gate, "--junit", xml, "--markdown", text).code == 1
    root = ET.parse(xml).getroot()
    assert (root.get("tests"), root.get("failures"), len(root.findall(".//skipped"))) == ("6", "1", 2)
    assert text.read_text("utf-8").startswith("### ❌ fail: 1 of 2 targets ")
    again = (tmp_path / "j2.xml", tmp_path / "m2.md")
    ai_runner(*OFF, "--bundle", tmp_path / "b")
    ai_runner("judge", tmp_path / "b", "--policy", gate, "--junit", again[0], "--markdown", again[1])
    assert [case.get("name") for case in ET.parse(again[0]).iter("testcase")] == [
        case.get("name") for case in root.iter("testcase")
    ]


# -- on the bundled model ---------------------------------------------------------------------------------------------


def test_the_bundle_of_a_run_by_noise_floor_is_judged_by_any_base(
    ai_runner: Any, digits_int8: Path, digits_test: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "some.npz", x=np.load(digits_test)["m_inputs_1"][:60])
    question = ("validate", "-m", f"tflite:{digits_int8}", "-d", f"tflite:{digits_int8}?kernels=xnnpack", "--per-layer")
    question += ("--inputs", tmp_path / "some.npz")
    assert ai_runner(*question, "--bundle", tmp_path / "b").code == 0
    for base in ("noise-floor", "exact", "tolerance"):
        live = ai_runner(*question, "--policy", base, "--json", tmp_path / "live.json")
        again = ai_runner("judge", tmp_path / "b", "--policy", base, "--json", tmp_path / "again.json")
        assert again.code == live.code, base
        assert judged(read(tmp_path / "again.json")) == judged(read(tmp_path / "live.json")), base
        divergences = [read(tmp_path / name)["targets"][0]["first_divergence"] for name in ("again.json", "live.json")]
        assert (divergences[0] is None) == (divergences[1] is None)
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert len(manifest["worst"]) == 16
    errors = [one["error"] for one in manifest["worst"]]
    assert errors == sorted(errors, reverse=True)
    tensors = np.load(tmp_path / "b" / manifest["worst"][0]["path"])
    assert {"reference.input.0", "target.output.0", "reference.node.0.0", "target.node.6.0"} <= set(tensors)


MIXED = [
    'base = "tolerance"\n[layers."conv_2d_*"]\nbase = "noise-floor"\n[layers.1]\nbase = "exact"',
    'base = "tolerance"\n[outputs."*"]\nbase = "exact"',
    'base = "exact"\n[layers.0]\nbase = "ignore"\n[layers."conv*"]\nbase = "noise-floor"',
    'base = "noise-floor"\n[tolerance]\nmax_lsb = 9\n[outputs."*"]\nbase = "tolerance"\n[layers.5]\nbase = "ignore"',
    '[tolerance]\nmax_lsb = 200\n[layers.0]\nbase = "tolerance"\n[outputs."*"]\nmax_lsb = 3',
    '[tolerance]\nmax_lsb = 0\n[layers.none]\nbase = "noise-floor"',
    'base = "tolerance"',
    "",
]


@pytest.mark.parametrize("text", MIXED)
def test_bases_are_mixed_in_one_policy_as_in_a_run_under_it(
    ai_runner: Any, digits_int8: Path, tmp_path: Path, policy: Any, wrong_weights: Path, text: str
) -> None:
    """Verdicts, rules, reasons and the place of the first divergence, of a bundle and of a run by the policy."""
    question = ("validate", "-m", f"tflite:{digits_int8}", "-d", f"tflite:{wrong_weights}", "--per-layer")
    question += ("-d", f"tflite:{digits_int8}?kernels=xnnpack", "--random", "8")
    path = policy(text)
    live = ai_runner(*question, "--policy", path, "--json", tmp_path / "live.json")
    ai_runner(*question, "--bundle", tmp_path / "b")
    again = ai_runner("judge", tmp_path / "b", "--policy", path, "--json", tmp_path / "again.json")
    reports = read(tmp_path / "live.json"), read(tmp_path / "again.json")
    assert again.code == live.code
    assert judged(reports[1]) == judged(reports[0])
    places = [[first_place(target) for target in report["targets"]] for report in reports]
    assert places[0] == places[1]
    assert not any(rule["reason"].endswith("run again on trusted kernels") for rule in reports[0]["policy"]["rules"])


def first_place(target: dict[str, Any]) -> Any:
    found = target["first_divergence"]
    return found and (found["layer"], found["name"])


@pytest.fixture
def wrong_weights(digits_int8: Path, tmp_path: Path) -> Path:
    """The model with other weights in its first convolution."""
    content = bytearray(digits_int8.read_bytes())
    weights = next(x.data for x in TfliteModel.read(digits_int8).tensors if x.shape == (8, 3, 3, 1))
    assert weights is not None
    start = content.index(weights.tobytes())
    for place in range(start, start + 18):
        content[place] = (content[place] + 40) % 256
    path = tmp_path / "wrong.tflite"
    path.write_bytes(content)
    return path
