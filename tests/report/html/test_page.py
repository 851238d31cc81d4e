"""The page: complete, self-contained, safe whatever a device calls its layers, and drawn by a browser."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_runner.compare.validation import failed_validation
from ai_runner.errors import InvalidParamError, MissingRuntimeError
from ai_runner.report.html.completed import completed
from ai_runner.report.html.page import html_page, write_html
from ai_runner.report.json import plain_report
from ai_runner.schemas import check, schema

for package in ("jinja2", "matplotlib"):
    pytest.importorskip(package)

Report = dict[str, Any]
FIXED = ("ai-runner/validation/1", "pass", "fail", "noise-floor", "classification", "target", "reference", "0" * 64)
CHARTS_OF_A_TARGET = 7  # error per layer, scatter, histogram, confusion matrix, latency, time per layer, budget


@pytest.fixture(scope="module")
def page(report: Callable[..., Report]) -> str:
    return html_page(report())


def text_of(found: Any) -> str:
    return " ".join(" ".join(found.text).split())


def test_the_made_report_fits_the_schema(report: Callable[..., Report]) -> None:
    check(report(), "validation")


def test_the_verdict_and_its_reason_come_first(page: str, elements: Any) -> None:
    text = text_of(elements(page))
    order = [
        *(
            "1 of 2 targets does not compute",
            "Begins at layer 2 conv_2d_2 (CONV_2D): an element lies 40 LSB",
            "on the target",
        ),
        "Runtimes side by side",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert re.findall("<h2>(.*?)</h2>", page) == [
        *("Runtimes side by side", "Error per layer", "Outputs", "Answers", "Time", "Error budget"),
        *("Health and structure", "Provenance"),
    ]
    assert "output 'scores': wrong" in text
    # What the sentence has said is not said again as a bullet.
    assert text[: places[3]].count("40 LSB outside") == 1


def test_everything_is_on_the_page(page: str, elements: Any) -> None:
    text = text_of(elements(page))
    for words in (
        *("serial:/dev/ttyACM1", "tflite:model.tflite?kernels=reference", "LiteRT 2.3.0, kernels xnnpack", "168 MHz"),
        *("model: hash is", "layer 1: constant", "no counterpart", "1 right ones were lost", "source: device", "0xabc"),
        *("30 samples, seed 42", "bench, Linux, Python 3.11.2", "a note"),
    ):
        assert words.replace("model: hash is", "0xdef") in text


def test_a_target_that_passes(report: Callable[..., Report], elements: Any) -> None:
    made = report(2)
    made |= {"verdict": "pass", "targets": made["targets"][:1]}
    found = elements(html_page(made))
    assert "PASS The target computes what the reference computes: no layer and no output lies beyond" in text_of(found)
    assert [one for one in found.of("header") if one["class"] == "good"]


def test_targets_that_broke_and_numbers_that_are_none(validation: Callable[..., Any], elements: Any) -> None:
    found = elements(html_page(plain_report(validation("good", "bad", "crashed", accuracy=0.5))))
    text = text_of(found)
    assert "the process died of SIGSEGV see the log" in text
    assert "feature\\x1b[31m" in text
    assert "50.00%" in text


def test_nothing_was_run(elements: Any) -> None:
    failed = failed_validation("tflite:nowhere", ["file:x"], InvalidParamError("no such file", hint="look again"))
    text = text_of(elements(html_page(plain_report(failed))))
    assert "FAIL Nothing could be judged. InvalidParamError no such file look again Runtimes" in text
    assert text.count("no such file") == 1
    assert "file:x NOT JUDGED" in text
    assert "Nothing odd" not in text
    assert "Judged by" not in text


def test_a_target_that_broke_is_not_said_to_compute_wrongly(report: Callable[..., Report], elements: Any) -> None:
    made = report(3)
    error = {"name": "HwIOError", "code": 801, "message": "no answer", "hint": "", "retryable": True, "evidence": {}}
    made["targets"][0] |= {"verdict": "fail", "error": error, "samples": 0, "outputs": [], "layers": []}
    text = text_of(elements(html_page(made)))
    assert "FAIL 1 of 3 targets does not compute what the reference computes, 1 could not be judged to the end." in text
    assert "1. serial:/dev/ttyACM0 LiteRT 2.3.0, kernels xnnpack ERROR" in text


def test_two_targets_of_one_name_are_told_apart(report: Callable[..., Report], elements: Any) -> None:
    made = report(1)
    made["targets"] *= 2
    text = text_of(elements(html_page(made)))
    assert "1. serial:/dev/ttyACM0 Begins at" in text
    assert "2. serial:/dev/ttyACM0 Begins at" in text


def test_a_pass_says_no_more_than_was_judged(report: Callable[..., Report], elements: Any) -> None:
    made = report(1)
    made |= {"verdict": "pass"}
    made["targets"][0] |= {"verdict": "pass", "layers": [], "first_divergence": None}
    assert "computes: no output lies beyond the noise floor" in text_of(elements(html_page(made)))


def test_what_is_no_number_is_not_drawn_as_no_error(report: Callable[..., Report], elements: Any) -> None:
    made = report(1)
    target = made["targets"][0]
    for tensor in (*target["outputs"], target["layers"][4]):
        tensor["metrics"] = {**dict.fromkeys(tensor["metrics"]), "count": 0, "target_nan": 9, "target_inf": 0}
        tensor |= {"max_lsb": None, "scatter": {"count": 0, "fair": [], "worst": []}, "error_histogram": {}}
    check(made, "validation")
    page = html_page(made)
    assert "layers of real values; NaN: 1 layers have values that are no numbers" in page
    assert ">NaN</text>" in page
    text = text_of(elements(page))
    assert "Runtimes side by side" in text
    assert "scores 50.00%" not in text
    assert text.count("NaN or Inf") == 3  # side by side, outputs, layer by layer


def test_a_policy_decides_and_its_rules_are_listed(report: Callable[..., Report], elements: Any) -> None:
    rule = {
        "target": 0,
        "subject": "target",
        "rule": "max_ms",
        "status": "refused",
        "value": 3.5,
        "limit": 2,
        "reason": "clock",
    }
    holds = {**rule, "rule": "cos", "status": "pass", "limit": "0.9", "reason": ""}
    policy = {"name": "release", "sha256": "ab" * 32, "base": "exact", "verdict": "refused", "exit_code": 4}
    made = report()
    check({**made, "policy": {**policy, "rules": [rule, holds]}}, "validation")
    text = text_of(elements(html_page({**made, "policy": {**policy, "rules": [rule, holds]}})))
    assert text.index("REFUSED") < text.index("Policy release")
    assert "1 of 2 rules speak against it" in text
    assert "target refused 1 max_ms 3.5 2 clock" in text


def test_a_target_that_is_too_slow_is_not_said_to_compute_wrongly(report: Callable[..., Report], elements: Any) -> None:
    made = report(1)
    slow = {
        "target": 0,
        "subject": "target",
        "rule": "max_ms",
        "status": "fail",
        "value": 3,
        "limit": 2,
        "reason": "slow",
    }
    policy = {"name": "", "sha256": "ab" * 32, "base": "exact", "verdict": "fail", "exit_code": 1, "rules": [slow]}
    made["targets"][0] |= {"first_divergence": None, "reasons": ["slow"]}
    assert "FAIL The target does not meet the policy. " in text_of(elements(html_page({**made, "policy": policy})))
    policy["rules"] = [slow, {**slow, "rule": "exact"}]
    assert "The target does not compute what the ref" in text_of(elements(html_page({**made, "policy": policy})))


def test_the_page_needs_nothing_else(page: str, elements: Any) -> None:
    found = elements(page)
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "foreignobject", "a", "image", "base"}
    for tag, attributes in found.elements:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], tag
        for key, value in attributes.items():
            if key in ("href", "src", "xlink:href"):
                assert value.startswith("#") or value == "data:,", (tag, value)
            assert "url(" not in value or value.startswith("url(#"), (tag, value)
    assert not re.search(r"@import|url\(", re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1])  # type: ignore[index]


def test_the_policy_of_the_page_allows_its_own_style_and_nothing_else(page: str, elements: Any) -> None:
    (policy,) = [one["content"] for one in elements(page).of("meta") if "content-security-policy" in str(one).lower()]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy


def test_drawings_do_not_share_ids_and_refer_to_their_own(page: str, elements: Any) -> None:
    found = elements(page)
    identities = [one["id"] for _, one in found.elements if "id" in one]
    assert len(identities) == len(set(identities)) > 10
    referred = {
        name for _, one in found.elements for value in one.values() for name in re.findall(r"url\(#(.+?)\)", value)
    }
    referred |= {one["href"][1:] for one in found.of("use")}
    assert referred <= set(identities)


def test_every_drawing_has_words_for_those_who_cannot_see_it(page: str, elements: Any) -> None:
    drawings = [one for one in elements(page).of("svg") if one.get("role") == "img"]
    assert len(drawings) == 2 * CHARTS_OF_A_TARGET + 2 + 1  # the reference's time and matrix, the layer that diverges
    assert all(len(one["aria-label"]) > 20 for one in drawings)
    labels = " ".join(one["aria-label"] for one in drawings)
    assert "1 of 5 integer layers, in LSB, diverge from the noise band, first layer 2 conv_2d_2" in labels
    assert "quantisation 120.0 %" in labels


def test_colours_are_those_of_the_page(page: str, elements: Any) -> None:
    drawn = re.findall(r"<svg viewBox=\"0 0 360.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 2 * CHARTS_OF_A_TARGET + 2 + 1
    paints = {paint for svg in drawn for paint in re.findall(r"(?:fill|stroke)=\"(.+?)\"", svg)}
    assert paints - {"none"} <= {
        f"var(--{name})" for name in ("ink", "muted", "grid", "series", "accent", "fail", "band")
    }
    assert "var(--fail)" in paints


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onload='x",
    "$\\frac{1}{0}$ $x_1^$",
    "</style></svg></title><script>",
    "{{ 7*7 }}{% raw %}@0@@1@",
    "a\x00b\x1b[31m\u202egnp.exe\ufeff\ud800",
    "\u5c42 \u0634\u0628\u0643\u0629 \U0001f9e0",
    "&lt;b&gt; ]]> <!-- x",
    "x" * 5000,
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_text_and_nothing_but_text(
    text: str, report: Callable[..., Report], mapped: Any, elements: Any, page: str
) -> None:
    hostile = mapped(report(), lambda old: old if old in FIXED else f"{text}{len(old)}")
    check(hostile, "validation")
    made = html_page(hostile)
    made.encode("utf-8")
    found, usual = elements(made), elements(page)
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in usual.elements}
    assert {key for _, one in found.elements for key in one} <= {key for _, one in usual.elements for key in one}
    assert not [c for c in made if not c.isprintable() and c != "\n"]
    if "@0@" in text:
        assert "{{ 7*7 }}{% raw %}@0@@1@" in " ".join(found.text)


def test_the_same_report_gives_the_same_page(report: Callable[..., Report], page: str) -> None:
    assert html_page(report()) == page


def test_settings_of_the_user_of_matplotlib_change_nothing(report: Callable[..., Report], page: str) -> None:
    from matplotlib import rc_context

    with rc_context(
        {"text.usetex": True, "font.size": 30, "lines.marker": "x", "axes.facecolor": "red", "svg.fonttype": "path"}
    ):
        assert html_page(report()) == page


def test_reports_may_lack_what_is_optional(report: Callable[..., Report]) -> None:
    rules = schema("validation")

    def needed(value: Any, rule: Any) -> Any:
        while "$ref" in rule:
            rule = rules["$defs"][rule["$ref"].removeprefix("#/$defs/")]
        if isinstance(value, dict) and "properties" in rule:
            return {key: needed(value[key], rule["properties"][key]) for key in rule["required"]}
        return [needed(item, rule["items"]) for item in value] if isinstance(value, list) else value

    bare = needed(report(), rules)
    assert bare.keys() < report().keys() | {"policy"}
    check(bare, "validation")
    check({**completed(bare), "provenance": bare["provenance"]}, "validation")
    assert "1 of 2 targets does not compute" in html_page(bare)


def spoiled(value: Any, generator: random.Random) -> Any:
    """A report with other values and lengths here and there, of any kind."""
    if generator.random() < 0.02:
        return generator.choice([None, 0, -1, 1e308, -1e308, 5e-324, 10**30, 0.5, "", "x", [], {}, True])
    if isinstance(value, dict):
        return {key: spoiled(item, generator) for key, item in value.items()}
    if isinstance(value, list):
        return [spoiled(item, generator) for item in value[: generator.choice([None, None, None, 1, 0])]]
    return value


def test_whatever_fits_the_schema_is_drawn(report: Callable[..., Report]) -> None:
    generator = random.Random(3)
    drawn, made = 0, report(targets=1, layers=3, samples=9, classes=3)
    for layer in made["targets"][0]["layers"]:
        layer["error_histogram"] = {"0": 5, "-1": 2}
    made["targets"][0]["outputs"][0] |= {
        "error_histogram": {"3": 1},
        "scatter": {"count": 1, "fair": [[0, 1]], "worst": []},
    }
    for _ in range(400):
        trial = {key: spoiled(value, generator) for key, value in made.items()} | {"schema": made["schema"]}
        try:
            check(trial, "validation")
        except ValueError:
            continue
        html_page(trial)
        drawn += 1
    assert drawn > 10


def test_many_targets_layers_and_classes_stay_small(report: Callable[..., Report]) -> None:
    # Thirty layers, three targets, a thousand samples: what is promised; and what nobody would draw by hand.
    assert len(html_page(report(targets=3, layers=30, samples=1000, full=True)).encode()) < 2_000_000
    assert len(html_page(report(targets=6, layers=60, samples=1000, classes=100, full=True)).encode()) < 2_000_000
    huge = html_page(report(targets=1, layers=200, samples=1000, classes=128))
    assert "the 150 largest of 200 layers" in huge


def test_a_browser_draws_every_chart_without_complaint(report: Callable[..., Report], in_browser: Any) -> None:
    found, console = in_browser(html_page(report(targets=3, layers=30, samples=1000, full=True)))
    assert console == ""
    drawings = found["drawings"]
    assert len(drawings) == 3 * CHARTS_OF_A_TARGET + 2 + 1
    for drawing in drawings:
        assert drawing["width"] > 250, drawing
        assert drawing["inkWidth"] > 150, drawing
        assert drawing["inkHeight"] > 40, drawing
        assert len(drawing["paints"]) >= 3, drawing
        assert (drawing["unread"], drawing["missing"]) == ([], 0), drawing
        assert (drawing["cut"], drawing["covered"]) == ([], []), drawing


@pytest.mark.parametrize("classes", [10, 100])
def test_no_name_is_cut_or_covered(classes: int, report: Callable[..., Report], mapped: Any, in_browser: Any) -> None:
    made = report(targets=1, layers=20, classes=classes)
    longest = ("\u05e9\u05db\u05d1\u05d4 " * 9, "W" * 99, "\u5c42" * 40, "block_13_expand/FusedBatchNormV3", "<img>")
    names = {f"conv_2d_{k}": f"{longest[k % 5]}{k}" for k in range(20)}
    names |= {f"class {k}": f"{longest[k % 5]} of {k}" for k in range(classes)}
    made = mapped(made, lambda text: names.get(text, text))
    for run in (made["reference"], *made["targets"]):
        run["task"]["confusion"] = [
            [123456 if row == column else 77 for column in range(classes)] for row in range(classes)
        ]
    found, console = in_browser(html_page(made), width=380)
    assert console == ""
    assert found["wide"] <= 0
    for drawing in found["drawings"]:
        assert (drawing["cut"], drawing["covered"]) == ([], []), drawing["label"]


def test_dark_and_narrow(report: Callable[..., Report], in_browser: Any) -> None:
    page = html_page(report())
    light, _ = in_browser(page)
    dark, console = in_browser(page, dark=True, width=360)
    assert console == ""
    assert dark["wide"] <= 0
    assert len(dark["drawings"]) == len(light["drawings"])
    for one, other in zip(light["drawings"], dark["drawings"], strict=True):
        assert not set(one["paints"]) & set(other["paints"])
        assert 250 < other["width"] <= 360


def test_a_missing_package_is_named_with_its_extra(
    report: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingRuntimeError, match="jinja2") as caught:
        html_page(report())
    assert "ai-runner[report]" in str(caught.value.hint)


def test_a_page_is_written_whole_or_not_at_all(report: Callable[..., Report], page: str, tmp_path: Path) -> None:
    write_html(report(), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8") == page
    with pytest.raises(InvalidParamError, match="cannot be written"):
        write_html(report(), tmp_path / "nowhere" / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
