"""ADD, SUB and MUL of two int8 or float32 operands that are broadcast as numpy does; either may be constant."""

from __future__ import annotations

import math

import numpy as np

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import limits_f32, limits_s8, multiplier_and_shift, real_limits
from ai_runner.c_model.operators.operator_view import OperatorView
from ai_runner.c_model.operators.strided import Dimension, loop_params, merged, row_major

_ADD_LEFT_SHIFT = 20


def add(op: OperatorView) -> CNode:
    """int8 operands are brought to twice the larger of their scales first."""
    return _arithmetic(op, "add")


def sub(op: OperatorView) -> CNode:
    """As `add`; the second int8 operand has a negative multiplier."""
    return _arithmetic(op, "sub")


def mul(op: OperatorView) -> CNode:
    """int8 products are scaled by a factor that is computed in float32."""
    return _arithmetic(op, "mul")


def _arithmetic(op: OperatorView, name: str) -> CNode:
    op.require(len(op.inputs) == 2, f"{len(op.inputs)} inputs instead of 2")
    tensors = [*op.inputs, op.output]
    params = _broadcast(op)
    if op.types_are(tensors, "INT8"):
        params |= _mul_s8(op) if name == "mul" else _add_s8(op, sign=1 if name == "add" else -1)
        kernel = "mul_s8" if name == "mul" else "add_s8"
        params_type, node_type = f"{kernel}_params", NodeType.ELTWISE_INTEGER
    elif op.types_are(tensors, "FLOAT32"):
        params |= limits_f32(op)
        kernel, params_type, node_type = f"{name}_f32", "arithmetic_f32_params", NodeType.ELTWISE
    else:
        raise op.unsupported_types(tensors)
    macc = math.prod(op.output.shape)
    return op.node(kernel, "arithmetic", params_type, params, op.inputs, node_type=node_type, macc=macc)


def _broadcast(op: OperatorView) -> dict[str, ParamValue]:
    """The fields of `operands`: the innermost loop becomes the run."""
    shapes = [op.input(0).shape, op.input(1).shape]
    try:
        out_shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise op.unsupported(f"shapes {list(shapes[0])} and {list(shapes[1])} cannot be broadcast") from None
    op.require_output_shape(out_shape)
    strides = []
    for shape in shapes:
        full = (1,) * (len(out_shape) - len(shape)) + shape
        strides.append([0 if size == 1 else stride for size, stride in zip(full, row_major(full), strict=True)])
    dimensions = merged(Dimension(*d) for d in zip(out_shape, *strides, strict=True)) or [Dimension(1, 1, 1)]
    *outer, (run, step_a, step_b) = dimensions
    runs = loop_params(op, "operands.runs", outer)
    return runs | {"operands.run": run, "operands.step_a": step_a, "operands.step_b": step_b}


def _add_s8(op: OperatorView, sign: int) -> dict[str, ParamValue]:
    (scale_a, zero_a), (scale_b, zero_b) = op.quantization(op.input(0)), op.quantization(op.input(1))
    out_scale, out_zero_point = op.quantization(op.output)
    twice_max = 2 * max(scale_a, scale_b)
    out_factor = twice_max / (2**_ADD_LEFT_SHIFT * out_scale)
    op.require(out_factor < 1, f"its scales are too far apart: {scale_a:g}, {scale_b:g} and {out_scale:g}")
    multiplier_a, shift_a = multiplier_and_shift(op, scale_a / twice_max)
    multiplier_b, shift_b = multiplier_and_shift(op, scale_b / twice_max)
    out_multiplier, out_shift = multiplier_and_shift(op, out_factor)
    return {
        "offset_a": -zero_a,
        "multiplier_a": multiplier_a,
        "shift_a": shift_a,
        "offset_b": -zero_b,
        "multiplier_b": sign * multiplier_b,
        "shift_b": shift_b,
        "output_offset": out_zero_point,
        "output_multiplier": out_multiplier,
        "output_shift": out_shift,
        **limits_s8(*real_limits(op), out_scale, out_zero_point),
    }


def _mul_s8(op: OperatorView) -> dict[str, ParamValue]:
    (scale_a, zero_a), (scale_b, zero_b) = op.quantization(op.input(0)), op.quantization(op.input(1))
    out_scale, out_zero_point = op.quantization(op.output)
    factor = np.float32(scale_a) * np.float32(scale_b) / np.float32(out_scale)  # float32, unlike the convolutions
    multiplier, shift = multiplier_and_shift(op, float(factor))
    return {
        "offset_a": -zero_a,
        "offset_b": -zero_b,
        "output_offset": out_zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        **limits_s8(*real_limits(op), out_scale, out_zero_point),
    }
