from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ACTIVATIONS = ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    """A convolution whose window fits its image."""
    stride, dilation, window, image = ([draw(st.integers(1, limit)) for _ in range(2)] for limit in (3, 3, 4, 11))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    span = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    if padding == "VALID":
        image = [max(size, s) for size, s in zip(image, span, strict=True)]
        out = [(size - s) // step + 1 for size, s, step in zip(image, span, stride, strict=True)]
    else:
        out = [-(-size // step) for size, step in zip(image, stride, strict=True)]
    return {
        "image": [draw(st.integers(1, 2)), *image],
        "window": window,
        "out": out,
        "options": {
            "padding": padding,
            "stride_h": stride[0],
            "stride_w": stride[1],
            "dilation_h_factor": dilation[0],
            "dilation_w_factor": dilation[1],
            "fused_activation_function": draw(st.sampled_from(ACTIVATIONS)),
        },
        "bias": draw(st.booleans()),
        "per_channel": draw(st.booleans()),
        "gain": draw(st.sampled_from([0.001, 0.3, 1.0, 3.0, 100.0])),
        "rng": np.random.default_rng(draw(st.integers(0, 2**32))),
    }


def model_s8(c: dict[str, Any], tensor: Any, channels: int, filters: list[int], axis: int) -> tuple[list[Any], Any]:
    """Operands and output of an int8 convolution; scales such that the outputs fill their range `gain` times."""
    rng, n = c["rng"], filters[axis]
    terms = int(np.prod(filters)) // n
    in_scale = np.float32(rng.uniform(0.01, 0.1))
    scales = rng.uniform(0.001, 0.02, n if c["per_channel"] else 1).astype(np.float32)
    out_scale = np.float32(in_scale * scales.mean() * np.sqrt(terms) * 40 / c["gain"])
    x = tensor([*c["image"], channels], scale=in_scale, zero_point=rng.integers(-128, 128))
    weights = tensor(filters, scale=scales, zero_point=0, axis=axis, data=rng.integers(-127, 128, filters))
    limit = 2 + 3000 * terms
    bias = tensor([n], "int32", scale=in_scale * scales, data=rng.integers(-limit, limit, n))
    out = tensor([c["image"][0], *c["out"], n], scale=out_scale, zero_point=rng.integers(-128, 128))
    return operands(c, x, weights, bias), out


def model_f32(c: dict[str, Any], tensor: Any, channels: int, filters: list[int], axis: int) -> tuple[list[Any], Any]:
    rng, n = c["rng"], filters[axis]
    x = tensor([*c["image"], channels], "float32")
    weights = tensor(filters, "float32", data=rng.normal(size=filters))
    bias = tensor([n], "float32", data=rng.normal(size=n))
    return operands(c, x, weights, bias), tensor([c["image"][0], *c["out"], n], "float32")


def operands(c: dict[str, Any], x: Any, weights: Any, bias: Any) -> list[Any]:
    return [x, weights, bias] if c["bias"] else [x, weights]


def values(c: dict[str, Any], x: Any) -> np.ndarray:
    if x.dtype == "int8":
        return c["rng"].integers(-128, 128, x.shape).astype(np.int8)
    return c["rng"].normal(size=x.shape).astype(np.float32)


@pytest.mark.parametrize("model", [model_s8, model_f32])
@given(
    c=convolutions(),
    groups=st.sampled_from([1, 1, 1, 2, 3]),
    depth=st.integers(1, 20),
    filters=st.integers(1, 9),
)
def test_conv_2d(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    model: Any,
    c: dict[str, Any],
    groups: int,
    depth: int,
    filters: int,
) -> None:
    inputs, out = model(c | {"bias": True}, tensor, depth * groups, [filters * groups, *c["window"], depth], 0)
    kernels.check(single_operator("CONV_2D", inputs, out, **c["options"]), [values(c, inputs[0])])


def test_conv_2d_without_bias_is_one_with_zeros(kernels: Any, tensor: Any, single_operator: Any) -> None:
    """LiteRT refuses a convolution without bias, older runtimes do not."""
    rng = np.random.default_rng(1)
    x, out = tensor([1, 5, 5, 3], scale=0.1, zero_point=3), tensor([1, 5, 5, 4], scale=0.3, zero_point=-2)
    weights = tensor([4, 1, 1, 3], scale=0.02, data=rng.integers(-127, 128, (4, 1, 1, 3)))
    bias = tensor([4], "int32", scale=0.002, data=[0] * 4)
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
    image = rng.integers(-128, 128, (1, 5, 5, 3)).astype(np.int8)
    answers = [
        kernels.answer(single_operator("CONV_2D", inputs, out, **options), [image])
        for inputs in ([x, weights, bias], [x, weights], [x, weights, None])
    ]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize("model", [model_s8, model_f32])
@given(c=convolutions(), depth=st.integers(1, 20), multiplier=st.sampled_from([1, 1, 2, 5]))
def test_depthwise_conv_2d(
    kernels: Any, tensor: Any, single_operator: Any, model: Any, c: dict[str, Any], depth: int, multiplier: int
) -> None:
    inputs, out = model(c, tensor, depth, [1, *c["window"], depth * multiplier], 3)
    raw = single_operator("DEPTHWISE_CONV_2D", inputs, out, depth_multiplier=multiplier, **c["options"])
    kernels.check(raw, [values(c, inputs[0])])
