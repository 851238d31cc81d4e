"""``--html`` of validate and judge: the same page from a run, a report and a bundle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

for package in ("jinja2", "matplotlib"):
    pytest.importorskip(package)

RUN = ("validate", "-m", "fake:reference", "-d", "fake:off?add=0.01", "-d", "fake:same", "--random", 4)


def test_the_page_of_a_run_and_of_what_it_left_are_the_same(ai_runner: Any, tmp_path: Path) -> None:
    page, report, bundle = tmp_path / "page.html", tmp_path / "report.json", tmp_path / "bundle.zip"
    ended = ai_runner(*RUN, "--html", page, "--json", report, "--bundle", bundle)
    assert ended.code == 1, ended.err
    assert "1 of 2 targets does not compute" in page.read_text("utf-8")
    for source in (report, bundle):
        again = tmp_path / "again.html"
        assert ai_runner("judge", source, "--html", again).code == 1
        assert again.read_text("utf-8") == page.read_text("utf-8")
        again.unlink()


def test_a_run_that_cannot_begin_has_a_page_too(ai_runner: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert ai_runner("validate", "-m", "tflite:nowhere.tflite", "-d", "fake:same", "--html", page).code == 2
    assert "Nothing could be judged" in page.read_text("utf-8")


def test_what_is_missing_is_said_before_anything_runs(
    ai_runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ended = ai_runner(*RUN, "--html", tmp_path / "page.html", "--json", tmp_path / "report.json")
    assert ended.code == 3
    assert "pip install 'ai-runner[report]'" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_report_is_refused_and_leaves_no_page(ai_runner: Any, tmp_path: Path) -> None:
    report, page = tmp_path / "report.json", tmp_path / "page.html"
    assert ai_runner(*RUN, "--json", report).code == 1
    spoiled = json.loads(report.read_text("ascii"))
    spoiled["targets"][0]["outputs"][0]["scatter"] = {"count": 3, "fair": [[1]], "worst": "<script>"}
    report.write_text(json.dumps(spoiled), "ascii")
    ended = ai_runner("judge", report, "--html", page)
    assert ended.code == 4
    assert "targets[0].outputs[0].scatter" in ended.err
    assert not page.exists()
