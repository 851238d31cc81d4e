"""Activations that are operators of their own, int8 or float32: RELU and its limits, LOGISTIC, TANH, HARD_SWISH."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import REAL_LIMITS, limits_s8, multiplier_and_shift
from ai_runner.c_model.operators.float_math import expf, tanhf
from ai_runner.c_model.operators.operator_view import OperatorView, c_array


def relu(op: OperatorView) -> CNode:
    """RELU, RELU6 and RELU_N1_TO_1; int8 is requantised, too."""
    if _is_s8(op):
        in_scale, in_zero_point = op.quantization(op.input(0))
        out_scale, out_zero_point = op.quantization(op.output)
        multiplier, shift = multiplier_and_shift(op, float(np.float32(in_scale) / np.float32(out_scale)))
        params: dict[str, ParamValue] = {
            "size": math.prod(op.output.shape),
            "input_offset": -in_zero_point,
            "output_offset": out_zero_point,
            "output_multiplier": multiplier,
            "output_shift": shift,
            **limits_s8(*REAL_LIMITS[op.operator.name], out_scale, out_zero_point),
        }
        return _node(op, "requantize_s8_s8", "requantize_params", params, source="quantize")
    return _elementwise_f32(op, f"{op.operator.name.lower()}_f32")


def logistic(op: OperatorView) -> CNode:
    """int8 through a table; its output has scale 1/256."""
    if _is_s8(op):
        scale, _ = op.quantization(op.output)
        op.require(scale == 1 / 256, f"its output has scale {scale:g} instead of 1/256")
        return _lookup_s8(op, _sigmoid)
    return _elementwise_f32(op, "logistic_f32")


def tanh(op: OperatorView) -> CNode:
    """int8 through a table."""
    return _lookup_s8(op, lambda x: np.float32(tanhf(x))) if _is_s8(op) else _elementwise_f32(op, "tanh_f32")


def hard_swish(op: OperatorView) -> CNode:
    """int8 in 16-bit fixed point, where 3 is 2^15."""
    if not _is_s8(op):
        return _elementwise_f32(op, "hard_swish_f32")
    in_scale, in_zero_point = op.quantization(op.input(0))
    out_scale, out_zero_point = op.quantization(op.output)
    hires_scale = np.float32(in_scale) / np.float32(128)
    out_multiplier, out_shift = _multiplier_16_and_shift(op, float(hires_scale / np.float32(out_scale)))
    op.require(out_shift <= 0, f"its scales are too far apart: {in_scale:g} and {out_scale:g}")
    reluish_scale = np.float32(3) / np.float32(32768)
    reluish_multiplier, reluish_shift = _multiplier_16_and_shift(op, float(hires_scale / reluish_scale))
    params: dict[str, ParamValue] = {
        "size": math.prod(op.output.shape),
        "input_zero_point": in_zero_point,
        "output_zero_point": out_zero_point,
        "output_multiplier": out_multiplier,
        "output_shift": out_shift,
        "reluish_multiplier": reluish_multiplier,
        "reluish_shift": reluish_shift,
    }
    return _node(op, "hard_swish_s8", "hard_swish_s8_params", params)


def _is_s8(op: OperatorView) -> bool:
    """int8 or float32? Checks the shape of the output, too."""
    tensors = [op.input(0), op.output]
    op.require_output_shape(op.input(0).shape)
    if not op.types_are(tensors, "INT8") and not op.types_are(tensors, "FLOAT32"):
        raise op.unsupported_types(tensors)
    return op.types_are(tensors, "INT8")


def _node(
    op: OperatorView, function: str, params_type: str, params: dict[str, ParamValue], source: str = "activation"
) -> CNode:
    macc = math.prod(op.output.shape)
    return op.node(function, source, params_type, params, [op.input(0)], node_type=NodeType.NON_LINEAR, macc=macc)


def _elementwise_f32(op: OperatorView, function: str) -> CNode:
    return _node(op, function, "elementwise_params", {"size": math.prod(op.output.shape)})


def _sigmoid(x: float) -> np.float32:
    return np.float32(1) / (np.float32(1) + np.float32(expf(-x)))


def _lookup_s8(op: OperatorView, function: Callable[[float], np.float32]) -> CNode:
    """A table of the 256 answers, computed in float32 as LiteRT fills its own."""
    in_scale, in_zero_point = op.quantization(op.input(0))
    out_scale, out_zero_point = op.quantization(op.output)
    inverse = np.float32(1) / np.float32(out_scale)
    real = np.float32(in_scale) * (np.arange(-128, 128) - in_zero_point).astype(np.float32)
    answers = np.array([function(float(x)) for x in real], np.float32)
    scaled = (answers * inverse).astype(np.float64)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + out_zero_point
    table = c_array("int8_t", np.clip(rounded, -128, 127).astype(np.int8))
    return _node(op, "lookup_s8", "lookup_s8_params", {"size": math.prod(op.output.shape), "table": table})


def _multiplier_16_and_shift(op: OperatorView, real: float) -> tuple[int, int]:
    """As `multiplier_and_shift`, with a multiplier of 16 bits: half a unit is added and the low bits are dropped."""
    multiplier, shift = multiplier_and_shift(op, real)
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1), shift
