"""SOFTMAX over the last dimension."""

from __future__ import annotations

import math

import numpy as np

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import normalized
from ai_runner.c_model.operators.operator_view import OperatorView

_INPUT_INTEGER_BITS = 5


def softmax(op: OperatorView) -> CNode:
    """int8 with output scale 1/256 and zero point -128, or float32; any leading dimensions."""
    x, y = op.input(0), op.output
    op.require_output_shape(x.shape)
    op.require(len(x.shape) > 0, "its input is a scalar")
    depth = x.shape[-1]
    params: dict[str, ParamValue] = {"rows": math.prod(x.shape[:-1]), "depth": depth}
    beta = float(np.float32(op.option("beta")))
    op.require(math.isfinite(beta), f"beta {beta}")
    if op.types_are([x, y], "INT8"):
        params |= _params_s8(op, beta)
        suffix = "s8"
    elif op.types_are([x, y], "FLOAT32"):
        params["beta"] = beta
        suffix = "f32"
    else:
        raise op.unsupported_types([x, y])
    return op.node(
        f"softmax_{suffix}",
        "softmax",
        f"softmax_{suffix}_params",
        params,
        [x],
        node_type=NodeType.SOFTMAX,
        macc=math.prod(x.shape),
    )


def _params_s8(op: OperatorView, beta: float) -> dict[str, ParamValue]:
    scale, _ = op.quantization(op.input(0))
    out_scale, out_zero_point = op.quantization(op.output)
    op.require(out_zero_point == -128, f"its output has zero point {out_zero_point} instead of -128")
    op.require(abs(out_scale - 1 / 256) <= 0.001 / 256, f"its output has scale {out_scale:g} instead of 1/256")
    factor = min(beta * scale * 2 ** (31 - _INPUT_INTEGER_BITS), 2.0**31 - 1)
    op.require(factor > 1, f"beta {beta:g} and input scale {scale:g} are too small")
    multiplier, shift = normalized(factor)
    # beyond this difference the scaled input leaves its integer bits
    radius = math.floor((2**_INPUT_INTEGER_BITS - 1) * 2 ** (31 - _INPUT_INTEGER_BITS) / 2**shift)
    return {"input_multiplier": multiplier, "input_shift": shift, "diff_min": -radius}
