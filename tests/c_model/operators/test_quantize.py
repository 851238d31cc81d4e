from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

INTEGERS = ["int8", "uint8"]
SHAPES = st.lists(st.integers(1, 6), min_size=0, max_size=6)


def zero_point(rng: np.random.Generator, dtype: str) -> int:
    limits = np.iinfo(dtype)
    return int(rng.integers(limits.min, limits.max + 1))


@pytest.mark.parametrize("dtype", INTEGERS)
@given(shape=SHAPES, seed=st.integers(0, 2**32))
def test_quantize(kernels: Any, tensor: Any, single_operator: Any, dtype: str, shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = np.float32(10 ** rng.uniform(-4, 1))
    out = tensor(shape, dtype, scale=scale, zero_point=zero_point(rng, dtype))
    x = np.asarray(rng.normal(size=shape) * 100 * scale, np.float32)
    kernels.check(single_operator("QUANTIZE", [tensor(shape, "float32")], out), [x])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_quantize_halves_and_special_values(kernels: Any, tensor: Any, single_operator: Any, dtype: str) -> None:
    special = [0.0, -0.0, 1e-45, 1e9, -1e9, 2.2e9, -2.2e9, 4e9, 1e30, -1e30, 3e38, np.inf, -np.inf, np.nan]
    x = np.array([*(np.arange(-600, 600) / 4), 0.49999997, -0.49999997, *special], np.float32)
    for scale, zero in ((1.0, 3), (0.25, 100), (0.1, -3 if dtype == "int8" else 0)):
        out = tensor(x.shape, dtype, scale=scale, zero_point=zero)
        kernels.check(single_operator("QUANTIZE", [tensor(x.shape, "float32")], out), [x])


@pytest.mark.parametrize("to", INTEGERS)
@pytest.mark.parametrize("dtype", INTEGERS)
@given(ratio=st.sampled_from([1e-3, 0.5, 1.0, 1.0, 2.0, 77.0]), seed=st.integers(0, 2**32))
def test_requantize(
    kernels: Any, tensor: Any, single_operator: Any, dtype: str, to: str, ratio: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scale = np.float32(10 ** rng.uniform(-4, 1))
    limits = np.iinfo(dtype)
    x = tensor([256], dtype, scale=scale, zero_point=zero_point(rng, dtype))
    out = tensor([256], to, scale=np.float32(scale * ratio), zero_point=zero_point(rng, to))
    kernels.check(single_operator("QUANTIZE", [x], out), [np.arange(limits.min, limits.max + 1).astype(dtype)])


@pytest.mark.parametrize(("dtype", "to", "zero_points"), [("int8", "uint8", (-128, 0)), ("uint8", "int8", (128, 0))])
def test_requantize_that_flips_the_sign_bit(
    kernels: Any, tensor: Any, single_operator: Any, dtype: str, to: str, zero_points: tuple[int, int]
) -> None:
    limits = np.iinfo(dtype)
    x = tensor([256], dtype, scale=0.1, zero_point=zero_points[0])
    out = tensor([256], to, scale=0.1, zero_point=zero_points[1])
    kernels.check(single_operator("QUANTIZE", [x], out), [np.arange(limits.min, limits.max + 1).astype(dtype)])


@pytest.mark.parametrize("dtype", INTEGERS)
@given(seed=st.integers(0, 2**32))
def test_dequantize(kernels: Any, tensor: Any, single_operator: Any, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    x = tensor([2, 128], dtype, scale=np.float32(10 ** rng.uniform(-6, 3)), zero_point=zero_point(rng, dtype))
    values = np.arange(limits.min, limits.max + 1).astype(dtype).reshape(2, 128)
    kernels.check(single_operator("DEQUANTIZE", [x], tensor([2, 128], "float32")), [values])
