"""Which tensors of an ONNX graph are integers that stand for real numbers, and how.

ONNX says it at operators, not at tensors: QuantizeLinear and the QLinear operators take scale and zero point of what
they write as inputs, DequantizeLinear those of what it reads.
"""

from __future__ import annotations

import numpy as np

from ai_runner.drivers.onnx.model import Array, Node, OnnxModel
from ai_runner.quantization import Quantization

# Operator -> position of the scale of its output; the zero point follows. ONNX and ONNX Runtime's com.microsoft.
_OUTPUT_SCALE = {
    "QuantizeLinear": 1,
    "QLinearConv": 6,
    "QLinearMatMul": 6,
    "QLinearAdd": 6,
    "QLinearMul": 6,
    "QLinearAveragePool": 3,
    "QLinearGlobalAveragePool": 3,
    "QLinearLeakyRelu": 3,
    "QLinearReduceMean": 3,
    "QLinearSigmoid": 3,
    "QLinearSoftmax": 3,
    "QLinearConcat": 0,
    "QLinearWhere": 7,
    "QGemm": 7,
}
_INPUT_SCALE = {"DequantizeLinear": 1}
_BY_AXIS = {"QuantizeLinear", "DequantizeLinear"}
_DEFAULT_AXIS = 1

# They move integers, or choose among them, and compute none.
_MOVING = {
    *("DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "NhwcMaxPool", "Reshape", "Slice"),
    *("SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
}


def quantizations(model: OnnxModel) -> dict[str, Quantization]:
    """Quantization of every tensor that has a known one, by its name; `axis` may be negative."""
    found: dict[str, Quantization] = {}
    for node in model.nodes:
        for tensors, positions in ((node.outputs, _OUTPUT_SCALE), (node.inputs, _INPUT_SCALE)):
            position = positions.get(node.op_type)
            quantization = None if position is None else _quantization(model, node, position)
            if quantization is not None and tensors:
                found.setdefault(tensors[0], quantization)
    for nodes in (model.nodes, model.nodes[::-1], model.nodes):
        for node in nodes:
            _carry(node, found)
    return found


def _carry(node: Node, found: dict[str, Quantization]) -> None:
    """Gives both ends of an operator that moves integers the meaning that one end has."""
    if node.op_type not in _MOVING or not node.inputs:
        return
    ends = (node.inputs[0], *(name for name in node.outputs if name))
    known = next((found[name] for name in ends if name in found), None)
    if known is not None and not known.per_channel:
        for name in ends:
            found.setdefault(name, known)


def _quantization(model: OnnxModel, node: Node, position: int) -> Quantization | None:
    scale = _input(model, node, position)
    if scale is None or scale.dtype.kind != "f" or scale.ndim > 1 or not scale.size:
        return None
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return None
    if scale.size > 1 and node.op_type not in _BY_AXIS:
        return None
    given = len(node.inputs) > position + 1 and bool(node.inputs[position + 1])
    zero_point = _input(model, node, position + 1) if given else np.zeros(scale.shape, np.int64)
    if zero_point is None or zero_point.dtype.kind not in "iu" or zero_point.size != scale.size:
        return None
    return Quantization(
        scale=tuple(float(s) for s in scale.reshape(-1)),
        zero_point=tuple(int(z) for z in zero_point.reshape(-1)),
        axis=(_DEFAULT_AXIS if node.axis is None else node.axis) if scale.size > 1 else 0,
    )


def _input(model: OnnxModel, node: Node, position: int) -> Array | None:
    return model.constant(node.inputs[position]) if len(node.inputs) > position else None
