"""The share of each stage of deployment in the error at the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ai_runner.report.html.chart import ACCENT, GRID, MUTED, SERIES, Chart, Drawing, plain
from ai_runner.report.html.scale import plain_numbers

_NAMES = 96.0  # points


def budget_drawing(shares: Sequence[Mapping[str, Any]], what: str) -> Drawing | None:
    """Shares in percent, one bar a stage; None without an error to share."""
    known = [share for share in shares if share["share"] is not None]
    if not known:
        return None
    chart = Chart(len(known) * 24 + 52, (_NAMES, 46, 8, 36))
    axes = chart.axes
    values = [100.0 * share["share"] for share in known]
    largest = max(values)
    for row, value in enumerate(values):
        axes.barh(row, value, 0.62, color=ACCENT if value == largest else SERIES)
        axes.annotate(f"{value:.1f} %", (max(value, 0.0), row), (4, 0), textcoords="offset points", va="center")
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.set_xlim(min(0.0, min(values) * 1.1), max(100.0, largest))
    axes.set_ylim(len(known) - 0.4, -0.6)
    axes.set_yticks(range(len(known)), [chart.name(share["stage"].replace("_", " "), _NAMES - 6) for share in known])
    axes.tick_params(axis="y", length=0)
    plain_numbers(axes, "x")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
    axes.set_xlabel("share of the error at the outputs, %")
    spoken = ", ".join(
        f"{share['stage'].replace('_', ' ')} {value:.1f} % (rmse {plain(share['rmse'])})"
        for share, value in zip(known, values, strict=True)
    )
    return Drawing(what, "shares add up to 100 % and may be negative", f"{spoken}.", chart)
