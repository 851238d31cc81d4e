"""The report for a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ai_runner.compare.noise_floor.noise_band import IntroducedError
from ai_runner.report.text import validation_lines


def text(validation: Any, width: int = 200) -> str:
    return "\n".join(validation_lines(validation, width))


def test_a_pass_says_what_was_compared(validation: Any) -> None:
    shown = text(validation("good"))
    assert "reference  tflite:m.tflite  |  LiteRT 2.3.0, kernels reference  |  2.000 ms a sample (host)" in shown
    assert "target     file:good  |  LiteRT 2.3.0, kernels c  |  0.500 ms a sample (batch_mean)" in shown
    assert "inputs     1 random samples, seed 42" in shown
    assert "note       a note" in shown
    assert "verdict    PASS (tolerance 1 LSB, 1 samples)" in shown
    assert "accuracy" not in shown


def test_a_fail_says_where_and_why(validation: Any) -> None:
    shown = text(validation("bad", accuracy=0.75))
    assert "divergence begins at layer 1 feature\\x1b[31m (RELU): the reference has 1 NaN" in shown
    assert "unpaired   reference 3 reshape (RESHAPE): no node of the target matches it" in shown
    assert "accuracy   0.7500 against labels, the reference has 0.7500 (+0.0000)" in shown
    assert "verdict    FAIL (tolerance 1 LSB, atol 1e-05 + rtol 0.0001, 1 samples)" in shown
    assert "           output 'scores': 1 of 4 values beyond 1 LSB, the largest error is 5 LSB" in shown


def test_the_table_has_a_line_for_every_layer_and_output(validation: Any) -> None:
    lines = validation_lines(validation("bad"), 200)
    start = next(i for i, line in enumerate(lines) if line.startswith("---"))
    metrics = ["acc", "rmse", "mae", "l2r", "mean", "std", "nse", "cos", "snr"]
    assert lines[start - 1].split() == ["name", "type", *metrics, "max", "lsb", "ms", "within"]
    rows = [line.split() for line in lines[start + 1 : start + 6]]
    assert [row[0] for row in rows] == ["0", "1", "2", "O.0", "O.1"]
    assert [row[-1] for row in rows] == ["yes", "NO", "0.500", "NO", "NO"]


@pytest.mark.parametrize(("judged_by", "said"), [("noise-floor", "noise floor of"), ("exact", "equality with one of")])
def test_the_verdict_says_what_was_demanded(validation: Any, judged_by: str, said: str) -> None:
    found = validation("good")
    (target,) = found.targets
    floor = IntroducedError(1, ("reference", "builtin"), 4, 0, 0.0, 1.0, 0.0)
    target = replace(target, outputs=(replace(target.outputs[0], introduced=floor),))
    shown = text(replace(found, targets=(target,), judged_by=judged_by))
    assert f"verdict    PASS ({said} 2 kernel sets, 1 samples)" in shown


def test_a_spoiled_input_is_told_where_no_layers_are_shown(validation: Any) -> None:
    found = validation("good")
    target = replace(found.targets[0], input_fault="it was negated", stage="deployment")
    assert "divergence begins at the input [deployment]: it was negated" in text(replace(found, targets=(target,)))
    assert "divergence" not in text(found)


def test_a_crash_has_no_table(validation: Any) -> None:
    shown = text(validation("crashed"))
    assert "---" not in shown
    assert "verdict    FAIL\n           E801(HwIOError): the process died of SIGSEGV" in shown


def test_several_targets_have_a_verdict_of_all(validation: Any) -> None:
    assert text(validation("good", "bad", "crashed")).endswith("verdict    FAIL: 1 of 3 targets pass")


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_tables_fit_the_terminal(validation: Any, width: int) -> None:
    lines = validation_lines(validation("bad"), width)
    start = next(i for i, line in enumerate(lines) if line.startswith("---"))
    assert max(len(line) for line in lines[start - 1 : start + 6]) <= width
    # What decides is never dropped.
    assert "max lsb" in lines[start - 1]
    assert "within" in lines[start - 1]


def test_nothing_steers_the_terminal(validation: Any) -> None:
    assert all(line.isprintable() for line in validation_lines(validation("bad", "crashed")))


def test_almost_one_is_not_printed_as_one(validation: Any) -> None:
    from ai_runner.report.text import _number

    assert _number("cos", 0.99997) == "0.99997"
    assert _number("cos", 1.0) == "1"
    assert _number("rmse", 0.123456) == "0.1235"
    assert _number("acc", float("nan")) == ""
