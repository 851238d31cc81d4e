"""From an operator of a .tflite to the kernel call that computes it: one file a family of operators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ai_runner.c_model.node import CNode
from ai_runner.c_model.operators import (
    activation,
    arithmetic,
    conv_2d,
    fully_connected,
    mean,
    movement,
    pool_2d,
    quantize,
    softmax,
)
from ai_runner.c_model.operators.operator_view import OperatorView
from ai_runner.tflite_model import TfliteModel, TfliteOperator

__all__ = ["KERNELS", "LOWERINGS", "lower"]

KERNELS = Path(__file__).parents[1] / "kernels"
"""The folder of the kernels' C files and headers."""

LOWERINGS: dict[str, Callable[[OperatorView], CNode]] = {
    "ADD": arithmetic.add,
    "AVERAGE_POOL_2D": pool_2d.average_pool_2d,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": conv_2d.conv_2d,
    "DEPTHWISE_CONV_2D": conv_2d.depthwise_conv_2d,
    "DEQUANTIZE": quantize.dequantize,
    "FULLY_CONNECTED": fully_connected.fully_connected,
    "HARD_SWISH": activation.hard_swish,
    "LOGISTIC": activation.logistic,
    "MAX_POOL_2D": pool_2d.max_pool_2d,
    "MEAN": mean.mean,
    "MUL": arithmetic.mul,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "QUANTIZE": quantize.quantize,
    "RELU": activation.relu,
    "RELU6": activation.relu,
    "RELU_N1_TO_1": activation.relu,
    "RESHAPE": movement.reshape,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest_neighbor,
    "SOFTMAX": softmax.softmax,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": arithmetic.sub,
    "TANH": activation.tanh,
    "TRANSPOSE": movement.transpose,
}
"""Supported operators."""


def lower(model: TfliteModel, operator: TfliteOperator) -> CNode:
    """The kernel call that computes `operator` as LiteRT's reference kernels do.

    Raises:
        InvalidModelError: no kernel computes this operator, its types or its options; the message names the file, the
            operator and its index.
    """
    view = OperatorView(model, operator)
    if operator.name not in LOWERINGS:
        raise view.unsupported("the operator is not supported")
    with np.errstate(all="ignore"):  # scales may overflow; the factors that come out of it are refused
        return LOWERINGS[operator.name](view)
