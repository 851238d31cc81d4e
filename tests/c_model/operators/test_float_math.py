from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.c_model.operators import float_math

FLOATS = st.floats(-120, 120, width=32)


def ulps(a: float, b: float) -> float:
    return abs(a - b) / float(np.spacing(np.float32(b)))


@given(x=FLOATS)
def test_functions_are_single_precision_within_two_units(x: float) -> None:
    exact = math.exp(x)
    if exact < 3.4e38:
        assert ulps(float_math.expf(x), exact) <= 2
    else:
        assert float_math.expf(x) == math.inf
    assert ulps(float_math.tanhf(x), math.tanh(x)) <= 2


@pytest.mark.parametrize("x", [-math.inf, -1000.0, 0.0, 1.0, 1000.0, math.inf])
def test_fallback_without_a_c_library(x: float) -> None:
    expf = float_math._from_c_library("no_such_function", float_math._exp)
    assert expf(x) == float_math.expf(x)
