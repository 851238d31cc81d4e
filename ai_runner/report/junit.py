"""A judged report as JUnit XML: a test suite a target, a test case a rule.

Names come from models, files and devices: what XML 1.0 cannot hold is written as an escape (``\\x1b``), the rest is
escaped by the writer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET  # writes only: nothing is parsed here

from ai_runner.report.output_file import whole_file
from ai_runner.report.printable import printable

Report = Mapping[str, Any]


def write_junit(report: Report, path: str | Path) -> None:
    """Writes the report, which has been judged; raises InvalidParamError when `path` cannot be written."""
    with whole_file(path) as file:
        file.write(junit_xml(report))


def junit_xml(report: Report) -> bytes:
    """The XML document, UTF-8."""
    rules = report["policy"]["rules"]
    root = ET.Element("testsuites", name="ai-runner")
    suites = [("reference", [rule for rule in rules if rule["target"] is None])]
    for place, target in enumerate(report["targets"]):
        suites.append((target["descriptor"], [rule for rule in rules if rule["target"] == place]))
    for place, (name, found) in enumerate(suites):
        if found or place:
            root.append(_suite(f"{place - 1} {name}" if place else name, found, report))
    for key in ("tests", "failures", "errors"):  # the schema of Jenkins knows no others of this element
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(name: str, rules: Sequence[Report], report: Report) -> ET.Element:
    counts = {status: sum(rule["status"] == status for rule in rules) for status in ("fail", "skipped", "refused")}
    suite = ET.Element(
        "testsuite",
        name=_text(name),
        tests=str(len(rules)),
        failures=str(counts["fail"]),
        errors=str(counts["refused"]),
        skipped=str(counts["skipped"]),
        timestamp=_text(report["provenance"]["time"]),
        hostname=_text(report["provenance"].get("host", {}).get("name") or "unknown"),
        time="0",
    )
    for rule in rules:
        case = ET.SubElement(
            suite, "testcase", classname=_text(f"ai-runner.{name}"), name=_text(f"{rule['subject']}::{rule['rule']}")
        )
        case.set("time", "0")
        _outcome(case, rule)
    ET.SubElement(suite, "system-out").text = _text("\n".join(_provenance(report)))
    return suite


def _outcome(case: ET.Element, rule: Report) -> None:
    reason = _text(rule["reason"])
    if rule["status"] == "fail":
        failure = ET.SubElement(case, "failure", message=reason, type=_text(rule["rule"]))
        failure.text = _text(f"{rule['reason']}\nmeasured: {rule['value']}\nlimit: {rule['limit']}")
    elif rule["status"] == "refused":
        ET.SubElement(case, "error", message=reason, type="refused").text = reason
    elif rule["status"] == "skipped":
        ET.SubElement(case, "skipped", message=reason)


def _provenance(report: Report) -> list[str]:
    provenance, policy = report["provenance"], report["policy"]
    facts = {key: provenance.get(key) for key in ("ai_runner", "time", "model_hash", "data", "seed", "device")}
    facts |= {"reference": report["reference"]["descriptor"], "judged by": policy["base"], "policy": policy["sha256"]}
    return [f"{key}: {value}" for key, value in facts.items() if value not in (None, "")]


def _text(text: str) -> str:
    """Line by line without control characters, lone surrogates and what else is no character of XML."""
    return "\n".join(printable(line) for line in str(text).split("\n"))
