"""Measuring in several processes, and what becomes of those that fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ai_runner.bench.baseline import Baseline
from ai_runner.bench.measurement import measure
from ai_runner.bench.processes import measure_in_processes
from ai_runner.errors import AiRunnerError, HwIOError, InvalidModelError, InvalidParamError


def test_every_process_is_one_entry(fake: Any, same: Any) -> None:
    baseline = json.dumps(Baseline.of(measure(fake(same(2.0)), 3), "fake:x").to_dict())
    heard: list[tuple[int, int]] = []
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    found = measure_in_processes(
        lambda path: [sys.executable, "-c", code, str(path), baseline], 3, lambda *x: heard.append(x)
    )
    assert [best.ms for best in found.model] == [2.0] * 3
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("code", "kind"), [(2, InvalidParamError), (3, HwIOError), (4, InvalidModelError), (5, AiRunnerError)]
)
def test_a_failure_keeps_its_kind_and_its_words(code: int, kind: type[AiRunnerError]) -> None:
    script = f"import sys; print('ai-runner: error: the board is gone; plug it in', file=sys.stderr); sys.exit({code})"
    with pytest.raises(kind, match="a measuring process failed: the board is gone; plug it in") as caught:
        measure_in_processes(lambda path: [sys.executable, "-c", script], 3)
    assert type(caught.value) is kind


def test_a_process_that_says_nothing() -> None:
    with pytest.raises(AiRunnerError, match="exit code 9"):
        measure_in_processes(lambda path: [sys.executable, "-c", "import os; os._exit(9)"], 2)
    with pytest.raises(InvalidParamError, match="cannot read the baseline"):
        measure_in_processes(lambda path: [sys.executable, "-c", ""], 2)


def test_a_process_that_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(HwIOError, match="does not start"):
        measure_in_processes(lambda path: [str(tmp_path / "nothing")], 2)
