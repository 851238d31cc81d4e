"""MEAN over any dimensions."""

from __future__ import annotations

import math

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import multiplier_and_shift
from ai_runner.c_model.operators.operator_view import OperatorView
from ai_runner.c_model.operators.strided import Dimension, loop_params, merged, row_major


def mean(op: OperatorView) -> CNode:
    """int8 or float32; the axes are constant and may be negative or repeated."""
    x, y = op.input(0), op.output
    rank = len(x.shape)
    axes = {axis + rank if axis < 0 else axis for axis in op.constant_integers(1, "axes")}
    op.require(axes <= set(range(rank)), f"axes {sorted(axes)} of an input with {rank} dimensions")
    if op.option("keep_dims"):
        op.require_output_shape([1 if d in axes else size for d, size in enumerate(x.shape)])
    else:
        op.require_output_shape([size for d, size in enumerate(x.shape) if d not in axes])
    dimensions = [Dimension(*d) for d in zip(x.shape, row_major(x.shape), strict=True)]
    kept = merged(d for i, d in enumerate(dimensions) if i not in axes)
    reduced = merged(d for i, d in enumerate(dimensions) if i in axes)
    params: dict[str, ParamValue] = loop_params(op, "kept", kept) | loop_params(op, "reduced", reduced)
    if op.types_are([x, y], "INT8"):
        params |= _params_s8(op, math.prod(d.size for d in reduced))
        suffix = "s8"
    elif op.types_are([x, y], "FLOAT32"):
        suffix = "f32"
    else:
        raise op.unsupported_types([x, y])
    return op.node(
        f"mean_{suffix}",
        "mean",
        f"mean_{suffix}_params",
        params,
        [x],
        node_type=NodeType.REDUCE,
        macc=math.prod(x.shape),
    )


def _params_s8(op: OperatorView, count: int) -> dict[str, ParamValue]:
    """The division by `count` goes into the multiplier, which keeps as many bits as its shift allows."""
    in_scale, in_zero_point = op.quantization(op.input(0))
    out_scale, out_zero_point = op.quantization(op.output)
    multiplier, shift = multiplier_and_shift(op, in_scale / out_scale)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    op.require(count < 2**23, f"it sums {count} elements")
    return {
        "sum_offset": -in_zero_point * count,
        "output_offset": out_zero_point,
        "output_multiplier": (multiplier << bits) // count,
        "output_shift": shift - bits,
    }
