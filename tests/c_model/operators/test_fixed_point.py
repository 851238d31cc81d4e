from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.c_model.operators.fixed_point import limits_s8, normalized, quantized


@given(real=st.floats(1e-300, 1e300))
def test_normalized_has_31_significant_bits(real: float) -> None:
    multiplier, shift = normalized(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier * 2.0 ** (shift - 31) / real - 1) <= 2**-31


def test_normalized_rounds_up_to_the_next_power() -> None:
    assert normalized(1 - 2**-40) == (2**30, 1)


@given(real=st.floats(-1e6, 1e6, width=32), scale=st.floats(0.0078125, 10, width=32), zero_point=st.integers(-128, 127))
def test_quantized_is_the_nearest_integer(real: float, scale: float, zero_point: int) -> None:
    q = quantized(real, scale, zero_point) - zero_point
    assert abs(q - np.float32(real) / np.float32(scale)) <= 0.5


def test_limits_without_activation_are_those_of_the_type() -> None:
    assert limits_s8(-np.inf, np.inf, 0.1, 5) == {"output_min": -128, "output_max": 127}
    assert limits_s8(0.0, 6.0, 0.1, -20) == {"output_min": -20, "output_max": 40}
