from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

SHAPES = st.lists(st.integers(1, 12), min_size=1, max_size=4)
BETA = st.sampled_from([1.0, 1.0, 0.3, 2.5])


@given(shape=SHAPES, beta=BETA, seed=st.integers(0, 2**32))
def test_int8(kernels: Any, tensor: Any, single_operator: Any, shape: list[int], beta: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = tensor(shape, scale=np.float32(10 ** rng.uniform(-4, 1)), zero_point=rng.integers(-128, 128))
    raw = single_operator("SOFTMAX", [x], tensor(shape, scale=1 / 256, zero_point=-128), beta=beta)
    kernels.check(raw, [rng.integers(-128, 128, shape).astype(np.int8)])


@given(scale=st.floats(1e-4, 4), width=st.integers(2, 300), seed=st.integers(0, 2**32))
def test_int8_of_close_values(
    kernels: Any, tensor: Any, single_operator: Any, scale: float, width: int, seed: int
) -> None:
    x = tensor([20, width], scale=np.float32(scale), zero_point=5)
    raw = single_operator("SOFTMAX", [x], tensor([20, width], scale=1 / 256, zero_point=-128), beta=1.0)
    rng = np.random.default_rng(seed)
    kernels.check(raw, [rng.integers(-20, 20, (20, width)).astype(np.int8)])


@given(shape=SHAPES, beta=BETA, seed=st.integers(0, 2**32))
def test_float(kernels: Any, tensor: Any, single_operator: Any, shape: list[int], beta: float, seed: int) -> None:
    x = (np.random.default_rng(seed).normal(size=shape) * 10).astype(np.float32)
    raw = single_operator("SOFTMAX", [tensor(shape, "float32")], tensor(shape, "float32"), beta=beta)
    kernels.check(raw, [x])
