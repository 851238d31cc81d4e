"""Task metrics and changed answers as lines of text: the target's beside the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

from ai_runner.compare.task.changed_answers import ChangedAnswers
from ai_runner.compare.task.classification import NO_ANSWER, ClassificationMetrics
from ai_runner.compare.task.regression import RegressionMetrics
from ai_runner.compare.verdict import RunSummary, TargetResult
from ai_runner.report.printable import printable

_LISTED = 5


def task_lines(target: TargetResult, reference: RunSummary) -> list[str]:
    """Lines about one target; none without labels and changed answers."""
    mine, theirs = target.run.task, reference.task
    lines: list[str] = []
    names: Sequence[str] = ()
    if isinstance(mine, ClassificationMetrics) and isinstance(theirs, ClassificationMetrics):
        lines += _classification_lines(mine, theirs)
        names = [one.name for one in mine.classes]
    elif isinstance(mine, RegressionMetrics) and isinstance(theirs, RegressionMetrics):
        pairs = [(name, getattr(mine, name), getattr(theirs, name)) for name in ("mae", "rmse", "max_error", "r2")]
        lines.append(f"task       {', '.join(_beside(*pair) for pair in pairs)}")
    return lines + (_changed_lines(target.changed, names) if target.changed is not None else [])


def _classification_lines(mine: ClassificationMetrics, theirs: ClassificationMetrics) -> list[str]:
    pairs = [(f"top-{k}", share, theirs.top_k[k]) for k, share in mine.top_k.items() if k in (3, 5)]
    pairs += [(name, getattr(mine, name), getattr(theirs, name)) for name in ("precision", "recall", "f1")]
    if not isnan(mine.roc_auc):
        pairs.append(("roc_auc", mine.roc_auc, theirs.roc_auc))
    lines = [f"task       {', '.join(_beside(*pair) for pair in pairs)}"]
    confused = [
        (count, label, answer)
        for label, row in enumerate(mine.confusion)
        for answer, count in enumerate(row)
        if count and label != answer
    ]
    if confused:
        names = [printable(one.name) for one in mine.classes]
        worst = sorted(confused, key=lambda one: (-one[0], *one[1:]))[:_LISTED]
        lines.append(
            "confused   "
            + ", ".join(f"{names[label]} taken for {names[answer]}: {count} x" for count, label, answer in worst)
        )
    if mine.unanswered:
        lines.append(f"unanswered {mine.unanswered} samples have a NaN among their scores")
    return lines


def _changed_lines(changed: ChangedAnswers, names: Sequence[str]) -> list[str]:
    def name(answer: int) -> str:
        return "nothing" if answer == NO_ANSWER else printable(names[answer]) if answer < len(names) else str(answer)

    if not changed.count:
        return [f"answers    the same as the reference's for all {changed.samples} samples"]
    line = f"answers    {changed.count} of {changed.samples} differ from the reference's"
    if changed.lost is not None:
        line += f": {changed.lost} were right, {changed.gained} became right"
    shown = []
    for one in changed.listed[:_LISTED]:
        margin = f" (margin {one.margin:.4g})" if isfinite(one.margin) else ""
        label = "" if one.label is None else f", label {name(one.label)}"
        shown.append(f"sample {one.index}: {name(one.reference)} -> {name(one.target)}{label}{margin}")
    return [line, *(f"           {text}" for text in shown)]


def _beside(name: str, mine: float, theirs: float) -> str:
    return f"{name.replace('_', ' ')} {mine:.4f} ({mine - theirs:+.4f})"
