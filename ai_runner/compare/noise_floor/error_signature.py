"""What kind of mistake an error looks like, where that is clear."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.noise_floor.introduced import Exhibit

Values = npt.NDArray[np.float64]

_NEARLY_ALL = 0.95  # of the elements have to agree with an explanation
_FEWEST = 8


def error_signature(exhibit: Exhibit, limits: tuple[float, float] | None) -> str:
    """One clause such as ``a constant offset of 3``, or '' when the error looks like nothing in particular.

    Args:
        exhibit: a layer's samples outside of the noise band; the nearest kernel set is taken for what is right.
        limits: the smallest and the largest value that the layer can store; None for real values.
    """
    target = _values(exhibit.target)
    trusted = min((_values(result) for result in exhibit.trusted.values()), key=lambda r: _distance(r, target))
    if target.size < _FEWEST or not (np.isfinite(target).all() and np.isfinite(trusted).all()):
        return ""
    slack = 1.0 if limits is not None else 1e-4 * float(np.abs(trusted).max(initial=0.0))
    for signature in (_constant, _element, _offset, _channels, _clipping, _scale):
        found = signature(target, trusted, limits, slack)
        if found:
            return found
    return ""


def _values(array: npt.NDArray[Any]) -> Values:
    """``(samples, positions, channels)``."""
    channels = array.shape[-1] if array.ndim > 1 else 1
    return array.astype(np.float64).reshape(len(array), -1, channels)


def _distance(one: Values, other: Values) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(np.abs(one - other)).sum())


def _agrees(one: Values, other: Values, slack: float) -> bool:
    return bool((np.abs(one - other) <= slack).mean() >= _NEARLY_ALL)


def _constant(target: Values, trusted: Values, limits: tuple[float, float] | None, slack: float) -> str:
    if np.ptp(target) == 0.0 < np.ptp(trusted):
        return f"every value is {target.flat[0]:g}"
    if len(target) > 1 and not np.ptp(target, axis=0).any() and np.ptp(trusted, axis=0).any():
        return "stale: the same values for different inputs"
    earlier = len(target) > 1 and _agrees(target[1:], trusted[:-1], slack) and not _agrees(target, trusted, slack)
    return "stale: the values of the sample before" if earlier else ""


def _element(target: Values, trusted: Values, limits: tuple[float, float] | None, slack: float) -> str:
    wrong = (np.abs(target - trusted) > slack).any(axis=0)
    return f"only element {int(wrong.argmax())} of {wrong.size}" if wrong.sum() == 1 < wrong.shape[0] else ""


def _offset(target: Values, trusted: Values, limits: tuple[float, float] | None, slack: float) -> str:
    free = np.ones(target.shape, bool) if limits is None else (target > limits[0]) & (target < limits[1])
    if free.sum() < _FEWEST:
        return ""
    error = (target - trusted)[free]
    offset = float(np.median(error))
    if abs(offset) > slack and (np.abs(error - offset) <= slack).mean() >= _NEARLY_ALL:
        return f"a constant offset of {offset:+.4g}{' LSB' if limits is not None else ''}"
    return ""


def _channels(target: Values, trusted: Values, limits: tuple[float, float] | None, slack: float) -> str:
    channels = target.shape[2]
    if channels < 2:
        return ""
    wrong = [c for c in range(channels) if (np.abs(target[..., c] - trusted[..., c]) > slack).any()]
    if len(wrong) == 1 and channels > 2:
        return f"only channel {wrong[0]} of {channels}"
    if len(wrong) < 2 or len(wrong) > 64:
        return ""
    sources = {}
    for c in wrong:
        near = [k for k in wrong if k != c and _agrees(target[..., c], trusted[..., k], slack)]
        if len(near) != 1:
            return ""
        sources[c] = near[0]
    if len(set(sources.values())) < len(sources):
        return ""
    if len(wrong) == 2:
        return f"channels {wrong[0]} and {wrong[1]} are swapped"
    return f"{len(wrong)} of {channels} channels are in another order"


def _clipping(target: Values, trusted: Values, limits: tuple[float, float] | None, slack: float) -> str:
    for bound, name, wrong in (
        (float(target.max()), "above", trusted > target.max() + slack),
        (float(target.min()), "below", trusted < target.min() - slack),
    ):
        clipped = np.minimum(trusted, bound) if name == "above" else np.maximum(trusted, bound)
        if (
            wrong.sum() >= _FEWEST
            and _agrees(target, clipped, slack)
            and (np.abs(target[wrong] - bound) <= slack).all()
        ):
            return f"values {name} {bound:g} are clipped"
    return ""


def _scale(target: Values, trusted: Values, limits: tuple[float, float] | None, slack: float) -> str:
    free = np.ones(target.shape, bool) if limits is None else (target > limits[0]) & (target < limits[1])
    x, y = trusted[free], target[free]
    if x.size < _FEWEST or np.ptp(x) == 0.0:
        return ""
    slope, offset = np.polyfit(x, y, 1)
    fits = (np.abs(slope * x + offset - y) <= slack).mean() >= _NEARLY_ALL
    gained = abs(slope - 1.0) * np.ptp(x) > slack
    return f"scaled by {slope:.4g}" if fits and gained else ""
