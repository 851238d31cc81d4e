"""QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

import math

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import multiplier_and_shift
from ai_runner.c_model.operators.operator_view import OperatorView

_SUFFIX = {"INT8": "s8", "UINT8": "u8", "FLOAT32": "f32"}
_LIMITS = {"INT8": (-128, 127), "UINT8": (0, 255)}


def quantize(op: OperatorView) -> CNode:
    """float32, int8 or uint8 to int8 or uint8, with one scale for the tensor."""
    x, y = op.input(0), op.output
    if x.type_name not in _SUFFIX or y.type_name not in _LIMITS:
        raise op.unsupported_types([x, y])
    scale, zero_point = op.quantization(y)
    suffix = f"{_SUFFIX[x.type_name]}_{_SUFFIX[y.type_name]}"
    if x.type_name == "FLOAT32":
        return _node(op, f"quantize_{suffix}", "quantize_params", {"scale": scale, "zero_point": zero_point})
    in_scale, in_zero_point = op.quantization(x)
    multiplier, shift = multiplier_and_shift(op, in_scale / scale)
    low, high = _LIMITS[y.type_name]
    params: dict[str, ParamValue] = {
        "input_offset": -in_zero_point,
        "output_offset": zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        "output_min": low,
        "output_max": high,
    }
    return _node(op, f"requantize_{suffix}", "requantize_params", params)


def dequantize(op: OperatorView) -> CNode:
    """int8 or uint8 to float32, with one scale for the tensor."""
    x, y = op.input(0), op.output
    if x.type_name not in _LIMITS or y.type_name != "FLOAT32":
        raise op.unsupported_types([x, y])
    scale, zero_point = op.quantization(x)
    params: dict[str, ParamValue] = {"scale": scale, "zero_point": zero_point}
    return _node(op, f"dequantize_{_SUFFIX[x.type_name]}_f32", "quantize_params", params)


def _node(op: OperatorView, function: str, params_type: str, params: dict[str, ParamValue]) -> CNode:
    op.require_output_shape(op.input(0).shape)
    size = math.prod(op.output.shape)
    return op.node(
        function,
        "quantize",
        params_type,
        {"size": size, **params},
        [op.input(0)],
        node_type=NodeType.NON_LINEAR,
        macc=size,
    )
