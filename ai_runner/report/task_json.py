"""Task metrics and changed answers for the JSON report; numbers that are not finite are None."""

from __future__ import annotations

from math import isfinite
from typing import Any

from ai_runner.compare.task.changed_answers import ChangedAnswers
from ai_runner.compare.task.classification import ClassificationMetrics
from ai_runner.compare.task.regression import RegressionMetrics


def task_dict(metrics: ClassificationMetrics | RegressionMetrics) -> dict[str, Any]:
    """How well a runtime does its task; ``type`` says which."""
    if isinstance(metrics, RegressionMetrics):
        return {
            "type": "regression",
            "samples": metrics.samples,
            "mae": _number(metrics.mae),
            "rmse": _number(metrics.rmse),
            "max_error": _number(metrics.max_error),
            "r2": _number(metrics.r2),
            "non_finite": metrics.non_finite,
        }
    return {
        "type": "classification",
        "samples": metrics.samples,
        "unanswered": metrics.unanswered,
        "accuracy": metrics.accuracy,
        "top_k": {str(k): share for k, share in metrics.top_k.items()},
        "precision": _number(metrics.precision),
        "recall": _number(metrics.recall),
        "f1": _number(metrics.f1),
        "roc_auc": _number(metrics.roc_auc),
        "roc_auc_error": _number(metrics.roc_auc_error),
        "classes": [
            {
                "name": one.name,
                "support": one.support,
                "answered": one.answered,
                "right": one.right,
                "precision": one.precision,
                "recall": one.recall,
                "f1": one.f1,
                "roc_auc": _number(one.roc_auc),
            }
            for one in metrics.classes
        ],
        "confusion": [list(row) for row in metrics.confusion],
    }


def changed_answers_dict(changed: ChangedAnswers) -> dict[str, Any]:
    """Samples that a target answers otherwise than the reference."""
    return {
        "samples": changed.samples,
        "count": changed.count,
        "lost": changed.lost,
        "gained": changed.gained,
        "listed": [
            {
                "index": one.index,
                "reference": one.reference,
                "target": one.target,
                "label": one.label,
                "margin": _number(one.margin),
            }
            for one in changed.listed
        ],
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
