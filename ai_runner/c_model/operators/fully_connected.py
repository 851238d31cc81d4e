"""FULLY_CONNECTED: int8 or float32, constant weights [out_features, in_features]."""

from __future__ import annotations

import math

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import limits_f32, limits_s8, real_limits
from ai_runner.c_model.operators.operator_view import OperatorView, c_array


def fully_connected(op: OperatorView) -> CNode:
    """The input is taken as rows of `in_features`; with keep_num_dims the output keeps its leading dimensions."""
    x, filters, y = op.input(0), op.input(1), op.output
    weights = op.constant(filters, "weights")
    op.require(weights.ndim == 2, f"its weights have {weights.ndim} dimensions instead of 2")
    op.require(op.option("weights_format") == 0, "shuffled weights are not supported")
    out_features, in_features = weights.shape
    batches = math.prod(x.shape) // in_features
    op.require(
        batches * in_features == math.prod(x.shape),
        f"weights of shape {list(weights.shape)} do not fit an input of shape {list(x.shape)}",
    )
    op.require_output_shape([*x.shape[:-1], out_features] if op.option("keep_num_dims") else [batches, out_features])
    params: dict[str, ParamValue] = {"batches": batches, "in_features": in_features, "out_features": out_features}
    tensors = [x, filters, y]
    if op.types_are(tensors, "INT8"):
        params |= _params_s8(op, out_features) | {"weights": c_array("int8_t", weights)}
        suffix, scratch_bytes = "s8", 2 * in_features
    elif op.types_are(tensors, "FLOAT32"):
        params |= limits_f32(op) | {"weights": c_array("float", weights.T), "bias": op.bias(2, "FLOAT32", out_features)}
        suffix, scratch_bytes = "f32", 0
    else:
        raise op.unsupported_types(tensors)
    return op.node(
        f"fully_connected_{suffix}",
        "fully_connected",
        f"fully_connected_{suffix}_params",
        params,
        [x],
        node_type=NodeType.DENSE,
        macc=batches * weights.size,
        scratch_bytes=scratch_bytes,
    )


def _params_s8(op: OperatorView, out_features: int) -> dict[str, ParamValue]:
    in_scale, in_zero_point = op.quantization(op.input(0))
    out_scale, out_zero_point = op.quantization(op.output)
    scales = op.scales(op.input(1), 0, out_features) * in_scale / out_scale
    filters = op.input(1).quantization
    assert filters is not None  # noqa: S101 - scales() saw to it
    weights_zero_point = 0 if filters.per_channel else filters.zero_point[0]
    op.require(-128 <= weights_zero_point <= 127, f"its weights have zero point {weights_zero_point}")
    return {
        "input_offset": -in_zero_point,
        "weights_offset": -weights_zero_point,
        "output_offset": out_zero_point,
        **limits_s8(*real_limits(op), out_scale, out_zero_point),
        "bias": op.bias(2, "INT32", out_features),
        "scale": c_array("double", scales if filters.per_channel else scales[:1]),
        "scale_step": int(filters.per_channel),
    }
