"""Policies: what a file may say, and one clear line where it says something else."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import InvalidParamError
from ai_runner.policy.policy import COMPARABILITY, Base, Limits, Missing, Policy, parse_policy, read_policy

HEAD = 'schema = "ai-runner/policy/1"\n'

COMPLETE = (
    HEAD
    + """
name = "release"
base = "noise-floor"
missing = "warn"
[expect]
model_hash = "0xBE4AF481"
[tolerance]
max_lsb = 2
[outputs."soft*"]
max_lsb = 3
metrics = { cos = { min = 0.999 }, rmse = { max = 0.1 } }
[outputs."*"]
base = "exact"
[layers.3]
base = "ignore"
max_ms = 0.5
[accuracy]
min = 0.9
max_drop = 0.01
max_drop_from_baseline = 0.005
[latency]
max_ms = 5
max_increase = 0.1
[memory]
max_weights = 4096
max_activations = 65536
[health]
fail = ["stale"]
[structure]
fail = ["all"]
[comparability]
latency = ["device"]
"""
)


def parsed(text: str) -> Policy:
    return parse_policy(text.encode(), "p.toml")


def test_everything_that_a_policy_can_say(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(COMPLETE, encoding="utf-8")
    policy = read_policy(path)
    assert (policy.name, policy.base, policy.missing) == ("release", Base.NOISE_FLOOR, Missing.WARN)
    assert policy.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert policy.model_hash == "be4af481"
    assert policy.tolerance.max_lsb == 2
    soft, rest = policy.outputs
    assert (soft.pattern, soft.base, soft.max_lsb, soft.has_tolerance) == ("soft*", None, 3, True)
    assert soft.metrics == {"cos": Limits(min=0.999), "rmse": Limits(max=0.1)}
    assert (rest.base, rest.has_tolerance) == (Base.EXACT, False)
    (layer,) = policy.layers
    assert (layer.pattern, layer.base, layer.max_ms) == ("3", Base.IGNORE, 0.5)
    assert (policy.min_accuracy, policy.max_accuracy_drop, policy.max_accuracy_drop_from_baseline) == (0.9, 0.01, 0.005)
    assert (policy.max_ms, policy.max_latency_increase, policy.max_weights, policy.max_activations) == (
        *(5, 0.1, 4096, 65536),
    )
    assert (policy.health, policy.structure) == ({"stale"}, {"all"})
    assert policy.comparability == {**COMPARABILITY, "latency": ("device",)}
    assert policy.needs_baseline


def test_a_policy_that_says_nothing_is_the_default() -> None:
    policy = parsed(HEAD)
    assert policy == Policy(sha256=policy.sha256)
    assert not policy.needs_baseline


def test_a_general_tolerance_judges_unless_another_base_is_given() -> None:
    assert parsed(HEAD + "[tolerance]\natol = 0.1").base is Base.TOLERANCE
    assert parsed(HEAD + 'base = "exact"\n[tolerance]\natol = 0.1').base is Base.EXACT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.toml: the key 'schema' is missing"),
        (
            'schema = "ai-runner/policy/2"',
            "p.toml: schema: 'ai-runner/policy/2' where 'ai-runner/policy/1' is expected",
        ),
        (HEAD + "bse = 1", "unknown key 'bse'; allowed: accuracy, base, comparability"),
        (HEAD + 'base = "loose"', "base: 'loose' is not one of noise-floor, exact, tolerance"),
        (HEAD + 'base = "ignore"', "base: 'ignore' is not one of"),
        (HEAD + "[latency]\nmax_ms = '5 ms'", "latency.max_ms: '5 ms' is not a finite number"),
        (HEAD + "[latency]\nmax_ms = nan", "latency.max_ms: nan is not a finite number"),
        (HEAD + "[latency]\nmax_ms = -1", "latency.max_ms: -1 is not at least 0"),
        (HEAD + "[latency]\nmax_ms = true", "latency.max_ms: True is not a finite number"),
        (HEAD + "[latency]\nmax = 1", "latency: unknown key 'max'; allowed: max_increase, max_ms"),
        (HEAD + "[latncy]", "structure, tolerance; did you mean 'latency'?"),
        (HEAD + "[memory]\nmax_weights = 1.5", "memory.max_weights: 1.5 is not a whole number"),
        (HEAD + "[accuracy]\nmin = 90", "accuracy.min: 90 is not at most 1"),
        (HEAD + "outputs = 1", "outputs: 1 is not a table of keys and values"),
        (HEAD + "[outputs]\nsoftmax = 1", "outputs.softmax: 1 is not a table"),
        (HEAD + "[outputs.x.metrics]\ncosine = { min = 1 }", "metrics.cosine: 'cosine' is not one of acc, rmse"),
        (HEAD + "[outputs.x.metrics]\ncos = {}", "outputs.x.metrics.cos: no limit; allowed: max, min"),
        (HEAD + '[outputs.x]\nbase = "exact"\nmax_lsb = 1', "exclude each other; allowed: base = 'tolerance'"),
        (HEAD + "[layers.x]\natol = 1", "layers.x: unknown key 'atol'; allowed: base, max_lsb, max_ms, metrics"),
        (HEAD + '[health]\nfail = ["bad"]', "health.fail[0]: 'bad' is not one of all, non_finite"),
        (HEAD + '[health]\nfail = "all"', "health.fail: 'all' is not a list"),
        (HEAD + '[comparability]\nlatency = ["weather"]', "latency[0]: 'weather' is not one of model, data"),
        (HEAD + '[expect]\nmodel_hash = "abc"', "expect.model_hash: 'abc' is not of the form"),
        (HEAD + "missing = 2026-01-01", "missing: datetime.date(2026, 1, 1) is not one of fail, warn, pass"),
        ("schema = ", "is no TOML"),
        ("[" * 5000, "is no TOML"),
        (HEAD + "x = " + "[" * 5000, "nested too deeply"),
        (HEAD + "outputs" + ".a" * 100_000 + " = 1", "line 2 has more than 200 dots"),
        (HEAD + "outputs" + ".a" * 150 + " = 1", "outputs.a: unknown key 'a'"),
        (HEAD + "[latency]\nmax_ms = " + "9" * 400, "latency.max_ms: 9999"),
        (HEAD + "[latency]\nmax_ms = " + "9" * 5000, "is no TOML: Exceeds the limit"),
        (HEAD + "[outputs.x.metrics]\ncos = { min = 0.9, max = 0.1 }", "metrics.cos: min 0.9 is above max 0.1"),
    ],
)
def test_one_line_that_names_file_key_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InvalidParamError) as caught:
        parsed(text)
    assert message in caught.value.message
    assert caught.value.message.startswith("p.toml: ")
    assert len(caught.value.message) < 400
    assert caught.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 21))
    for name, message in (("none.toml", "cannot read"), ("latin.toml", "no TOML"), ("large.toml", "more than 256 KiB")):
        with pytest.raises(InvalidParamError, match=message):
            read_policy(tmp_path / name)
    with pytest.raises(InvalidParamError, match="cannot read"):
        read_policy(tmp_path)
    with pytest.raises(InvalidParamError, match="cannot read"):
        read_policy("a\0b")


@given(st.binary(max_size=200))
def test_random_bytes_are_a_policy_or_an_error(content: bytes) -> None:
    for text in (content, HEAD.encode() + content):
        with contextlib.suppress(InvalidParamError):
            parse_policy(text, "p.toml")


@given(st.sampled_from(COMPLETE.splitlines()), st.sampled_from(COMPLETE.splitlines()), st.characters(codec="utf-8"))
def test_changed_policies_are_a_policy_or_an_error(line: str, other: str, character: str) -> None:
    for text in (COMPLETE.replace(line, other), COMPLETE.replace(line, line + character), COMPLETE.replace(line, "")):
        with contextlib.suppress(InvalidParamError):
            parsed(text)


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse_policy(b"\xef\xbb\xbf" + HEAD.encode(), "p.toml").name == ""
