"""The values of an output: how often integers are how far off, and target against reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_runner.report.html.chart import ACCENT, GRID, MUTED, SERIES, Chart, Drawing, plain
from ai_runner.report.html.scale import logarithmic_counts, plain_numbers

Tensor = Mapping[str, Any]

_HEIGHT = 250.0  # of both, which stand side by side
_FLOOR = 0.5  # of the logarithmic counts: a single value is still a bar
_MANY = 40  # LSB: beyond, bars are too thin for gaps between them
_REACH = 256  # errors beyond stand in the outermost bins of a report


def histogram_drawing(tensor: Tensor, what: str) -> Drawing | None:
    """Integer errors of an output or layer; None where integers were not compared."""
    counts = {int(error): int(count) for error, count in tensor["error_histogram"].items()}
    if not counts:
        return None
    chart = Chart(_HEIGHT, (52, 14, 10, 36))
    axes = chart.axes
    reach = max(3, *(abs(error) for error in counts))
    for colour, which in ((SERIES, {0}), (ACCENT, set(counts) - {0})):
        some = sorted(which & set(counts))
        half = 0.43 if reach < _MANY else 0.5
        chart.boxes([(error - half, _FLOOR, error + half, max(_FLOOR, counts[error])) for error in some], colour)
    axes.set_xlim(-reach - 0.6, reach + 0.6)
    plain_numbers(axes, "x", whole=True)
    logarithmic_counts(axes, _FLOOR, max(counts.values()) * 1.6)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    axes.set_xlabel("reference - target, LSB")
    axes.set_ylabel("values")
    total, exact = sum(counts.values()), counts.get(0, 0)
    words = (
        f"{exact} of {total} values are equal ({exact / total:.2%}); errors go from {min(counts)} to {max(counts)} LSB."
    )
    note = f"{total} values, {exact / total:.2%} equal; logarithmic counts"
    if reach >= _REACH:
        note += f"; the outermost bars hold errors of {_REACH} LSB and beyond"
    return Drawing(f"Integer errors: {what}", note, words, chart)


def scatter_drawing(tensor: Tensor, what: str) -> Drawing | None:
    """The target's real values over the reference's; None without values."""
    sample = tensor["scatter"]
    if not sample or not sample["fair"]:
        return None
    chart = Chart(_HEIGHT, (52, 14, 10, 36))
    axes = chart.axes
    points = [*sample["fair"], *sample["worst"]]
    low, high = min(map(min, points)), max(map(max, points))
    room = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    axes.plot([low - room, high + room], [low - room, high + room], color=MUTED, linewidth=0.8)
    for kept, colour, size in (("fair", SERIES, 3.0), ("worst", ACCENT, 4.5)):
        if sample[kept]:
            mine, theirs = zip(*sample[kept], strict=True)
            fill = {"markerfacecolor": "none"} if kept == "worst" else {"markeredgewidth": 0.0, "alpha": 0.7}
            axes.plot(mine, theirs, "o", color=colour, markersize=size, linestyle="none", **fill)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(low - room, high + room)
    plain_numbers(axes, "x")
    plain_numbers(axes, "y")
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_xlabel("reference, real values")
    axes.set_ylabel("target, real values")
    count, worst = sample["count"], sample["worst"]
    note = f"{len(sample['fair'])} of {count} values"
    note += f" and the {len(worst)} that are farthest off, as rings" if worst else ", all of those kept are equal"
    words = f"Real values of target and reference, {count} in all, from {plain(low)} to {plain(high)}. "
    if worst:
        words += f"The largest error: {plain(worst[0][1])} where the reference has {plain(worst[0][0])}."
    else:
        words += "All are equal."
    return Drawing(f"Target against reference: {what}", note, words, chart)
