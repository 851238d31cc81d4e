"""The JSON report: strict, complete, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ai_runner import __version__
from ai_runner.compare.validation import failed_validation
from ai_runner.errors import InvalidParamError
from ai_runner.report.json import SCHEMA, validation_dict, write_json


def refuse(text: str) -> Any:
    raise AssertionError(f"{text} is no JSON")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("ascii"), parse_constant=refuse)
    return found


def test_the_report_reads_back_as_strict_json(validation: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(validation("good", "bad", "crashed", accuracy=0.75), path)
    report = read(path)
    assert report == validation_dict(validation("good", "bad", "crashed", accuracy=0.75))
    assert report["schema"] == SCHEMA == "ai-runner/validation/1"
    assert report["verdict"] == "fail"
    assert [target["verdict"] for target in report["targets"]] == ["pass", "fail", "fail"]
    assert list(tmp_path.iterdir()) == [path]


def test_provenance(validation: Any) -> None:
    provenance = validation_dict(validation("good"))["provenance"]
    assert provenance["ai_runner"] == __version__
    assert provenance["time"] == "2026-01-02T03:04:05+00:00"
    expected = {"model_hash": "0xabc", "runtime": "LiteRT", "version": "2.3.0", "kernels": "reference", "seed": 42}
    expected |= {"device": "a machine", "samples": 1, "data": "1 random samples, seed 42", "per_layer": True}
    assert {key: provenance[key] for key in expected} == expected
    assert provenance["host"].keys() == {"name", "system", "machine", "python", "numpy"}


def test_a_target_carries_everything_that_is_printed(validation: Any) -> None:
    report = validation_dict(validation("bad", accuracy=0.75))
    reference, (target,) = report["reference"], report["targets"]
    assert reference["descriptor"] == "tflite:m.tflite"
    assert reference["info"]["runtime"]["attributes"] == {"kernels": "reference"}
    assert reference["info"]["inputs"] == [
        {"name": "scores", "shape": [1, 4], "dtype": "int8", "scale": [0.5], "zero_point": [3]}
    ]
    assert reference["accuracy"] == target["accuracy"] == 0.75
    first, second = target["outputs"]
    assert first["max_lsb"] == 5
    assert first["tolerance"] == {"max_lsb": 1}
    assert first["error_histogram"] == {"-5": 1, "0": 3}
    assert first["metrics"]["max_abs"] == 2.5
    assert first["metrics_raw"]["max_abs"] == 5
    assert second["tolerance"] == {"atol": 1e-5, "rtol": 1e-4}
    assert (second["max_lsb"], second["within_tolerance"]) == (None, False)
    assert (second["metrics"]["target_nan"], second["metrics"]["acc"]) == (1, None)
    assert target["reasons"] == [
        "output 'scores': 1 of 4 values beyond 1 LSB, the largest error is 5 LSB",
        "output 'feature\x1b[31m': the reference has 1 NaN and 0 Inf and the target has 1 NaN and 0 Inf",
    ]
    layers = target["layers"]
    assert [(layer["index"], layer["type"]) for layer in layers] == [(0, "CONV_2D"), (1, "RELU"), (2, "SOFTMAX")]
    assert [layer["c_duration_ms"] for layer in layers] == [0.25, None, 0.5]
    assert [layer["c_duration_source"] for layer in layers] == ["isolated", None, "isolated"]
    assert layers[2]["metrics"].keys() == layers[0]["metrics"].keys()
    assert set(layers[2]["metrics"].values()) == {None}
    assert target["unpaired"][0]["name"] == "reshape"
    assert target["first_divergence"] == {
        "layer": 1,
        "name": "feature\x1b[31m",
        "type": "RELU",
        "reason": "the reference has 1 NaN and 0 Inf and the target has 1 NaN and 0 Inf",
        "stage": None,
    }
    assert target["health"] == {"findings": [], "kinds": [], "repeatable": None, "outputs": [], "layers": []}
    assert (target["structure"], target["error_budget"]) == ([], [])


def test_infinite_metrics_are_null(validation: Any) -> None:
    (output,) = validation_dict(validation("good"))["targets"][0]["outputs"]
    assert output["metrics"]["snr"] is None
    assert output["metrics"]["rmse"] == 0


def test_without_labels_there_is_no_accuracy(validation: Any) -> None:
    report = validation_dict(validation("good"))
    assert "accuracy" not in report["reference"]
    assert "accuracy" not in report["targets"][0]
    assert report["targets"][0]["first_divergence"] is None


def test_a_crash_is_told(validation: Any) -> None:
    report = validation_dict(validation("crashed"))
    (target,) = report["targets"]
    assert target["info"] is None
    assert target["reasons"] == ["E801(HwIOError): the process died of SIGSEGV"]
    assert target["error"] == report["error"]
    assert target["error"]["retryable"] is True
    assert (target["error"]["code"], target["error"]["exit_code"]) == (801, 3)


def test_what_could_not_start_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(failed_validation("tflite:m", ["file:a"], InvalidParamError("m: no such file")), path)
    report = read(path)
    assert report["reference"]["info"] is None
    assert report["targets"][0]["verdict"] == "fail"
    assert report["error"]["message"] == "m: no such file"


def test_an_unwritable_path_leaves_nothing(validation: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot be written"):
        write_json(validation("good"), tmp_path / "none" / "report.json")
    assert list(tmp_path.iterdir()) == []
