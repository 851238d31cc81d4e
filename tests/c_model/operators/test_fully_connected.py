from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ACTIVATIONS = st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
LAYERS = st.fixed_dictionaries(
    {
        "leading": st.lists(st.integers(1, 3), max_size=3),
        "in_features": st.integers(1, 70),
        "out_features": st.integers(1, 20),
        "keep": st.booleans(),
        "activation": ACTIVATIONS,
        "bias": st.booleans(),
        "seed": st.integers(0, 2**32),
    }
)


def shapes(layer: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Shapes of input and output; without keep_num_dims the input is flattened to rows of in_features."""
    leading, n = layer["leading"], layer["out_features"]
    out = [*leading, n] if layer["keep"] else [int(np.prod(leading)), n]
    return [*leading, layer["in_features"]], out


def options(layer: dict[str, Any]) -> dict[str, Any]:
    return {"fused_activation_function": layer["activation"], "keep_num_dims": layer["keep"]}


@given(layer=LAYERS, per_channel=st.booleans(), weights_zero_point=st.sampled_from([0, 0, 3, -128]))
def test_int8(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    layer: dict[str, Any],
    per_channel: bool,
    weights_zero_point: int,
) -> None:
    rng = np.random.default_rng(layer["seed"])
    in_shape, out_shape = shapes(layer)
    n, depth = layer["out_features"], layer["in_features"]
    in_scale = np.float32(rng.uniform(0.01, 0.1))
    scales = rng.uniform(0.001, 0.02, n if per_channel else 1).astype(np.float32)
    out_scale = np.float32(in_scale * scales.mean() * np.sqrt(depth) * rng.uniform(5, 200))
    x = tensor(in_shape, scale=in_scale, zero_point=rng.integers(-128, 128))
    weights = tensor(
        [n, depth],
        scale=scales,
        zero_point=0 if per_channel else weights_zero_point,
        data=rng.integers(-127, 128, (n, depth)),
    )
    bias = tensor([n], "int32", scale=in_scale * scales, data=rng.integers(-50_000, 50_000, n))
    out = tensor(out_shape, scale=out_scale, zero_point=rng.integers(-128, 128))
    raw = single_operator("FULLY_CONNECTED", [x, weights, bias if layer["bias"] else None], out, **options(layer))
    kernels.check(raw, [rng.integers(-128, 128, in_shape).astype(np.int8)])


@given(layer=LAYERS)
def test_float(kernels: Any, tensor: Any, single_operator: Any, layer: dict[str, Any]) -> None:
    rng = np.random.default_rng(layer["seed"])
    in_shape, out_shape = shapes(layer)
    n, depth = layer["out_features"], layer["in_features"]
    weights = tensor([n, depth], "float32", data=rng.normal(size=(n, depth)))
    bias = tensor([n], "float32", data=rng.normal(size=n)) if layer["bias"] else None
    inputs = [tensor(in_shape, "float32"), weights, bias]
    raw = single_operator("FULLY_CONNECTED", inputs, tensor(out_shape, "float32"), **options(layer))
    kernels.check(raw, [rng.normal(size=in_shape).astype(np.float32)])


def test_int8_sums_are_scaled_in_double_precision(kernels: Any, tensor: Any, single_operator: Any) -> None:
    """Enough sums that scaling them in single precision would show (dozens of a million differ)."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        in_scale, scale = np.float32(rng.uniform(0.01, 0.1, 2))
        x = tensor([400, 8], scale=in_scale, zero_point=7)
        weights = tensor([150, 8], scale=scale, data=rng.integers(-127, 128, (150, 8)))
        out = tensor([400, 150], scale=np.float32(in_scale * scale * rng.uniform(50, 200)), zero_point=-3)
        raw = single_operator("FULLY_CONNECTED", [x, weights], out)
        kernels.check(raw, [rng.integers(-128, 128, (400, 8)).astype(np.int8)])


def test_int8_halves_are_rounded_away_from_zero(kernels: Any, tensor: Any, single_operator: Any) -> None:
    x, out = tensor([256, 1], scale=0.5), tensor([256, 2], scale=0.5)
    weights = tensor([2, 1], scale=0.5, data=[[1], [-1]])
    every = np.arange(-128, 128).astype(np.int8).reshape(256, 1)
    kernels.check(single_operator("FULLY_CONNECTED", [x, weights], out), [every])


@pytest.mark.parametrize("zero_point", [0, -5])
def test_int8_sums_beyond_32_bits(kernels: Any, tensor: Any, single_operator: Any, zero_point: int) -> None:
    """Scales that make no sense still have one answer."""
    x, out = tensor([2, 1], scale=1.0), tensor([2, 1], scale=1e-9, zero_point=zero_point)
    raw = single_operator("FULLY_CONNECTED", [x, tensor([1, 1], scale=1.0, data=[[127]])], out)
    kernels.check(raw, [np.array([[127], [-128]], np.int8)])
