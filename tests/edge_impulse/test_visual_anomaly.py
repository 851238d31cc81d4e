"""Scores of visual anomaly replies in their two forms."""

from __future__ import annotations

import math

import pytest

from ai_runner.edge_impulse.visual_anomaly import min_anomaly_score, normalize_visual_anomaly
from ai_runner.errors import InvalidParamError
from ai_runner.impulse.hello import Threshold

CELL = {"label": "anomaly", "value": 3.0, "x": 8, "y": 16, "width": 8, "height": 8}


def test_relative_to_the_threshold_and_at_most_one() -> None:
    anomaly, highest, mean, cells = normalize_visual_anomaly(5.0, 20.0, 1.0, [CELL], min_anomaly_score=10.0)
    assert (anomaly, highest, mean) == (0.5, 1.0, 0.1)
    assert cells == [{**CELL, "value": 0.3}]
    assert CELL["value"] == 3.0


def test_six_where_the_model_names_no_threshold() -> None:
    assert normalize_visual_anomaly(3.0, 12.0, 0.0, [])[:3] == (0.5, 1.0, 0.0)
    assert min_anomaly_score([]) == 6.0
    assert min_anomaly_score([Threshold(1, "object_detection", {"min_score": 0.5})]) == 6.0
    assert min_anomaly_score([Threshold(1, "anomaly_gmm", {"min_anomaly_score": math.nan})]) == 6.0
    assert min_anomaly_score([Threshold(4, "anomaly_gmm", {"min_anomaly_score": 2.5})]) == 2.5


def test_raw_is_as_it_came() -> None:
    assert normalize_visual_anomaly(5.0, 20.0, None, [CELL], form="raw") == (5.0, 20.0, None, [CELL])


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_without_a_threshold_everything_above_zero_counts(threshold: float) -> None:
    found = normalize_visual_anomaly(0.1, 0.0, -2.0, [CELL], min_anomaly_score=threshold)
    assert found == (1.0, 0.0, 0.0, [{**CELL, "value": 1.0}])


def test_scores_that_a_reply_does_not_have() -> None:
    assert normalize_visual_anomaly(None, None, None, [{"x": 1}]) == (None, None, None, [{"x": 1, "value": None}])


def test_another_form() -> None:
    with pytest.raises(InvalidParamError, match="form='percent'"):
        normalize_visual_anomaly(1.0, 1.0, 1.0, [], form="percent")  # type: ignore[arg-type]
