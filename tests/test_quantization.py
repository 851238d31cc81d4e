"""Laws of the affine mapping, and agreement with the formula of the 8-bit specification."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.quantization import Quantization

scales = st.floats(2**-14, 2**10, width=32)


@given(scales, st.integers(-128, 127))
def test_integers_survive_the_way_to_real_values_and_back(scale: float, zero_point: int) -> None:
    q = np.arange(-128, 128, dtype=np.int8)
    mapping = Quantization((scale,), (zero_point,))
    assert (mapping.quantize(mapping.dequantize(q), np.int8) == q).all()


@given(scales, st.integers(-100, 100), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_quantising_is_off_by_half_a_step_at_most(scale: float, zero_point: int, values: list[float]) -> None:
    mapping = Quantization((scale,), (zero_point,))
    real = np.array(values, np.float32)
    q = mapping.quantize(real, np.int16)
    inside = (q > -(2**15)) & (q < 2**15 - 1)
    error = np.abs(mapping.dequantize(q).astype(np.float64) - real)
    assert (error <= scale * 0.5 + np.abs(real) * 1e-6)[inside].all()


def test_halves_are_rounded_away_from_zero() -> None:
    mapping = Quantization((2.0,), (0,))
    assert mapping.quantize([-3.0, -1.0, 1.0, 3.0], np.int8).tolist() == [-2, -1, 1, 2]


def test_saturates_and_gives_nan_the_zero_point() -> None:
    mapping = Quantization((0.5,), (7,))
    assert mapping.quantize([np.inf, -np.inf, np.nan, 1e30, -1e30], np.int8).tolist() == [127, -128, 7, 127, -128]


def test_per_channel_scales_run_along_their_axis() -> None:
    mapping = Quantization((1.0, 10.0), (0, 5), axis=1)
    q = np.array([[1, 6], [2, 7]], np.int8)
    assert mapping.dequantize(q).tolist() == [[1, 10], [2, 20]]
    assert (mapping.quantize([[1, 10], [2, 20]], np.int8) == q).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32])
def test_type_and_shape_are_what_was_asked_for(dtype: type[np.generic]) -> None:
    q = Quantization((0.1,), (3,)).quantize(np.zeros((2, 3)), dtype)
    assert (q.dtype, q.shape) == (np.dtype(dtype), (2, 3))
    assert (q == 3).all()
