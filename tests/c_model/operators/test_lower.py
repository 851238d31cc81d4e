"""What the C-model refuses: one error that names the operator, its index and the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.c_model.operators import KERNELS, LOWERINGS, lower
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel


def refusal(raw: bytes) -> str:
    """The message of the error."""
    model = TfliteModel.parse(raw, "some/file.tflite")
    with pytest.raises(InvalidModelError) as caught:
        lower(model, model.operators[0])
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith(f"some/file.tflite: operator 0 ({model.operators[0].name}): ")
    return caught.value.message


def conv(tensor: Any, **changes: Any) -> list[Any]:
    weights = np.ones((4, 1, 1, 3), np.int8)
    tensors = {
        "x": tensor([1, 5, 5, 3], scale=0.1),
        "weights": tensor([4, 1, 1, 3], scale=0.02, data=weights),
        "bias": tensor([4], "int32", scale=0.002, data=[0] * 4),
    }
    return list((tensors | changes).values())


def test_unknown_operator(tensor: Any, single_operator: Any) -> None:
    raw = single_operator("COS", [tensor([3], "float32")], tensor([3], "float32"))
    assert "the operator is not supported" in refusal(raw)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x": ([1, 5, 5, 3], "float32")}, "types FLOAT32, INT8, INT8 are not supported"),
        ({"x": ([1, 5, 5, 4], "int8")}, "do not fit 4 input channels"),
        ({"x": ([5, 5, 3], "int8")}, "3 dimensions instead of 4"),
        ({"x": ([1, 5, 0, 3], "int8")}, "no fixed size"),
        ({"x": ([1, -1, 5, 3], "int8")}, "no fixed size"),
        ({"x": ([1, 9, 5, 3], "int8")}, "its output has shape [1, 5, 5, 4] instead of [1, 9, 5, 4]"),
        ({"weights": ([4, 1, 1, 3], "int8")}, "weights (tensor 1) are computed at run time"),
        ({"bias": ([4], "int32")}, "biases (tensor 2) are computed at run time"),
    ],
)
def test_convolutions(tensor: Any, single_operator: Any, changes: dict[str, Any], reason: str) -> None:
    replaced = {name: tensor(shape, dtype, scale=0.1) for name, (shape, dtype) in changes.items()}
    inputs = conv(tensor, **replaced)
    out = tensor([1, 5, 5, 4], scale=0.5)
    assert reason in refusal(single_operator("CONV_2D", inputs, out, padding="SAME", stride_h=1, stride_w=1))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stride_h": 0, "stride_w": 1}, "stride 0 x 1"),
        ({"stride_h": 1, "stride_w": 1, "dilation_w_factor": -1}, "dilation 1 x -1"),
        ({"stride_h": 1, "stride_w": 1, "dilation_w_factor": 2**30}, "window is too large"),
        ({"stride_h": 1, "stride_w": 1, "fused_activation_function": "TANH"}, "fused activation TANH"),
    ],
)
def test_options(tensor: Any, single_operator: Any, options: dict[str, Any], reason: str) -> None:
    raw = single_operator("CONV_2D", conv(tensor), tensor([1, 5, 5, 4], scale=0.5), padding="SAME", **options)
    assert reason in refusal(raw)


@pytest.mark.parametrize(
    ("scale", "zero_point", "reason"),
    [
        (0.0, 0, "unusable scale"),
        (float("nan"), 0, "unusable scale"),
        (float("inf"), 0, "unusable scale"),
        (-1.0, 0, "unusable scale"),
        (0.1, 128, "zero point 128"),
        (0.1, -(2**40), "zero point -1099511627776"),
        (None, 0, "is not quantised"),
        (1e-30, 0, "too far apart"),
        ([0.1, 0.2, 0.3], 0, "3 scales for 1 channels"),
    ],
)
def test_quantization(tensor: Any, single_operator: Any, scale: Any, zero_point: int, reason: str) -> None:
    out = tensor([1, 3], scale=scale, zero_point=zero_point, axis=1)
    inputs = [tensor([1, 3], scale=1.0), tensor([1, 3], scale=1.0)]
    assert reason in refusal(single_operator("MUL", inputs, out))


def test_int16_activations(tensor: Any, single_operator: Any) -> None:
    tensors = [tensor([2], "int16", scale=0.1) for _ in range(3)]
    assert "types INT16, INT16, INT16 are not supported" in refusal(single_operator("ADD", tensors[:2], tensors[2]))


def test_axes_known_only_at_run_time(tensor: Any, single_operator: Any) -> None:
    raw = single_operator("MEAN", [tensor([2, 3], "float32"), tensor([1], "int32")], tensor([2], "float32"))
    assert "its axes (tensor 1) are computed at run time" in refusal(raw)


def test_concatenation_of_different_quantizations(tensor: Any, single_operator: Any) -> None:
    inputs = [tensor([2], "uint8", scale=0.1), tensor([2], "uint8", scale=0.2)]
    assert "quantised differently" in refusal(single_operator("CONCATENATION", inputs, tensor([4], "uint8", scale=0.1)))


def test_every_kernel_is_declared(digits_int8: Path) -> None:
    """Functions, structs and files that lowering names exist (the operator tests call each of them)."""
    header = (KERNELS / "kernels.h").read_text()
    model = TfliteModel.read(digits_int8)
    assert {operator.name for operator in model.operators} <= set(LOWERINGS)
    for operator in model.operators:
        node = lower(model, operator)
        assert re.search(rf"\bvoid {node.function}\(const {node.params_type} \*p,", header)
        assert (KERNELS / f"{node.source}.c").exists()


@settings(max_examples=300)
@given(
    name=st.sampled_from(["digits_int8", "digits_float"]),
    edits=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_models_are_lowered_or_refused(
    digits_int8: Path, digits_float: Path, name: str, edits: list[tuple[int, int]]
) -> None:
    raw = bytearray({"digits_int8": digits_int8, "digits_float": digits_float}[name].read_bytes())
    for position, value in edits:
        raw[position % len(raw)] = value
    try:
        model = TfliteModel.parse(bytes(raw))
        for operator in model.operators:
            lower(model, operator)
    except InvalidModelError:
        pass
