"""JUnit, Markdown and text of judged reports: complete, escaped, and possible for every report that fits its schema."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.compare.validation import failed_validation
from ai_runner.errors import InvalidParamError
from ai_runner.policy.changes import changes
from ai_runner.policy.policy import Policy, parse_policy
from ai_runner.policy.rules import judge, with_judgement
from ai_runner.report.json import plain_report, write_report
from ai_runner.report.judgement_text import change_lines, judged_lines
from ai_runner.report.junit import junit_xml, write_junit
from ai_runner.report.markdown import markdown, write_markdown
from ai_runner.schemas import SchemaError, check, parse

EVIL = 'a|b`c``d"e<f>&g\x1b[31m\x00\ud800\uffff @someone [x](http://y) <script>\n### h'
EVERYTHING = parse_policy(
    b"""schema = "ai-runner/policy/1"
base = "exact"
missing = "warn"
[expect]
model_hash = "reference"
[outputs.scores]
max_lsb = 1
metrics = { cos = { min = 0.5 }, snr = { min = 1 } }
[layers."*conv"]
base = "noise-floor"
max_ms = 0.1
[layers.1]
max_lsb = 3
[accuracy]
min = 0.5
max_drop = 0.1
max_drop_from_baseline = 0.1
[latency]
max_ms = 0.1
max_increase = 0.1
[memory]
max_weights = 1
max_activations = 1
[health]
fail = ["all"]
[structure]
fail = ["all"]
""",
    "p.toml",
)


@pytest.fixture
def report(validation: Any) -> dict[str, Any]:
    """Three targets under every rule."""
    found = plain_report(validation("good", "bad", "crashed", accuracy=0.75))
    return with_judgement(found, judge(found, EVERYTHING, found))


def test_a_judged_report_fits_its_schema(report: Any, validation: Any, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from ai_runner.schemas import schema

    for one in (report, plain_report(validation("good")), plain_report(validation())):
        jsonschema.validate(one, schema("validation"))
        check(one, "validation")
    write_report(report, tmp_path / "r.json")
    assert parse((tmp_path / "r.json").read_bytes(), "validation") == report


def test_junit(report: Any, tmp_path: Path) -> None:
    write_junit(report, tmp_path / "j.xml")
    root = ET.parse(tmp_path / "j.xml").getroot()
    rules = report["policy"]["rules"]
    cases = list(root.iter("testcase"))
    assert len(cases) == len(rules) == int(root.get("tests", ""))
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    for status, tag, total in (("fail", "failure", "failures"), ("refused", "error", "errors"), ("skipped",) * 3):
        expected = [rule["reason"] for rule in rules if rule["status"] == status]
        assert sum(int(suite.get(total, "")) for suite in root) == len(expected) == len(list(root.iter(tag)))
        assert all(found.get("message") for found in root.iter(tag))
    assert [suite.get("name") for suite in root] == ["0 file:good", "1 file:good", "2 file:crashed"]
    assert list(root.attrib) == ["name", "tests", "failures", "errors"]
    for suite in root:
        assert [element.tag for element in suite] == ["testcase"] * (len(suite) - 1) + ["system-out"]
        told = {"name", "tests", "failures", "errors", "skipped", "timestamp", "hostname", "time"}
        assert set(suite.attrib) == told
        assert all(suite.get(key) for key in told)
    out = root[0].findtext("system-out") or ""
    assert "model_hash: 0xabc" in out
    assert "reference: tflite:m.tflite" in out


def test_markdown(report: Any, tmp_path: Path) -> None:
    write_markdown(report, tmp_path / "m.md")
    lines = (tmp_path / "m.md").read_text("utf-8").splitlines()
    assert lines[0].startswith("### ❌ fail: ")
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 1 + 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}
    assert "75.00%" in table[2]
    assert len("\n".join(lines)) < 10_000


def test_markdown_says_where_it_begins_once(report: Any) -> None:
    (found,) = [target for target in report["targets"] if target["first_divergence"]][:1]
    where = found["first_divergence"]
    found["reasons"] = [
        f"layer {where['layer']} {where['name']} ({where['type']}): {where['reason']}",
        "output 0: wrong",
    ]
    text = markdown(report)
    assert text.count(where["reason"]) == 1
    assert "output 0: wrong" in text


def test_markdown_of_what_could_not_be_judged() -> None:
    error = InvalidParamError("no such file: `a|b`\n@somebody")
    failed = plain_report(failed_validation("tflite:nowhere", ["file:x"], error))
    text = markdown(with_judgement(failed, judge(failed, Policy())))
    assert text.startswith("### ❌ fail: Nothing could be judged.\n")
    assert "``E804(InvalidParamError): no such file: `a|b` @somebody``" in text
    assert "judged by" not in text


def with_evil(value: Any) -> Any:
    """Every text of a report that is not one of a few words replaced by one that tries everything."""
    if isinstance(value, dict):
        kept = ("schema", "verdict", "status", "side", "judged_by", "base", "data_sha256", "target")
        return {key: item if key in kept else with_evil(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_evil(item) for item in value]
    return EVIL if isinstance(value, str) else value


def test_names_are_text_and_nothing_else(report: Any) -> None:
    evil = with_evil(report)
    root = ET.fromstring(junit_xml(evil))
    assert "\\x1b" in (root[0].get("name") or "")
    assert len(root) == 3
    text = markdown(evil)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 1
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not any(mark in outside for mark in ("@", "http", "<script", "[x]"))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}
    for line in [*judged_lines(evil), *change_lines(changes(report, evil))]:
        assert line.isprintable()


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    found = [path]
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        found += places(value, (*path, key))
    return found


STRANGE = st.sampled_from([None, True, 0, -1, 3, 1.5, 1e300, "", "pass", "reference", [], {}, ["x"], {"x": 1}])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_fits_the_schema_can_be_judged_and_shown(validation: Any, data: st.DataObject) -> None:
    before = plain_report(validation("good", "bad", "crashed", accuracy=0.75))
    changed = copy.deepcopy(before)
    for path in data.draw(st.lists(st.sampled_from(places(before)[1:]), min_size=1, max_size=3)):
        inner: Any = changed
        try:
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = data.draw(STRANGE)
            if data.draw(st.booleans()) and isinstance(inner, dict):
                del inner[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    try:
        check(changed, "validation")
    except SchemaError:
        return
    for policy in (Policy(), EVERYTHING):
        judged = with_judgement(changed, judge(changed, policy, before))
        judge(before, policy, changed)
        check(judged, "validation")
        json.dumps(judged, allow_nan=False)
        assert junit_xml(judged)
        assert markdown(judged)
        assert judged_lines(judged)
        change_lines(changes(before, judged))
        change_lines(changes(judged, before))
