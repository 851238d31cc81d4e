"""Latencies as text: hostile names stay names, everything fits a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ai_runner.bench.baseline import Baseline
from ai_runner.bench.gate import judge_pairs
from ai_runner.bench.measurement import LayerSeries, Measurement, PairedMeasurement, Series
from ai_runner.model import DeviceInfo, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import TimeSource
from ai_runner.report.bench_text import baseline_lines, measurement_lines, verdict_lines

NASTY = "evil\x1b[31m\nverdict    PASS"
TENSOR = TensorInfo("x", (1, 2), np.dtype("f4"))


def measurement(ms: float, layer_ms: float | None = 0.5) -> Measurement:
    info = ModelInfo(NASTY, (TENSOR,), (TENSOR,), RuntimeInfo(NASTY, NASTY), DeviceInfo("HOST", NASTY, NASTY))
    times = () if layer_ms is None else (layer_ms,) * 30
    layer = LayerSeries(NodeInfo(NASTY, 0, 0, NASTY, ()), Series(times, TimeSource.HOST if times else None))
    model = Series((ms,) * 30, TimeSource.HOST)
    return Measurement(info, model, model.times, (layer,), (NASTY,))


def test_hostile_names_cannot_fake_a_line() -> None:
    found = measurement(1.0)
    baseline = Baseline.of(found, NASTY)
    verdict = judge_pairs(PairedMeasurement(measurement(2.0, 1.0), found))
    everything = [measurement_lines(found, NASTY), baseline_lines(baseline), verdict_lines(verdict, NASTY, [NASTY])]
    for lines in everything:
        assert lines
        for line in lines:
            assert line.isprintable()
            assert not line.startswith("verdict    PASS")


def test_what_was_not_measured_says_so() -> None:
    lines = measurement_lines(measurement(1.0, None), "file:x")
    assert sum("not measured" in line for line in lines) == 1
    assert "not measured" in "\n".join(baseline_lines(Baseline.of(measurement(1.0, None), "file:x")))


def test_the_verdict_names_what_became_slower() -> None:
    verdict = judge_pairs(PairedMeasurement(measurement(1.0, 0.6), measurement(1.0, 0.5)))
    lines = verdict_lines(verdict, "file:old", [])
    assert lines[0] == "against    file:old"
    at = lines.index("verdict    FAIL: slower in 1")
    assert "0.5 -> 0.6 ms, +20.00% in the median pair" in lines[at + 1]
    passed = judge_pairs(PairedMeasurement(measurement(1.0), measurement(1.0)))
    assert verdict_lines(passed, "file:old", [])[-1] == "verdict    PASS: not slower"


def test_what_noise_may_hide_is_a_line() -> None:
    def noisy(seed: int) -> Measurement:
        random = np.random.default_rng(seed)
        found = measurement(1.0)
        return replace(found, model=Series(tuple(random.lognormal(0.0, 0.3, 30).tolist()), TimeSource.HOST))

    lines = verdict_lines(judge_pairs(PairedMeasurement(noisy(1), noisy(2))), "file:old", [])
    (line,) = (line for line in lines if line.startswith("noise "))
    assert line.startswith("noise      model +-")
    assert line.endswith("%: less than that goes unseen; more --repeats, a quieter machine")
