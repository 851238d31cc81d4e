"""Models that hardly compute, for measuring what moves their tensors. Written with the schema of ai-edge-litert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Tensor:
    """A tensor of TensorType `dtype`; `value` of a constant."""

    dtype: str
    shape: tuple[int, ...]
    value: tuple[int, ...] = ()


def write_models(folder: Path, sizes: Mapping[str, int]) -> dict[str, Path]:
    """Writes three models of one operator each, `sizes` bytes the larger of their tensors.

    Returns:
        tiny: RELU of float32[1, 4].
        takes: int8[1, sizes["takes"]] to its first four.
        gives: int8[1, 4] padded to int8[1, sizes["gives"]].
    """
    from ai_edge_litert import schema_py_generated as schema

    few = Tensor("INT8", (1, 4))
    taken, given = (Tensor("INT8", (1, sizes[name])) for name in ("takes", "gives"))
    ends = [Tensor("INT32", (2,), value) for value in ((0, 0), (1, 4), (1, 1))]
    operators: dict[str, tuple[str, Any, list[Tensor], Tensor]] = {
        "tiny": ("RELU", None, [Tensor("FLOAT32", (1, 4))], Tensor("FLOAT32", (1, 4))),
        "takes": ("STRIDED_SLICE", schema.StridedSliceOptionsT(), [taken, *ends], few),
        "gives": ("PAD", schema.PadOptionsT(), [few, Tensor("INT32", (2, 2), (0, 0, 0, sizes["gives"] - 4))], given),
    }
    models = {name: folder / f"{name}.tflite" for name in operators}
    for name, (operator, options, inputs, output) in operators.items():
        models[name].write_bytes(_model(operator, options, inputs, output))
    return models


def _model(operator: str, options: Any, inputs: Sequence[Tensor], output: Tensor) -> bytes:
    """A .tflite of one operator, the first of its inputs that of the model."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.inputs, graph.outputs = [], [0], [len(inputs)]
    for index, tensor in enumerate([*inputs, output]):
        made = schema.TensorT()
        made.name, made.shape, made.type = f"t{index}", list(tensor.shape), getattr(schema.TensorType, tensor.dtype)
        if tensor.value:
            buffer = schema.BufferT()
            buffer.data = np.array(tensor.value, np.int32).tobytes()
            made.buffer = len(model.buffers)
            model.buffers.append(buffer)
        if tensor.dtype == "INT8":
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [0.5], [0]
        graph.tensors.append(made)
    code, only = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator)
    code.version = 1
    only.opcodeIndex, only.inputs, only.outputs = 0, list(range(len(inputs))), [len(inputs)]
    if options is not None:
        only.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        only.builtinOptions = options
    model.operatorCodes.append(code)
    graph.operators = [only]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
