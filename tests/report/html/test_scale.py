"""Axes: whatever numbers a report has, there are a few finite ticks."""

from __future__ import annotations

from math import isfinite

import pytest

pytest.importorskip("matplotlib", reason="charts are drawn with it")

from matplotlib.figure import Figure

from ai_runner.report.html.scale import decades_scale, logarithmic_counts


@pytest.mark.parametrize("high", [1.0, 30.0, 1e12, 1.7e308])
def test_few_finite_ticks(high: float) -> None:
    counts, values = Figure().subplots(1, 2)
    logarithmic_counts(counts, 0.5, high)
    decades_scale(values, [1e-300, high])
    for ticks in (counts.yaxis.get_major_locator()(), values.xaxis.get_major_locator()()):
        assert len(ticks) <= 8
        assert all(isfinite(tick) for tick in ticks)
