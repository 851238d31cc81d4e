"""Scores of visual anomaly models, made comparable.

An engine sends raw scores whose scale depends on the model. ``relative``, the form of Edge Impulse's Rust crate up to
1.x and of its README: a score divided by the block's `min_anomaly_score`, and never above 1, so that 1 is what counts
as an anomaly. ``raw``, the form of the crate since: the values as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ai_runner.errors import InvalidParamError
from ai_runner.impulse.hello import Threshold

DEFAULT_MIN_ANOMALY_SCORE = 6.0  # where a model names none (the Rust crate)

Form = Literal["relative", "raw"]
Region = dict[str, Any]
Normalized = tuple[float | None, float | None, float | None, list[Region]]


def normalize_visual_anomaly(
    anomaly: float | None,
    visual_anomaly_max: float | None,
    visual_anomaly_mean: float | None,
    regions: Iterable[Mapping[str, Any]],
    *,
    min_anomaly_score: float = DEFAULT_MIN_ANOMALY_SCORE,
    form: Form = "relative",
) -> Normalized:
    """The scores of one reply in another form.

    Args:
        anomaly: of the reply's result, as the next three; None where the reply has none.
        visual_anomaly_max: over all cells.
        visual_anomaly_mean: over all cells.
        regions: ``visual_anomaly_grid``, cells with a `value` each.
        min_anomaly_score: threshold of the block. At 0 or below every score above 0 is 1, every other one 0.
        form: ``relative`` or ``raw``; see the module.

    Returns:
        the first three, and the regions with their `value` replaced: fresh dicts.

    Raises:
        InvalidParamError: another form.
    """
    if form not in ("relative", "raw"):
        raise InvalidParamError(f"form={form!r} is not one of relative, raw")

    def score(value: float | None) -> float | None:
        return value if form == "raw" else _relative(value, min_anomaly_score)

    cells = [{**region, "value": score(region.get("value"))} for region in regions]
    return score(anomaly), score(visual_anomaly_max), score(visual_anomaly_mean), cells


def min_anomaly_score(thresholds: Iterable[Threshold]) -> float:
    """`min_anomaly_score` of the first block that has one, else DEFAULT_MIN_ANOMALY_SCORE."""
    for threshold in thresholds:
        value = threshold.values.get("min_anomaly_score", math.nan)
        if not math.isnan(value):
            return value
    return DEFAULT_MIN_ANOMALY_SCORE


def _relative(value: float | None, threshold: float) -> float | None:
    if value is None:
        return None
    if threshold <= 0:
        return 1.0 if value > 0 else 0.0
    return min(value / threshold, 1.0)
