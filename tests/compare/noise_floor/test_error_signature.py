"""What kind of mistake an error looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.compare.noise_floor.error_signature import error_signature
from ai_runner.compare.noise_floor.introduced import Exhibit

Array = npt.NDArray[Any]
LIMITS = (-128.0, 127.0)
RIGHT = np.random.default_rng(5).integers(-90, 91, (4, 3, 5, 6)).astype(np.int8)


def exhibit(target: Array, trusted: Array = RIGHT) -> Exhibit:
    return Exhibit({}, target, {"reference": trusted}, b"", 0)


def with_element(values: Array) -> Array:
    values[:, 1, 2, 3] += 9
    return values


def with_channel(values: Array) -> Array:
    values[..., 4] //= 2
    return values


def with_swap(values: Array) -> Array:
    values[..., [1, 2]] = values[..., [2, 1]]
    return values


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda values: values + 3, "a constant offset of +3 LSB"),
        (lambda values: np.full_like(values, 7), "every value is 7"),
        (lambda values: np.concatenate([values[:1], values[:-1]]), "stale: the values of the sample before"),
        (lambda values: np.repeat(values[:1], 4, axis=0), "stale: the same values for different inputs"),
        (lambda values: np.minimum(values, 40), "values above 40 are clipped"),
        (lambda values: (values * 1.2).round().astype(np.int8), "scaled by 1.2"),
        (with_element, "only element 45 of 90"),
        (with_channel, "only channel 4 of 6"),
        (with_swap, "channels 1 and 2 are swapped"),
        (lambda values: np.random.default_rng(1).integers(-90, 91, values.shape).astype(np.int8), ""),
    ],
)
def test_what_is_clear_is_said(spoil: Callable[[Array], Array], said: str) -> None:
    assert error_signature(exhibit(spoil(RIGHT.copy())), LIMITS) == said


def test_real_values_have_no_lsb_and_nan_no_signature() -> None:
    right = RIGHT.astype(np.float32) / 7
    assert error_signature(exhibit(right + np.float32(0.5), right), None) == "a constant offset of +0.5"
    assert error_signature(exhibit(np.where(right > 5, np.nan, right), right), None) == ""
