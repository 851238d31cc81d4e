"""Axes whose numbers are plain text: matplotlib's own formats would be mathematics set in its own fonts."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from ai_runner.report.html.chart import GRID, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)
_MOST_DECADES = 5
_HIGHEST = 300  # powers of ten beyond are no floats any more when they are multiplied


def steps_scale(axes: Axes, largest: float) -> None:
    """A horizontal axis of LSB from 0: even up to 1, logarithmic beyond, so that 1 and 100 can both be read."""
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
    axes.set_xlim(0.0, max(2.0, largest) * 1.15)
    _fixed_ticks(axes, [step for step in _STEPS if step <= max(2.0, largest) * 1.15])


def decades_scale(axes: Axes, values: Sequence[float]) -> None:
    """A horizontal axis from 0, logarithmic from the smallest positive value on."""
    positive = [value for value in values if value > 0.0]
    low = floor(log10(min(positive))) if positive else -6
    high = max(min(ceil(log10(max(positive))), _HIGHEST) if positive else -5, low + 1)
    low = max(low, high - 12)
    axes.set_xscale("symlog", linthresh=10.0**low, linscale=0.7)
    axes.set_xlim(0.0, 10.0**high * 1.3)
    thin = ceil((high - low + 1) / _MOST_DECADES)
    _fixed_ticks(axes, [0.0, *(10.0**power for power in range(high, low, -thin))])


def plain_numbers(axes: Axes, which: str, whole: bool = False) -> None:
    """Ticks where matplotlib puts them on an even axis (``x`` or ``y``), few, as plain numbers; `whole` ones only."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=5, integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def logarithmic_counts(axes: Axes, low: float, high: float) -> None:
    """A vertical logarithmic axis from `low` to `high` with few ticks, written as plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(_round_numbers(low, high)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def _round_numbers(low: float, high: float) -> list[float]:
    """Decades, and 2 and 5 of them where they are few."""
    decades = range(floor(log10(low)), min(ceil(log10(high)), _HIGHEST) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in decades for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= _MOST_DECADES + 1:
            return found
    return found[:: ceil(len(found) / (_MOST_DECADES + 1))]


def _fixed_ticks(axes: Axes, places: Sequence[float]) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.xaxis.set_major_formatter(FixedFormatter([plain(place) for place in places]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
