"""The page: what is on it, in which order, and the file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai_runner.errors import MissingRuntimeError
from ai_runner.report.headline import headline, nothing_judged, verdict_of
from ai_runner.report.html.budget_chart import budget_drawing
from ai_runner.report.html.chart import Drawing, drawing_style
from ai_runner.report.html.completed import completed
from ai_runner.report.html.confusion_chart import confusion_drawing
from ai_runner.report.html.latency_chart import QUANTILES, latency_drawing, quantiles
from ai_runner.report.html.layer_charts import error_drawings, time_drawing
from ai_runner.report.html.value_charts import histogram_drawing, scatter_drawing
from ai_runner.report.html.wording import (
    answer,
    bytes_in_words,
    divergence,
    explained_by,
    largest_error,
    milliseconds,
    number,
    percent,
    runtime_of,
    standing,
)
from ai_runner.report.output_file import whole_file
from ai_runner.report.printable import printable, shortened

if TYPE_CHECKING:
    from jinja2 import Environment

Report = Mapping[str, Any]

MOST_OUTPUTS = 4  # of one target with charts of their own; the table has all
_LONGEST_TITLE = 44


@dataclass(frozen=True)
class Picture:
    """A drawing as it stands on the page; `svg` is markup, the others are text."""

    title: str
    note: str
    svg: Any


def write_html(report: Report, path: str | Path) -> None:
    """Writes the page of a report (`report.json.validation_dict`).

    Raises:
        InvalidParamError: `path` cannot be written; nothing is left then.
        MissingRuntimeError: the packages that draw are not installed.
    """
    page = html_page(report)
    with whole_file(path) as file:
        file.write(page.encode("utf-8"))


def html_page(report: Report) -> str:
    """The page of a report that fits the schema ``validation``, as text.

    Raises:
        MissingRuntimeError: the packages that draw are not installed.
    """
    check_packages()
    report = completed(report)
    with drawing_style():
        return _environment().get_template("page.html.j2").render(_view(report))


def _view(report: Report) -> dict[str, Any]:
    """What the templates read."""
    gallery = _Gallery()
    targets = report["targets"]
    names = _names(targets)
    runs = [("reference", report["reference"]), *zip(names, targets, strict=True)]
    times = [time_drawing(target["layers"], name) for name, target in zip(names, targets, strict=True)]
    budgets = [budget_drawing(target["error_budget"], name) for name, target in zip(names, targets, strict=True)]
    style = files(__package__).joinpath("templates", "page.css").read_text("utf-8")
    return {
        "report": report,
        "names": names,
        "runs": runs,
        "judged": runs[1:],
        "verdict": verdict_of(report),
        "style": style,
        "style_hash": base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        "title": _title(report),
        "layer_errors": gallery.hang(error_drawings([target["layers"] for target in targets], names)),
        "layer_times": gallery.hang(times),
        "layer_rows": _layer_rows(targets),
        "values": [(name, gallery.hang(_value_drawings(target))) for name, target in zip(names, targets, strict=True)],
        "confusion": gallery.hang(confusion_drawing(run["task"], name) for name, run in runs),
        "class_names": _class_names(report["reference"]),
        "latencies": gallery.hang(latency_drawing(run, name) for name, run in runs),
        "quantile_names": [f"{q:.0%}" for q in QUANTILES],
        "budgets": gallery.hang(budgets),
    }


def check_packages() -> None:
    """Raises MissingRuntimeError, which names the extra, unless the packages that draw are installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingRuntimeError(
            f"the HTML page needs {error.name}", hint="pip install 'ai-runner[report]'"
        ) from error


class _Gallery:
    """Turns drawings into markup, each with a number of its own."""

    def __init__(self) -> None:
        self._count = 0

    def hang(self, drawings: Iterable[Drawing | None]) -> list[Picture]:
        from markupsafe import Markup

        pictures = []
        for drawing in drawings:
            if drawing is not None:
                self._count += 1
                svg = drawing.chart.svg(drawing.description, self._count)
                pictures.append(Picture(drawing.title, drawing.note, Markup(svg)))  # noqa: S704  written by an XML writer
        return pictures


def _names(targets: Sequence[Report]) -> list[str]:
    """What targets are called in titles: their descriptors, numbered where there are several."""
    short = [shortened(printable(target["descriptor"]), _LONGEST_TITLE) for target in targets]
    return short if len(short) == 1 else [f"{place}. {name}" for place, name in enumerate(short, 1)]


def _title(report: Report) -> str:
    info = report["reference"]["info"]
    return f"{info['name'] if info else 'validation'}: {verdict_of(report)}"


def _value_drawings(target: Report) -> list[Drawing | None]:
    """Its first outputs, and the integer errors of the layer at which it begins to differ."""
    drawings: list[Drawing | None] = []
    for output in target["outputs"][:MOST_OUTPUTS]:
        drawings += [scatter_drawing(output, output["name"]), histogram_drawing(output, output["name"])]
    found = target["first_divergence"]
    if found is not None and found["layer"] is not None:
        layer = next((x for x in target["layers"] if x["name"] == found["name"] and x["count"]), None)
        if layer is not None:
            drawings.append(histogram_drawing(layer, f"layer {layer['index']} {layer['name']}, where it begins"))
    return drawings


def _class_names(run: Report) -> list[str]:
    """Names of the classes, where the labels of a classification were given."""
    return [one["name"] for one in run["task"]["classes"]] if run["task"] else []


def _layer_rows(targets: Sequence[Report]) -> list[tuple[Report, list[Report | None]]]:
    """The layers of all targets side by side: a layer of the reference, and what each target made of it."""
    rows: dict[tuple[Any, ...], list[Report | None]] = {}
    first: dict[tuple[Any, ...], Report] = {}
    for place, target in enumerate(targets):
        seen: dict[tuple[Any, ...], int] = {}
        for layer in target["layers"]:
            name = (layer["index"], layer["name"])
            seen[name] = seen.get(name, 0) + 1
            key = (*name, seen[name])
            first.setdefault(key, layer)
            rows.setdefault(key, [None] * len(targets))[place] = layer
    return [(first[key], rows[key]) for key in sorted(rows, key=lambda key: (key[0], key[2]))]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files(__package__).joinpath("templates")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        **{"number": number, "ms": milliseconds, "percent": percent, "size": bytes_in_words},
        **{
            "runtime": runtime_of,
            "divergence": divergence,
            "answer": answer,
            "standing": standing,
            "largest": largest_error,
        },
    )
    environment.tests["explained_by"] = explained_by
    environment.globals.update(headline=headline, nothing_judged=nothing_judged, quantiles=quantiles)
    return environment


def _shown(value: Any) -> Any:
    """Text of the report without control characters and marks that turn the direction of writing; markup as it is."""
    return printable(value) if type(value) is str else value
