"""Which class was taken for which: samples by label (row) and answer (column)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from ai_runner.report.html.chart import ACCENT, GRID, SERIES, Box, Chart, Drawing
from ai_runner.report.html.wording import percent

_SIZE = 264.0
_MOST_NUMBERS = 12  # classes: beyond, cells are too small for counts
_MOST_NAMES = 24  # classes: beyond, some have a name
_SHADES = 6
_STRONGEST = 0.62  # of a cell, so that the count on it can be read
_NAME = 12


def confusion_drawing(task: Mapping[str, Any] | None, what: str) -> Drawing | None:
    """The matrix of one runtime; None without class scores and labels, or for very many classes."""
    if not task or not task["confusion"]:
        return None
    matrix: Sequence[Sequence[int]] = task["confusion"]
    classes = len(matrix)
    if len(task["classes"]) != classes or any(len(counts) != classes for counts in matrix):
        return None
    names = [one["name"] for one in task["classes"]]
    below = 36.0 if _short(names) else 84.0
    chart = Chart(_SIZE + 8 + below, (76, 20, 8, below))
    axes = chart.axes
    axes.spines[["top", "right"]].set_visible(True)
    _shade(chart, matrix)
    if classes <= _MOST_NUMBERS:
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                if count:
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=8.0)
    shown = range(0, classes, ceil(classes / _MOST_NAMES))
    axes.set_xticks(shown, [chart.name(names[k], _NAME) for k in shown], rotation=0 if _short(names) else 90)
    axes.set_yticks(shown, [chart.name(names[k], _NAME) for k in shown])
    axes.tick_params(length=0)
    axes.set_xlim(-0.5, classes - 0.5)
    axes.set_ylim(classes - 0.5, -0.5)
    axes.set_xlabel("answer", labelpad=3)
    axes.set_ylabel("label")
    wrong = [(n, row, column) for row, counts in enumerate(matrix) for column, n in enumerate(counts) if row != column]
    most, label, answer = max(wrong, default=(0, 0, 0))
    words = f"{what}: {percent(task['accuracy'])} of {task['samples']} samples are right."
    if most:
        words += f" Most often confused: {names[label]} taken for {names[answer]}, {most} times."
    note = f"{percent(task['accuracy'])} right; shaded by share of the row"
    if task["unanswered"]:
        note += f"; {task['unanswered']} samples without an answer"
    return Drawing(what, note, words, chart)


def _shade(chart: Chart, matrix: Sequence[Sequence[int]]) -> None:
    """A square for each cell with samples, the stronger the larger its share of the row."""
    shades: dict[tuple[str, int], list[Box]] = defaultdict(list)
    for row, counts in enumerate(matrix):
        total = sum(counts)
        for column, count in enumerate(counts):
            if count:
                colour = SERIES if row == column else ACCENT
                square = (column - 0.5, row - 0.5, column + 0.5, row + 0.5)
                shades[colour, ceil(count / total * _SHADES)].append(square)
    for (colour, shade), squares in shades.items():
        chart.boxes(squares, colour, edgecolor=GRID, linewidth=0.4, alpha=_STRONGEST * shade / _SHADES)


def _short(names: Sequence[str]) -> bool:
    """Whether the names fit side by side."""
    return sum(min(len(name), _NAME) + 1 for name in names[:: ceil(len(names) / _MOST_NAMES)]) <= 44
