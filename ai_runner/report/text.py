"""A validation as lines of text: for every target a table, the first diverging layer, accuracy, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from ai_runner.compare.noise_floor.noise_band import IntroducedError
from ai_runner.compare.stages.error_budget import budget_sentence
from ai_runner.compare.tensor_pair import TensorComparison
from ai_runner.compare.verdict import LayerComparison, OutputComparison, RunSummary, TargetResult, Validation, Verdict
from ai_runner.report.layer_map import layer_map_lines
from ai_runner.report.printable import printable, shortened
from ai_runner.report.task_text import task_lines

_COLUMNS = (
    "",
    "name",
    "type",
    "acc",
    "rmse",
    "mae",
    "l2r",
    "mean",
    "std",
    "nse",
    "cos",
    "snr",
    "max lsb",
    "introduced",
    "ms",
    "within",
)
_METRICS = ("acc", "rmse", "mae", "l2r", "mean", "std", "nse", "cos", "snr")
# What gives way on a narrow terminal, one step after the other: a column, or the length of names.
_CONCESSIONS: tuple[str | int, ...] = (
    24,
    "snr",
    "std",
    "mean",
    "l2r",
    "nse",
    "mae",
    16,
    "acc",
    "type",
    12,
    "ms",
    "cos",
)
_LONGEST_NAME = 40
_UNPAIRED_SHOWN = 12
_LISTED = 8


def validation_lines(validation: Validation, width: int = 120) -> list[str]:
    """The report for lines of `width` characters, without colours or control characters."""
    lines = [f"reference  {_run_line(validation.reference)}"]
    lines += [f"inputs     {printable(validation.data)}"] if validation.data else []
    lines += [f"note       {printable(note)}" for note in validation.notes]
    lines += _warning_lines(validation.reference)
    for target in validation.targets:
        lines += ["", *_target_lines(target, validation, width)]
    if len(validation.targets) > 1:
        passed = sum(target.verdict is Verdict.PASS for target in validation.targets)
        side_by_side = layer_map_lines(validation.targets, width)
        lines += ["", *side_by_side] if side_by_side else []
        lines += ["", f"verdict    {_shout(validation.verdict)}: {passed} of {len(validation.targets)} targets pass"]
    return lines


def _target_lines(target: TargetResult, validation: Validation, width: int) -> list[str]:
    lines = [f"target     {_run_line(target.run)}"]
    lines += _some("differs", [str(difference) for difference in target.structure])
    lines += _warning_lines(target.run)
    rows = [_layer_row(layer) for layer in target.layers]
    rows += [_output_row(place, output, target.run) for place, output in enumerate(target.outputs)]
    lines += ["", *_table(rows, width), ""] if rows else []
    lines += _unpaired_lines(target)
    lines += _some("health", target.health.findings)
    if target.input_fault or (validation.per_layer and any(layer.tensor is not None for layer in target.layers)):
        lines.append(f"divergence {_divergence(target)}")
    if target.run.accuracy is not None and validation.reference.accuracy is not None:
        mine, theirs = target.run.accuracy, validation.reference.accuracy
        lines.append(f"accuracy   {mine:.4f} against labels, the reference has {theirs:.4f} ({mine - theirs:+.4f})")
    lines += task_lines(target, validation.reference)
    lines += _budget_lines(target)
    lines.append(f"verdict    {_shout(target.verdict)}{_held_to(target, validation.judged_by)}")
    return lines + [f"           {printable(reason)}" for reason in target.reasons]


def _run_line(run: RunSummary) -> str:
    described = [printable(run.descriptor)]
    if run.info is not None:
        runtime = run.info.runtime
        version = ".".join(map(str, runtime.version)) if any(runtime.version) else ""
        facts = [f"{key} {value}" for key, value in runtime.attributes.items() if value != version]
        described.append(printable(", ".join([f"{runtime.name} {version}".strip(), *facts])))
    if run.c_duration_ms is not None:
        described.append(f"{_milliseconds(run.c_duration_ms)} ms a sample ({run.c_duration_source})")
    return "  |  ".join(described)


def _warning_lines(run: RunSummary) -> list[str]:
    return [f"warning    {printable(warning)}" for warning in run.warnings]


def _layer_row(layer: LayerComparison) -> dict[str, str]:
    row = {"": str(layer.index), "name": printable(layer.name), "type": printable(layer.type)}
    if layer.c_duration_ms is not None:
        row["ms"] = _milliseconds(layer.c_duration_ms)
    if layer.tensor is None:
        return row
    return {**row, **_numbers(layer.tensor), **_judgement(layer.introduced, layer.within)}


def _output_row(place: int, output: OutputComparison, run: RunSummary) -> dict[str, str]:
    row = {"": f"O.{place}", "name": printable(output.tensor.name), "type": "output", **_numbers(output.tensor)}
    row |= _judgement(output.introduced, output.within)
    if run.c_duration_ms is not None and place == 0:
        row["ms"] = _milliseconds(run.c_duration_ms)
    return row


def _numbers(tensor: TensorComparison) -> dict[str, str]:
    row = {name: _number(name, tensor.metrics[name]) for name in _METRICS}
    row["max lsb"] = "" if tensor.max_lsb is None else f"{tensor.max_lsb:.4g}"
    return row


def _judgement(introduced: IntroducedError | None, within: bool | None) -> dict[str, str]:
    row = {"within": "yes" if within else "NO"}
    if introduced is not None:
        row["introduced"] = f"{introduced.largest:.3g}"
    return row


def _number(name: str, value: float) -> str:
    if isnan(value):
        return ""
    # Of what is close to 1 the distance from it matters: 0.99997 must not be printed as 1.
    return f"{value:.6g}" if name in ("nse", "cos", "acc") else f"{value:.4g}"


def _milliseconds(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.3g}"


def _table(rows: Sequence[dict[str, str]], width: int) -> list[str]:
    """The widest table that fits: columns that are empty everywhere go, then concessions are made."""
    columns = [column for column in _COLUMNS if any(row.get(column) for row in rows)]
    longest = _LONGEST_NAME
    lines = _render(rows, columns, longest)
    for concession in _CONCESSIONS:
        if max(map(len, lines)) <= width:
            break
        if isinstance(concession, int):
            longest = concession
        elif concession in columns:
            columns.remove(concession)
        lines = _render(rows, columns, longest)
    return lines


def _render(rows: Sequence[dict[str, str]], columns: Sequence[str], longest: int) -> list[str]:
    from tabulate import tabulate

    cells = [[shortened(row.get(c, ""), longest) if c == "name" else row.get(c, "") for c in columns] for row in rows]
    align = ["left" if column in ("name", "type", "within") else "right" for column in columns]
    text: str = tabulate(cells, headers=list(columns), colalign=align, disable_numparse=True)
    return text.splitlines()


def _unpaired_lines(target: TargetResult) -> list[str]:
    lines = [
        f"unpaired   {node.side} {node.index} {printable(shortened(node.name, _LONGEST_NAME))} "
        f"({printable(node.type)}): {printable(node.reason)}"
        for node in target.unpaired[:_UNPAIRED_SHOWN]
    ]
    more = len(target.unpaired) - _UNPAIRED_SHOWN
    return lines + ([f"unpaired   and {more} more, see the JSON report"] if more > 0 else [])


def _some(word: str, texts: Sequence[str]) -> list[str]:
    lines = [f"{word:<10} {printable(text)}" for text in texts[:_LISTED]]
    more = len(texts) - _LISTED
    return lines + ([f"{word:<10} and {more} more, see the JSON report"] if more > 0 else [])


def _budget_lines(target: TargetResult) -> list[str]:
    if not target.error_budget:
        return []
    shares = ", ".join(
        f"{share.stage.replace('_', ' ')} {'none' if share.share is None else format(share.share, '.1%')}"
        f" (rmse {share.rmse:.4g})"
        for share in target.error_budget
    )
    return [f"budget     {budget_sentence(target.error_budget)}: {shares}"]


def _divergence(target: TargetResult) -> str:
    found = target.first_divergence
    if found is None and any(layer.introduced is not None for layer in target.layers):
        return "none: no layer computes anything that trusted kernels would not"
    if found is None:
        return "none: every compared layer is within tolerance"
    stage = f" [{found.stage.replace('_', ' ')}]" if found.stage else ""
    if found.layer is None:
        return f"begins at the {found.type}{stage}: {printable(found.reason)}"
    where = f"layer {found.layer} {printable(found.name)} ({printable(found.type)})"
    return f"begins at {where}{stage}: {printable(found.reason)}"


def _held_to(target: TargetResult, judged_by: str) -> str:
    floors = [output.introduced for output in target.outputs if output.introduced is not None]
    if floors:
        what = "equality with one of" if judged_by == "exact" else "noise floor of"
        return f" ({what} {len(floors[0].kernels) or 'all'} kernel sets, {target.run.samples} samples)"
    tolerances = list(dict.fromkeys(str(output.tensor.tolerance) for output in target.outputs))
    return f" (tolerance {', '.join(tolerances)}, {target.run.samples} samples)" if tolerances else ""


def _shout(verdict: Verdict) -> str:
    return str(verdict).upper()
