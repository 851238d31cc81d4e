"""What every layer adds to the error, beside the noise band, and how long it takes: a row a layer, in running order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ai_runner.report.html.chart import ACCENT, BAND, FAIL, GRID, INK, MUTED, SERIES, Chart, Drawing, plain
from ai_runner.report.html.scale import decades_scale, plain_numbers, steps_scale
from ai_runner.report.html.wording import not_numbers

Layer = Mapping[str, Any]

MOST_LAYERS = 150
_ROW = 12.5
_NAMES = 148.0
_GAP = 6.0  # between a name and its row
_HALF = 0.36  # of the height of a row that bars take
_LIMIT: dict[str, Any] = {"edgecolor": MUTED, "linewidth": 1.2}


def error_drawings(targets: Sequence[Sequence[Layer]], names: Sequence[str]) -> list[Drawing]:
    """For each target one of its layers of integers, in LSB, and one of those of real values, if it has any.

    All of one kind have the same scale: they are looked at side by side.
    """
    drawings = []
    for whole in (True, False):
        kinds = [[x for x in layers if x["count"] and (x["max_lsb"] is not None) is whole] for layers in targets]
        lengths = [length for layers in kinds for layer in layers for length in _lengths(layer)]
        drawings += [_errors(some, name, whole, lengths) for some, name in zip(kinds, names, strict=True) if some]
    return drawings


def _errors(layers: Sequence[Layer], target: str, whole: bool, lengths: Sequence[float]) -> Drawing:
    shown, note = _those_that_matter(layers, _error)
    without = [row for row, layer in enumerate(shown) if not_numbers(layer)]
    chart = Chart(len(shown) * _ROW + 48, (_NAMES, 32 if without else 8, 8, 34))
    axes = chart.axes
    floors = [(row, *_floor(x["introduced"])) for row, x in enumerate(shown) if x["introduced"] is not None]
    chart.boxes([(0.0, row - _HALF, band, row + _HALF) for row, band, _, _ in floors], BAND)
    chart.boxes([(allowed, row - _HALF, allowed, row + _HALF) for row, _, _, allowed in floors], MUTED, **_LIMIT)
    for colour, size, which in ((SERIES, 3.6, False), (FAIL, 5.0, True)):
        own = [(row, length) for row, _, length, _ in floors if _is_wrong(shown[row]) is which]
        chart.boxes([(0.0, row, length, row) for row, length in own], colour, edgecolor=colour, linewidth=2.0)
        _marks(chart, own, "o", color=colour, markersize=size, markeredgewidth=0.0)
    totals = [(row, _accumulated(layer)) for row, layer in enumerate(shown) if _accumulated(layer)]
    _marks(chart, totals, "D", color=MUTED, markersize=3.6, markerfacecolor="none")
    if whole:
        steps_scale(axes, max(lengths))
    else:
        decades_scale(axes, lengths)
    axes.set_xlabel("LSB" if whole else "absolute error")
    for row in without:
        place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "va": "center"}
        axes.annotate("NaN", (1.0, row), (4, 0), **place, fontsize=8.0, color=FAIL if _is_wrong(shown[row]) else MUTED)
    _rows(chart, shown, _is_wrong)
    unit = "integer layers, in LSB" if whole else "layers of real values"
    equal = "" if without or any(map(_accumulated, layers)) else "all equal the reference"
    lost = f"NaN: {len(without)} layers have values that are no numbers" if without else ""
    note = "; ".join(filter(None, (unit, equal, lost, note)))
    return Drawing(target, note, f"{target}: {_errors_in_words(layers, unit)}", chart)


def _marks(chart: Chart, places: Sequence[tuple[int, float]], marker: str, **looks: Any) -> None:
    rows, lengths = [row for row, _ in places], [length for _, length in places]
    chart.axes.plot(lengths, rows, marker, linestyle="none", clip_on=False, **looks)


def _floor(introduced: Mapping[str, Any]) -> tuple[float, float, float]:
    """Width of the band, largest distance outside of it, and how much of that is allowed."""
    return introduced["band"] or 0.0, introduced["largest"] or 0.0, introduced["allowed"] or 0.0


def _accumulated(layer: Layer) -> float:
    """The largest error against the reference, in LSB or, for real values, as it is."""
    return float((layer["metrics"]["max_abs"] if layer["max_lsb"] is None else layer["max_lsb"]) or 0.0)


def _lengths(layer: Layer) -> list[float]:
    return [_accumulated(layer), *(_floor(layer["introduced"]) if layer["introduced"] is not None else ())]


def _errors_in_words(layers: Sequence[Layer], unit: str) -> str:
    wrong = [f"{layer['index']} {layer['name']}" for layer in layers if _is_wrong(layer)]
    worst = max(layers, key=_accumulated)
    largest = f"The largest error against the reference is {plain(_accumulated(worst))}, in layer {worst['index']}."
    if not any(layer["introduced"] for layer in layers):
        return f"{len(layers)} {unit}. {largest}"
    if not wrong:
        return f"none of {len(layers)} {unit}, diverges from the noise band. {largest}"
    return f"{len(wrong)} of {len(layers)} {unit}, diverge from the noise band, first layer {wrong[0]}. {largest}"


def time_drawing(layers: Sequence[Layer], target: str) -> Drawing | None:
    """The mean time of every layer; None where none was measured."""
    timed = [layer for layer in layers if layer["c_duration_ms"] is not None]
    if not timed:
        return None
    shown, note = _those_that_matter(timed, lambda layer: float(layer["c_duration_ms"]))
    whole = sum(layer["c_duration_ms"] for layer in timed)
    chart = Chart(len(shown) * _ROW + 48, (_NAMES, 34, 8, 34))
    axes = chart.axes
    longest = max(layer["c_duration_ms"] for layer in shown)
    for colour, which in ((SERIES, False), (ACCENT, True)):
        some = [(row, x["c_duration_ms"]) for row, x in enumerate(shown) if (x["c_duration_ms"] == longest) is which]
        chart.boxes([(0.0, row - _HALF, time, row + _HALF) for row, time in some], colour)
    for row, layer in enumerate(shown):
        time = layer["c_duration_ms"]
        if whole > 0.0:
            axes.annotate(
                f"{time / whole:.0%}",
                (time, row),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.0,
                color=MUTED,
            )
    axes.set_xlim(0, longest or 1.0)
    plain_numbers(axes, "x")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
    axes.set_xlabel("ms, mean of a sample")
    _rows(chart, shown, lambda layer: False)
    sources = sorted({str(layer["c_duration_source"]) for layer in timed})
    slowest = max(timed, key=lambda layer: float(layer["c_duration_ms"]))
    words = (
        f"Time per layer: {len(timed)} layers take {plain(whole)} ms together; the slowest is layer {slowest['index']} "
        f"{slowest['name']} with {plain(slowest['c_duration_ms'])} ms."
    )
    note = "; ".join(filter(None, (f"{plain(whole)} ms together", f"source: {', '.join(sources)}", note)))
    return Drawing(target, note, words, chart)


def _rows(chart: Chart, layers: Sequence[Layer], wrong: Any) -> None:
    """A name a row, from top to bottom; of what is wrong in the colour of failure."""
    axes = chart.axes
    names = [f"{layer['index']} {layer['name']}" for layer in layers]
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_yticks(range(len(layers)), [chart.name(text, _NAMES - _GAP) for text in names])
    axes.tick_params(axis="y", length=0)
    for label, layer in zip(axes.get_yticklabels(), layers, strict=True):
        label.set_color(FAIL if wrong(layer) else INK)


def _is_wrong(layer: Layer) -> bool:
    return bool(layer["introduced"] and layer["introduced"]["diverges"])


def _error(layer: Layer) -> float:
    return _accumulated(layer) + 1e9 * _is_wrong(layer)


def _those_that_matter(layers: Sequence[Layer], weight: Any) -> tuple[Sequence[Layer], str]:
    """All layers, or the heaviest of very many, in running order; and what to say about that."""
    if len(layers) <= MOST_LAYERS:
        return layers, ""
    heaviest = sorted(range(len(layers)), key=lambda place: -weight(layers[place]))[:MOST_LAYERS]
    return [layers[place] for place in sorted(heaviest)], f"the {MOST_LAYERS} largest of {len(layers)} layers"
