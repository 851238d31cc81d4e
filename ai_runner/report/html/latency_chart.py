"""How long samples take, and how the times of a runtime are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ai_runner.report.html.chart import ACCENT, GRID, INK, SERIES, Chart, Drawing, plain
from ai_runner.report.html.scale import plain_numbers

QUANTILES = (0.5, 0.9, 0.99)
_BINS = 40
_REACH = 3.0  # of the axis: times the way from the fastest to the 90 % quantile; what is slower is counted in the note


def quantiles(times: Sequence[float]) -> list[float]:
    """The QUANTILES of `times`, ms, with linear interpolation."""
    import numpy as np

    return [float(value) for value in np.quantile(np.asarray(times), QUANTILES)]


def latency_drawing(run: Mapping[str, Any], what: str) -> Drawing | None:
    """A histogram of the times of single samples; None without times."""
    import numpy as np

    latency = run["latency"]
    if not latency or not latency["ms"]:
        return None
    times = np.asarray(latency["ms"], np.float64)
    found = quantiles(latency["ms"])
    low, high = float(times.min()), float(times.max())
    high = min(high, low + _REACH * (found[1] - low)) if found[1] > low else high
    chart = Chart(190, (44, 16, 20, 34))
    axes = chart.axes
    room = 0.02 * (high - low) or 0.05 * high or 1.0
    edges = np.linspace(low - room, high + room, _BINS + 1)
    counts, _ = np.histogram(times, edges)
    gap = 0.06 * (edges[1] - edges[0])
    chart.boxes([(x, 0.0, u - gap, n) for x, u, n in zip(edges[:-1], edges[1:], counts, strict=True)], SERIES)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0.0, 1.08 * max(counts))
    plain_numbers(axes, "x")
    axes.vlines(
        [ms for ms in found if ms <= high],
        0,
        1,
        transform=axes.get_xaxis_transform(),
        color=ACCENT,
        linewidth=1.1,
        linestyles=(0, (3, 2)),
    )
    axes.annotate(
        f"median {plain(found[0])} ms",
        *((found[0], 1.0), (3, 3)),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        color=INK,
        ha="left" if found[0] - low < 0.6 * (high - low) else "right",
    )
    plain_numbers(axes, "y", whole=True)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    axes.set_xlabel("ms a sample")
    axes.set_ylabel("samples")
    source = str(run["c_duration_source"])
    spoken = ", ".join(f"{q:.0%}: {plain(ms)} ms" for q, ms in zip(QUANTILES, found, strict=True))
    note = f"source: {source}; lines at the median, 90 % and 99 %"
    if source == "batch_mean":
        note += "; each time is the mean of a batch"
    slower = int((times > edges[-1]).sum())
    if slower:
        note += f"; {slower} slower, up to {plain(latency['max_ms'])} ms, are not shown"
    if len(times) < latency["count"]:
        note += f"; {len(times)} of {latency['count']} samples"
    extremes = f"{plain(latency['min_ms'])} to {plain(latency['max_ms'])} ms"
    words = f"{what}: times of {latency['count']} samples from {extremes}; {spoken}."
    return Drawing(what, note, words, chart)
