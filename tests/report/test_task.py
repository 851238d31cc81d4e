"""Task metrics, changed and failing samples, as text, JSON and .npz; names are untrusted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.compare.task.changed_answers import AnswerComparison
from ai_runner.compare.task.classification import Classification, ClassificationMetrics
from ai_runner.compare.task.failing_samples import FailingSample, FailingSamples
from ai_runner.compare.task.regression import Regression, RegressionMetrics
from ai_runner.compare.verdict import RunSummary, TargetResult
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization
from ai_runner.report.failing_samples import write_failing_samples
from ai_runner.report.task_json import changed_answers_dict, task_dict
from ai_runner.report.task_text import task_lines

Array = npt.NDArray[Any]

LABELS = np.array([0, 1, 2, 2])
REFERENCE = np.eye(3, dtype=np.float32)[LABELS]
TARGET = np.array([[1, 0, 0], [0.75, 0.25, 0], [0, np.nan, 1], [0, 0, 1]], np.float32)
NAMES = ("cat", "do\x1bg", "$x$")


def classified(scores: Array) -> ClassificationMetrics:
    found = Classification(3, NAMES)
    found.update(scores, LABELS)
    result = found.result()
    assert result is not None
    return result


@pytest.fixture
def target() -> TargetResult:
    comparison = AnswerComparison()
    comparison.update(0, REFERENCE, TARGET, LABELS)
    return TargetResult(RunSummary("file:x", task=classified(TARGET)), changed=comparison.result())


def test_lines_of_a_classification(target: TargetResult) -> None:
    assert task_lines(target, RunSummary("tflite:m", task=classified(REFERENCE))) == [
        "task       precision 0.5000 (-0.5000), recall 0.5000 (-0.5000), f1 0.4444 (-0.5556), roc auc 1.0000 (+0.0000)",
        "confused   do\\x1bg taken for cat: 1 x",
        "unanswered 1 samples have a NaN among their scores",
        "answers    2 of 4 differ from the reference's: 2 were right, 0 became right",
        "           sample 2: $x$ -> nothing, label $x$",
        "           sample 1: do\\x1bg -> cat, label do\\x1bg (margin 1)",
    ]


def test_lines_of_others(target: TargetResult) -> None:
    same = AnswerComparison()
    same.update(0, REFERENCE, REFERENCE, None)
    unlabelled = TargetResult(RunSummary("file:x"), changed=same.result())
    assert task_lines(unlabelled, RunSummary("tflite:m")) == [
        "answers    the same as the reference's for all 4 samples"
    ]
    assert task_lines(TargetResult(RunSummary("file:x")), RunSummary("tflite:m")) == []
    mine, theirs = regressed(0.5), regressed(0.25)
    assert task_lines(TargetResult(RunSummary("file:x", task=mine)), RunSummary("tflite:m", task=theirs)) == [
        "task       mae 0.5000 (+0.2500), rmse 0.5000 (+0.2500), max error 0.5000 (+0.2500), r2 0.7288 (-0.2034)"
    ]


def regressed(error: float) -> RegressionMetrics:
    found = Regression(1)
    labels = np.array([[0.0], [1.0], [2.0], [2.5]])
    found.update(labels + error, labels)
    result = found.result()
    assert result is not None
    return result


def test_json_is_strict(target: TargetResult) -> None:
    assert target.run.task is not None
    assert target.changed is not None
    found = json.loads(json.dumps(task_dict(target.run.task), allow_nan=False))
    assert found["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert found["classes"][2]["support"] == 2
    assert found["unanswered"] == 1
    assert found["top_k"] == {"2": 0.75}
    changed = json.loads(json.dumps(changed_answers_dict(target.changed), allow_nan=False))
    assert changed["listed"][0] == {"index": 2, "reference": 2, "target": -1, "label": 2, "margin": None}
    unknown = replace(regressed(1.0), mae=float("nan"), r2=float("inf"))
    assert task_dict(unknown)["mae"] is None
    assert task_dict(unknown)["r2"] is None


class Source:
    """Inputs whose values are the number of their sample."""

    def __init__(self, *inputs: TensorInfo) -> None:
        self._inputs = inputs

    def chunk(self, start: int, stop: int) -> list[Array]:
        return [np.full((stop - start, *one.sample_shape), start, one.dtype) for one in self._inputs]


def test_failing_samples_as_arrays(tmp_path: Path) -> None:
    quantized = TensorInfo("x", (1, 2, 3), np.dtype(np.int8), Quantization((0.5,), (1,)))
    failing = FailingSamples()
    failing.names = NAMES
    failing.samples = [FailingSample(3, 1, "file:x: 'cat'"), FailingSample(7, 2, "bad\nname " + "x" * 500)]
    source = Source(quantized)
    source.interval_ms = 0.5  # type: ignore[attr-defined]
    write_failing_samples(tmp_path / "f.npz", failing, source, [quantized])
    with np.load(tmp_path / "f.npz", allow_pickle=False) as found:
        assert found["inputs"].tolist() == [[[1.0] * 3] * 2, [[3.0] * 3] * 2]
        assert found["labels"].tolist() == ["do\x1bg", "$x$"]
        assert found["indices"].tolist() == [3, 7]
        assert found["reasons"][1].startswith("bad\\nname")
        assert len(found["reasons"][1]) == 400
        assert found["interval_ms"] == 0.5


def test_failing_samples_of_several_inputs_without_labels(tmp_path: Path) -> None:
    inputs = [TensorInfo(name, (1, 2), np.dtype(np.float32)) for name in "ab"]
    failing = FailingSamples()
    failing.samples = [FailingSample(3, None, "why")]
    write_failing_samples(tmp_path / "f.npz", failing, Source(*inputs), inputs)
    with np.load(tmp_path / "f.npz") as found:
        assert sorted(found) == ["indices", "m_inputs_1", "m_inputs_2", "reasons"]
        assert found["m_inputs_2"].tolist() == [[3.0, 3.0]]
