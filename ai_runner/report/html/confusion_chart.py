"""Which class was taken for which: samples by label (row) and answer (column)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from ai_runner.report.html.chart import ACCENT, FONT_SIZE, GRID, SERIES, WIDTH, Box, Chart, Drawing
from ai_runner.report.html.text_width import text_width
from ai_runner.report.html.wording import percent
from ai_runner.report.printable import printable

_SIZE = 250.0
_NAMES = 76.0  # points beside and below the matrix
_GAP = 6.0
_COUNT_SIZE = 8.0
_LABEL = 16.0  # further out, what the axis is
_MOST_NUMBERS = 12  # classes: beyond, cells are too small for counts
_MOST_NAMES = 24  # classes: beyond, some have a name
_SHADES = 6
_FAINTEST, _STRONGEST = 0.16, 0.62  # opacity of a cell: to be seen when it is small, with a count that can be read


def confusion_drawing(task: Mapping[str, Any] | None, what: str) -> Drawing | None:
    """The matrix of one runtime; None without class scores and labels, or for very many classes."""
    if not task or not task["confusion"]:
        return None
    matrix: Sequence[Sequence[int]] = task["confusion"]
    classes = len(matrix)
    if len(task["classes"]) != classes or any(len(counts) != classes for counts in matrix):
        return None
    names = [printable(one["name"]) for one in task["classes"]]
    chart = _square(names)
    _shade(chart, matrix)
    if classes <= _MOST_NUMBERS:
        _write_counts(chart, matrix)
    wrong = [(n, row, column) for row, counts in enumerate(matrix) for column, n in enumerate(counts) if row != column]
    most, label, answer = max(wrong, default=(0, 0, 0))
    words = f"{what}: {percent(task['accuracy'])} of {task['samples']} samples are right."
    if most:
        words += f" Most often confused: {names[label]} taken for {names[answer]}, {most} times."
    note = f"{percent(task['accuracy'])} right; shaded by share of the row"
    if task["unanswered"]:
        note += f"; {task['unanswered']} samples without an answer"
    return Drawing(what, note, words, chart)


def _square(names: Sequence[str]) -> Chart:
    """An empty matrix with a row and a column for each class, of which many names are left out."""
    classes = len(names)
    shown = range(0, classes, ceil(classes / _MOST_NAMES))
    widths = [text_width(names[k]) * FONT_SIZE for k in shown]
    room = min(_NAMES, max(widths)) + _GAP
    upright = sum(widths) + classes * _GAP > _SIZE
    left, below = room + _LABEL, (room if upright else 18.0) + _LABEL
    chart = Chart(_SIZE + 8 + below, (left, WIDTH - _SIZE - left, 8, below))
    axes = chart.axes
    axes.spines[["top", "right"]].set_visible(True)
    # Anchored by the end that touches the matrix: matplotlib would place the middle of what it takes for the name.
    turned: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor", "ha": "right", "va": "center"}
    axes.set_xticks(shown, [chart.name(names[k], _NAMES) for k in shown], **(turned if upright else {}))
    axes.set_yticks(shown, [chart.name(names[k], _NAMES) for k in shown])
    axes.tick_params(length=0)
    axes.set_xlim(-0.5, classes - 0.5)
    axes.set_ylim(classes - 0.5, -0.5)
    axes.set_xlabel("answer", va="bottom")
    axes.set_ylabel("label", va="top")
    axes.xaxis.set_label_coords(0.5, (2 - below) / _SIZE)
    axes.yaxis.set_label_coords((2 - left) / _SIZE, 0.5)
    return chart


def _write_counts(chart: Chart, matrix: Sequence[Sequence[int]]) -> None:
    """A number in each cell with samples, in thousands where the cell is too narrow for it."""
    room = _SIZE / len(matrix) / _COUNT_SIZE
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                text = str(count) if text_width(str(count)) <= room else f"{count // 1000}k"
                chart.axes.text(column, row, text, ha="center", va="center", fontsize=_COUNT_SIZE)


def _shade(chart: Chart, matrix: Sequence[Sequence[int]]) -> None:
    """A square for each cell with samples, the stronger the larger its share of the row."""
    shades: dict[tuple[str, int], list[Box]] = defaultdict(list)
    joined = len(matrix) > _MOST_NUMBERS  # equal neighbours, which nothing on them tells apart
    for row, counts in enumerate(matrix):
        total = sum(counts)
        for column, count in enumerate(counts):
            if count:
                colour = SERIES if row == column else ACCENT
                square = (column - 0.5, row - 0.5, column + 0.5, row + 0.5)
                same = shades[colour, ceil(count / total * _SHADES)]
                if joined and same and same[-1][1:3] == (square[1], square[0]):
                    square = (same.pop()[0], *square[1:])
                same.append(square)
    for (colour, shade), squares in shades.items():
        opacity = _FAINTEST + (_STRONGEST - _FAINTEST) * shade / _SHADES
        edge = {} if joined else {"edgecolor": GRID, "linewidth": 0.4}
        chart.boxes(squares, colour, alpha=opacity, **edge)
