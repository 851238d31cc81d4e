"""AVERAGE_POOL_2D and MAX_POOL_2D: images [batch, height, width, channel], int8 or float32."""

from __future__ import annotations

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.fixed_point import limits_f32, limits_s8, real_limits
from ai_runner.c_model.operators.operator_view import OperatorView
from ai_runner.c_model.operators.window import window_of


def average_pool_2d(op: OperatorView) -> CNode:
    """The mean of the pixels under the window that lie on the image."""
    return _pool_2d(op, "average_pool_2d")


def max_pool_2d(op: OperatorView) -> CNode:
    """The largest of the pixels under the window."""
    return _pool_2d(op, "max_pool_2d")


def _pool_2d(op: OperatorView, kernel: str) -> CNode:
    x, y = op.input(0), op.output
    op.require(len(x.shape) == 4, f"its input has {len(x.shape)} dimensions instead of 4")
    window = window_of(op, op.option("filter_height"), op.option("filter_width"), x.shape[3])
    params: dict[str, ParamValue] = dict(window.params)
    if op.types_are([x, y], "INT8"):
        op.require(op.quantization(x) == op.quantization(y), "input and output are quantised differently")
        params |= limits_s8(*real_limits(op), *op.quantization(y))
        suffix = "s8"
    elif op.types_are([x, y], "FLOAT32"):
        params |= limits_f32(op)
        suffix = "f32"
    else:
        raise op.unsupported_types([x, y])
    return op.node(
        f"{kernel}_{suffix}",
        "pool_2d",
        f"pool_2d_{suffix}_params",
        params,
        [x],
        node_type=NodeType.POOL,
        macc=window.positions * window.out_channels * window.height * window.width,
    )
