from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("operator", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@given(
    batches=st.integers(1, 2),
    image=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.integers(1, 20),
    padding=st.sampled_from(["SAME", "VALID"]),
    activation=st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]),
    seed=st.integers(0, 2**32),
)
def test_pool_2d(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    operator: str,
    dtype: str,
    batches: int,
    image: tuple[int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    channels: int,
    padding: str,
    activation: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    if padding == "VALID":
        image = (max(image[0], window[0]), max(image[1], window[1]))
        out = [(size - w) // s + 1 for size, w, s in zip(image, window, stride, strict=True)]
    else:
        out = [-(-size // s) for size, s in zip(image, stride, strict=True)]
    quantized = {"scale": rng.uniform(0.01, 0.1), "zero_point": rng.integers(-128, 128)} if dtype == "int8" else {}
    shape = [batches, *image, channels]
    raw = single_operator(
        operator,
        [tensor(shape, dtype, **quantized)],
        tensor([batches, *out, channels], dtype, **quantized),
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=window[0],
        filter_width=window[1],
        fused_activation_function=activation,
    )
    x = rng.integers(-128, 128, shape) if dtype == "int8" else rng.normal(size=shape)
    kernels.check(raw, [x.astype(dtype)])
