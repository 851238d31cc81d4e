"""CONV_2D and DEPTHWISE_CONV_2D: images [batch, height, width, channel], int8 or float32, with constant weights.

Integer sums are scaled by input scale * weight scale / output scale, a factor a channel in double precision.
"""

from __future__ import annotations

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import limits_f32, limits_s8, multiplier_and_shift, real_limits
from ai_runner.c_model.operators.operator_view import OperatorView, c_array
from ai_runner.c_model.operators.window import window_of


def conv_2d(op: OperatorView) -> CNode:
    """Weights [out_channels, height, width, in_channels / groups]; the number of groups follows from the shapes."""
    weights = op.constant(op.input(1), "weights")
    op.require(weights.ndim == 4, f"its weights have {weights.ndim} dimensions instead of 4")
    out_channels, height, width, depth = weights.shape
    window = window_of(op, height, width, out_channels)
    groups = window.in_channels // depth
    op.require(
        groups * depth == window.in_channels and out_channels % groups == 0,
        f"weights of shape {list(weights.shape)} do not fit {window.in_channels} input channels",
    )
    taps = height * width * depth
    macc = window.positions * out_channels * taps
    params: dict[str, ParamValue] = {**window.params, "groups": groups}
    if _is_s8(op):
        params |= _quantization_s8(op) | {"weights": c_array("int8_t", weights)} | _scaling_s8(op, 0, out_channels)
        scratch_bytes = 2 * taps * 2
        return _node(op, "conv_2d", "s8", params, macc, scratch_bytes)
    by_group = weights.reshape(groups, out_channels // groups, taps).transpose(0, 2, 1)
    params |= limits_f32(op) | {"weights": c_array("float", by_group), "bias": op.bias(2, "FLOAT32", out_channels)}
    return _node(op, "conv_2d", "f32", params, macc)


def depthwise_conv_2d(op: OperatorView) -> CNode:
    """Weights [1, height, width, in_channels * depth_multiplier]; the multiplier follows from the shapes."""
    weights = op.constant(op.input(1), "weights")
    op.require(
        weights.ndim == 4 and weights.shape[0] == 1,
        f"its weights have shape {list(weights.shape)} instead of [1, height, width, channels]",
    )
    _, height, width, out_channels = weights.shape
    window = window_of(op, height, width, out_channels)
    depth_multiplier = out_channels // window.in_channels
    op.require(
        depth_multiplier * window.in_channels == out_channels,
        f"weights of shape {list(weights.shape)} do not fit {window.in_channels} input channels",
    )
    macc = window.positions * weights.size
    params: dict[str, ParamValue] = {**window.params, "depth_multiplier": depth_multiplier}
    if _is_s8(op):
        params |= _quantization_s8(op) | {"weights": c_array("int8_t", weights)} | _scaling_s8(op, 3, out_channels)
        return _node(op, "depthwise_conv_2d", "s8", params, macc, scratch_bytes=4 * out_channels)
    params |= limits_f32(op) | {"weights": c_array("float", weights), "bias": op.bias(2, "FLOAT32", out_channels)}
    return _node(op, "depthwise_conv_2d", "f32", params, macc)


def _node(
    op: OperatorView, kernel: str, suffix: str, params: dict[str, ParamValue], macc: int, scratch_bytes: int = 0
) -> CNode:
    return op.node(
        f"{kernel}_{suffix}",
        kernel,
        f"{kernel}_{suffix}_params",
        params,
        [op.input(0)],
        node_type=NodeType.CONV_2D,
        macc=macc,
        scratch_bytes=scratch_bytes,
    )


def _is_s8(op: OperatorView) -> bool:
    """int8 or float32?"""
    tensors = [op.input(0), op.input(1), op.output]
    if not op.types_are(tensors, "INT8") and not op.types_are(tensors, "FLOAT32"):
        raise op.unsupported_types(tensors)
    return op.types_are(tensors, "INT8")


def _quantization_s8(op: OperatorView) -> dict[str, ParamValue]:
    """The fields from `input_offset` to `output_max`."""
    _, in_zero_point = op.quantization(op.input(0))
    out_scale, out_zero_point = op.quantization(op.output)
    return {
        "input_offset": -in_zero_point,
        "output_offset": out_zero_point,
        **limits_s8(*real_limits(op), out_scale, out_zero_point),
    }


def _scaling_s8(op: OperatorView, axis: int, n: int) -> dict[str, ParamValue]:
    """The fields `bias`, `multiplier` and `shift` of `n` channels, which the weights hold along dimension `axis`."""
    in_scale, _ = op.quantization(op.input(0))
    out_scale, _ = op.quantization(op.output)
    factors = [multiplier_and_shift(op, in_scale * w / out_scale) for w in op.scales(op.input(1), axis, n).tolist()]
    return {
        "bias": op.bias(2, "INT32", n),
        "multiplier": c_array("int32_t", [multiplier for multiplier, _ in factors]),
        "shift": c_array("int8_t", [shift for _, shift in factors]),
    }
