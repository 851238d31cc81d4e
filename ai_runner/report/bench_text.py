"""Latencies as lines of text: quantiles of one measurement, or what became slower."""

from __future__ import annotations

from collections.abc import Sequence

from ai_runner.bench.baseline import Baseline
from ai_runner.bench.conditions import conditions
from ai_runner.bench.gate import LatencyVerdict, Method, Shift
from ai_runner.bench.measurement import Measurement, Series
from ai_runner.bench.statistics import summary
from ai_runner.report.printable import printable, shortened

_LONGEST_NAME = 32
_MOST_NAMED = 3


def measurement_lines(measurement: Measurement, desc: str) -> list[str]:
    """Times of the model, as the host saw them, and of every layer."""
    info = measurement.info
    lines = [f"target     {printable(desc)}  |  {printable(info.runtime.name)}, model {printable(info.name)}"]
    lines += [f"{name:<11}{printable(text)}" for name, text in conditions(measurement).items() if text]
    lines += [f"warning    {printable(text)}" for text in measurement.warnings]
    rows = [_row("", "model", "", measurement.model)]
    rows.append(_row("", "as the host saw it", "", Series(measurement.host_times)))
    for position, layer in enumerate(measurement.layers):
        rows.append(_row(str(position), layer.node.name, layer.node.type_name, layer.series))
    header = ("", "name", "type", "min", "median", "p90", "p99", "max", "sd", "outliers", "from")
    return [*lines, "", *_table(rows, header), "", "times in ms, one sample a run"]


def _row(index: str, name: str, kind: str, series: Series) -> list[str]:
    cells = [index, shortened(printable(name), _LONGEST_NAME), printable(kind)]
    if not series.times:
        return [*cells, *[""] * 7, "not measured"]
    found = summary(series.times)
    numbers = (found.minimum, found.p50, found.p90, found.p99, found.maximum, found.deviation)
    return [*cells, *(f"{ms:.4g}" for ms in numbers), str(found.outliers or ""), str(series.source or "host")]


def baseline_lines(baseline: Baseline) -> list[str]:
    """The best of every layer over all processes."""
    lines = [f"target     {printable(baseline.desc)}  |  model {printable(baseline.model_name)}"]
    lines += [f"{name:<11}{printable(text)}" for name, text in baseline.conditions.items() if text]
    rows = []
    everything = [("model", "", baseline.model)]
    everything += [(n, k, tuple(b[i] for b in baseline.bests)) for i, (n, k) in enumerate(baseline.layers)]
    for position, (name, kind, bests) in enumerate(everything):
        times = [best.ms for best in bests if best.ms is not None]
        cells = [str(position - 1) if position else "", shortened(printable(name), _LONGEST_NAME), printable(kind)]
        rows.append([*cells, *([f"{min(times):.4g}", f"{max(times):.4g}"] if times else ["", "not measured"])])
    count = len(baseline.model)
    header = ("", "name", "type", "best", "worst")
    return [*lines, "", *_table(rows, header), "", f"minima in ms, of {count} process{'es' if count > 1 else ''}"]


def verdict_lines(verdict: LatencyVerdict, old: str, notes: Sequence[str]) -> list[str]:
    """What was compared with what, and the verdict."""
    header = ("name", "type", "was", "is", "", "shift", "+-", "p", "")
    lines = [f"against    {printable(old)}"]
    lines += [f"accepted   {printable(note)}" for note in notes]
    lines += ["", *_table([_shift_row(shift) for shift in verdict.shifts], header), ""]
    lines += [f"unpaired   {printable(text)}" for text in verdict.unpaired]
    lines += _noise(verdict)
    slower = verdict.slower
    if slower:
        lines.append(f"verdict    FAIL: slower in {len(slower)}")
    else:
        lines.append(f"verdict    {'none: the model was not judged' if verdict.missing else 'PASS: not slower'}")
    return lines + [f"           {_sentence(shift)}" for shift in slower]


def _noise(verdict: LatencyVerdict) -> list[str]:
    """What of the verdict is doubtful, because pairs differ more than a shift that matters."""
    found = sorted(verdict.uncertain, key=lambda shift: -(shift.margin or 0.0))
    if not found:
        return []
    named = [f"{shortened(printable(s.name), _LONGEST_NAME)} +-{s.margin:.1%}" for s in found[:_MOST_NAMED]]
    named += [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    return [f"noise      {', '.join(named)}: less than that goes unseen; more --repeats, a quieter machine"]


def _shift_row(shift: Shift) -> list[str]:
    state = "SLOWER" if shift.slower else "" if shift.method is not Method.NONE else f"not judged: {shift.reason}"
    return [
        shortened(printable(shift.name), _LONGEST_NAME),
        printable(shift.type),
        f"{shift.old:.6g}",
        f"{shift.new:.6g}",
        printable(shift.unit),
        f"{shift.shift:+.2%}",
        "" if shift.margin is None else f"{shift.margin:.2%}",
        "" if shift.p is None else f"{shift.p:.2g}",
        printable(state),
    ]


def _sentence(shift: Shift) -> str:
    how = {
        Method.PAIRS: f"in the median pair, p {shift.p or 0.0:.2g}",
        Method.MINIMA: "in the best run of all processes",
        Method.EXACT: "in every run",
    }.get(shift.method, "")
    what = f"{shift.name} ({shift.type})" if shift.type else shift.name
    return f"{printable(what)}: {shift.old:.6g} -> {shift.new:.6g} {printable(shift.unit)}, {shift.shift:+.2%} {how}"


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> list[str]:
    from tabulate import tabulate

    used = [k for k in range(len(header)) if any(row[k] for row in rows)]
    numbers = {"min", "median", "p90", "p99", "max", "sd", "outliers", "best", "worst", "was", "is", "shift", "+-", "p"}
    return tabulate(
        [[row[k] for k in used] for row in rows],
        headers=[header[k] for k in used],
        disable_numparse=True,
        colalign=["right" if header[k] in numbers else "left" for k in used],
    ).splitlines()
