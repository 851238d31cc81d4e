"""One drawing: matplotlib's axes in, an SVG element out that takes its colours from the page around it.

Three things are done to what matplotlib writes. Colours become CSS variables, so that one drawing serves light, dark
and paper. Style attributes become presentation attributes, so that the page can forbid inline styles. And names that
come from a model or a device never reach matplotlib, which would read ``$`` as mathematics and has no glyphs for many
scripts: it draws placeholders, and the text takes their place in the finished tree, escaped by its writer.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai_runner.report.html.text_width import fitted
from ai_runner.report.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]

# Each stands for a CSS variable of the page; matplotlib carries them through unchanged.
INK, MUTED, GRID, SURFACE = "#000101", "#000102", "#000103", "#000104"
SERIES, ACCENT, FAIL, BAND = "#000105", "#000106", "#000107", "#000108"
_VARIABLES = {
    **{INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface"},
    **{SERIES: "--series", ACCENT: "--accent", FAIL: "--fail", BAND: "--band"},
}

WIDTH = 360.0  # points: a phone shows it about as large as it is
FONT_SIZE = 9.5
_POINTS_PER_INCH = 72.0

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be found, read aloud, and is small
    "svg.hashsalt": "ai-runner",  # the same drawing gives the same bytes
    "font.size": FONT_SIZE,
    "axes.linewidth": 0.7,
    "path.simplify": False,
    "text.parse_math": False,
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor"), MUTED),
}
_PLACEHOLDER = re.compile(r"@(\d+)@")
_DECIMALS = re.compile(r"(\d+\.\d{2})\d+")
_BOX = re.compile(r"M (\S+) (\S+) L (\S+) \2 L \3 (\S+) L \1 \4 z ?")  # as `Chart.boxes` comes out
_LINK = "{http://www.w3.org/1999/xlink}href"


def drawing_style() -> AbstractContextManager[None]:
    """matplotlib's settings while charts are made and drawn: its own and those of the page, none of the user's."""
    from matplotlib.style import context

    style: AbstractContextManager[None] = context(["default", _SETTINGS])
    return style


class Chart:
    """One drawing, made and drawn under `drawing_style`.

    Args:
        height: in points; the width is that of all drawings.
        margins: left, right, top, bottom, in points: what the names and numbers around the axes need.
    """

    def __init__(self, height: float, margins: tuple[float, float, float, float]) -> None:
        from matplotlib.figure import Figure

        self._height = height
        self._names: list[str] = []
        left, right, top, bottom = margins
        self._figure = Figure(figsize=(WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH))
        box = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height)
        self.axes: Axes = self._figure.add_axes(box)
        self.axes.spines[["top", "right"]].set_visible(False)
        self.axes.set_axisbelow(True)

    def name(self, text: str, room: float) -> str:
        """What to give matplotlib in place of a name: `text`, shortened to `room` points, will stand there."""
        self._names.append(fitted(printable(text), room / FONT_SIZE))
        return f"@{len(self._names) - 1}@"

    def boxes(self, boxes: Sequence[Box], colour: str, **looks: Any) -> None:
        """Filled rectangles, all in one path: a hundred classes are ten thousand cells.

        Args:
            boxes: left, bottom, right, top of each, in the units of the axes.
            looks: of the path, as matplotlib's PathPatch names them.
        """
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if boxes:
            corners = [((x, y), (u, y), (u, v), (x, v), (x, y)) for x, y, u, v in boxes]
            codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(boxes)
            path = Path([corner for box in corners for corner in box], codes)
            self.axes.add_patch(PathPatch(path, facecolor=colour, **{"linewidth": 0.0, **looks}))

    def svg(self, description: str, number: int) -> str:
        """The drawing as an ``svg`` element.

        Args:
            description: what it shows, for those who cannot see it.
            number: of the drawing within the page: elements of two drawings must not share an id.
        """
        written = io.BytesIO()
        self._figure.savefig(written, format="svg", metadata={"Date": None})
        root = ElementTree.fromstring(written.getvalue())  # noqa: S314  written by matplotlib a moment ago
        drawing = self._adapted(root, f"c{number}-")
        drawing.attrib = {
            "viewBox": f"0 0 {WIDTH:g} {self._height:g}",
            "role": "img",
            "aria-label": printable(description),
            "stroke-linejoin": "round",
            "font-size": f"{FONT_SIZE:g}",
        }
        return ElementTree.tostring(drawing, encoding="unicode")

    def _adapted(self, element: ElementTree.Element, prefix: str) -> ElementTree.Element:
        """The element without namespaces, metadata and styles, with the page's colours and the names."""
        adapted = ElementTree.Element(_local(element.tag))
        for key, value in element.attrib.items():
            for name, text in self._attributes(key, value, prefix):
                adapted.set(name, text)
        adapted.text = self._text(element.text)
        for child in element:
            if _local(child.tag) not in ("metadata", "style"):
                inner = self._adapted(child, prefix)
                adapted.extend(inner if inner.tag == "g" and not inner.attrib else [inner])
        return adapted

    def _attributes(self, key: str, value: str, prefix: str) -> list[tuple[str, str]]:
        if key == "style":
            declared = (item.partition(":") for item in value.split(";") if ":" in item)
            pairs = [pair for name, _, text in declared for pair in _presentation(name.strip(), text.strip())]
            return [(name, self._value(text, prefix)) for name, text in pairs]
        if key == "id":
            return [(key, prefix + value)] if _is_referenced(value) else []
        if key == _LINK:
            return [("href", f"#{prefix}{value[1:]}")]
        return [] if value.startswith("rotate(-0 ") else [(key, self._value(value, prefix))]

    def _value(self, value: str, prefix: str) -> str:
        for colour, variable in _VARIABLES.items():
            if value == colour:
                return f"var({variable})"
        value = value.replace("url(#", f"url(#{prefix}")
        return _BOX.sub(_short_box, _DECIMALS.sub(r"\1", " ".join(value.split())))

    def _text(self, text: str | None) -> str | None:
        if text is None or not text.strip():
            return None
        return _PLACEHOLDER.sub(lambda found: self._names[int(found[1])], text.strip())


@dataclass(frozen=True)
class Drawing:
    """A chart and what is said about it.

    Attributes:
        title: what it shows.
        note: units, where times come from, what is left out; '' without one.
        description: the same in words and numbers, for those who cannot see it.
    """

    title: str
    note: str
    description: str
    chart: Chart


def plain(value: float, digits: int = 4) -> str:
    """A number as text, 1e-6 instead of 1e-06."""
    return re.sub(r"e([+-])0+", r"e\1", f"{value:.{digits}g}").replace("e+", "e")


def _presentation(name: str, text: str) -> list[tuple[str, str]]:
    """A CSS declaration as presentation attributes; fonts are those of the page, but for their size and weight."""
    if name == "font":
        size = re.search(r"([\d.]+)px", text)
        bold = [("font-weight", "600")] if re.search(r"\b(bold|700)\b", text) else []
        return bold + ([("font-size", size[1])] if size and size[1] != f"{FONT_SIZE:g}" else [])
    if name == "font-size":
        return [(name, text.removesuffix("px"))] if text != f"{FONT_SIZE:g}px" else []
    return [] if name in ("font-family", "stroke-linejoin") else [(name, text)]


def _short_box(box: re.Match[str]) -> str:
    """A rectangle of a path by its corner and its sides: a page may have ten thousands of them."""
    left, bottom, right, top = map(float, box.groups())
    width, height = round(right - left, 2), round(top - bottom, 2)
    return f"M{left:g} {bottom:g}h{width:g}v{height:g}h{-width:g}z"


def _is_referenced(identity: str) -> bool:
    """Paths that are used again and clipping boxes; matplotlib names them by a letter and a hash."""
    return re.fullmatch(r"[A-Za-z]+[0-9a-f]{8,}(_\w+)?", identity) is not None


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]
