from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, 1.0, -1.0, 6.0, 3.0, -3.0, 100.0, -100.0]
EVERY = np.arange(-128, 128).astype(np.int8)


@pytest.mark.parametrize("operator", ["RELU", "RELU6", "RELU_N1_TO_1"])
@given(seed=st.integers(0, 2**32), ratio=st.sampled_from([0.01, 0.5, 1.0, 1.7, 40.0]))
def test_int8_relu(kernels: Any, tensor: Any, single_operator: Any, operator: str, seed: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    scale = np.float32(10 ** rng.uniform(-3, 0))
    x = tensor([256], scale=scale, zero_point=rng.integers(-128, 128))
    out = tensor([256], scale=np.float32(scale * ratio), zero_point=rng.integers(-128, 128))
    kernels.check(single_operator(operator, [x], out), [EVERY])


@pytest.mark.parametrize(
    ("operator", "out_scale", "out_zero_point"), [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)]
)
@given(seed=st.integers(0, 2**32))
def test_int8_lookup(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    operator: str,
    out_scale: float,
    out_zero_point: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    x = tensor([2, 128], scale=np.float32(10 ** rng.uniform(-4, 1)), zero_point=rng.integers(-128, 128))
    out = tensor([2, 128], scale=out_scale, zero_point=out_zero_point)
    kernels.check(single_operator(operator, [x], out), [EVERY.reshape(2, 128)])


@given(seed=st.integers(0, 2**32))
def test_int8_tanh_of_any_output_scale(kernels: Any, tensor: Any, single_operator: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = tensor([256], scale=np.float32(10 ** rng.uniform(-3, 0)), zero_point=rng.integers(-128, 128))
    out = tensor([256], scale=np.float32(10 ** rng.uniform(-3, 0)), zero_point=rng.integers(-128, 128))
    kernels.check(single_operator("TANH", [x], out), [EVERY])


@given(seed=st.integers(0, 2**32), ratio=st.floats(0.1, 8))
def test_int8_hard_swish(kernels: Any, tensor: Any, single_operator: Any, seed: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    scale = np.float32(10 ** rng.uniform(-4, 1))
    x = tensor([1, 256], scale=scale, zero_point=rng.integers(-128, 128))
    out = tensor([1, 256], scale=np.float32(scale * ratio), zero_point=rng.integers(-128, 128))
    kernels.check(single_operator("HARD_SWISH", [x], out), [EVERY.reshape(1, 256)])


@pytest.mark.parametrize("operator", ["RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH"])
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_float(kernels: Any, tensor: Any, single_operator: Any, operator: str, shape: list[int], seed: int) -> None:
    x = (np.random.default_rng(seed).normal(size=shape) * 5).astype(np.float32)
    kernels.check(single_operator(operator, [tensor(shape, "float32")], tensor(shape, "float32")), [x])


@pytest.mark.parametrize("operator", ["RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH"])
def test_special_floats(kernels: Any, tensor: Any, single_operator: Any, operator: str) -> None:
    x = np.array(SPECIAL, np.float32)
    kernels.check(single_operator(operator, [tensor(x.shape, "float32")], tensor(x.shape, "float32")), [x])
