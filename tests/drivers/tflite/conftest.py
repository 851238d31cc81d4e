"""Small .tflite models written for one test each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.drivers.tflite.driver import TfliteDriver


@dataclass(frozen=True)
class T:
    """A tensor: a constant when it has data."""

    shape: Sequence[int]
    kind: str = "FLOAT32"
    data: Any = None
    name: str | None = None
    scale: Sequence[float] = ()
    zero_point: Sequence[int] = ()
    variable: bool = False
    signature: Sequence[int] | None = None


@dataclass(frozen=True)
class Op:
    """An operator; `options` are fields of its options table as LiteRT's object API spells them."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options_table: str = ""
    options: Any = None
    custom: str = ""


Graph = tuple[Sequence[T], Sequence[Op], Sequence[int], Sequence[int]]
"""Tensors, operators, numbers of the inputs, numbers of the outputs."""


def pack(*graphs: Graph) -> bytes:
    """A .tflite file."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [], [schema.BufferT()], []
    for graph in graphs:
        add_graph(schema, model, *graph)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def add_graph(
    schema: Any,
    model: Any,
    tensors: Sequence[T],
    operators: Sequence[Op],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> None:
    graph = schema.SubGraphT()
    model.subgraphs.append(graph)
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], list(inputs), list(outputs)
    for number, tensor in enumerate(tensors):
        t = schema.TensorT()
        t.name = f"t{number}" if tensor.name is None else tensor.name
        t.shape, t.type, t.isVariable = list(tensor.shape), getattr(schema.TensorType, tensor.kind), tensor.variable
        t.shapeSignature = None if tensor.signature is None else list(tensor.signature)
        if tensor.scale:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale, t.quantization.zeroPoint = list(tensor.scale), list(tensor.zero_point)
        if tensor.data is not None:
            constant = schema.BufferT()
            constant.data = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8)
            model.buffers.append(constant)
            t.buffer = len(model.buffers) - 1
        graph.tensors.append(t)
    for operator in operators:
        code, o = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, operator.name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        code.customCode = operator.custom or None
        model.operatorCodes.append(code)
        o.opcodeIndex, o.inputs, o.outputs = len(model.operatorCodes) - 1, list(operator.inputs), list(operator.outputs)
        if operator.options_table:
            o.builtinOptionsType = getattr(schema.BuiltinOptions, operator.options_table)
            o.builtinOptions = getattr(schema, f"{operator.options_table}T")()
            for key, value in (operator.options or {}).items():
                setattr(o.builtinOptions, key, value)
        graph.operators.append(o)


@dataclass(frozen=True)
class Writer:
    """Writes models into a folder of the test."""

    folder: Path
    tensor: type[T] = T
    operator: type[Op] = Op

    def write(
        self,
        tensors: Sequence[T],
        operators: Sequence[Op],
        inputs: Sequence[int],
        outputs: Sequence[int],
        *more: Graph,
        name: str = "small.tflite",
    ) -> Path:
        path = self.folder / name
        path.write_bytes(pack((tensors, operators, inputs, outputs), *more))
        return path

    def counter(self) -> Path:
        """SVDF with a memory of three: with ones as input it answers 1, 2, 3, 3, ..."""
        tensors = [
            T((1, 2)),
            T((2, 2), data=np.eye(2, dtype=np.float32)),
            T((2, 3), data=np.ones((2, 3), np.float32)),
            T((1, 6), variable=True),
            T((1, 2)),
        ]
        operator = Op("SVDF", [0, 1, 2, -1, 3], [4], "SVDFOptions", {"rank": 1})
        return self.write(tensors, [operator], [0], [4], name="counter.tflite")

    def accumulator(self) -> Path:
        """The sum of all inputs so far, in a resource variable that a second graph sets to zero."""
        variable = {"sharedName": "sum"}
        tensors = [T((1, 2)), T((1,), "RESOURCE"), T((1, 2)), T((1, 2))]
        operators = [
            Op("CALL_ONCE", [], [], "CallOnceOptions", {"initSubgraphIndex": 1}),
            Op("VAR_HANDLE", [], [1], "VarHandleOptions", variable),
            Op("READ_VARIABLE", [1], [2], "ReadVariableOptions"),
            Op("ADD", [0, 2], [3], "AddOptions"),
            Op("ASSIGN_VARIABLE", [1, 3], [], "AssignVariableOptions"),
        ]
        start = (
            [T((1,), "RESOURCE"), T((1, 2), data=np.zeros((1, 2), np.float32))],
            [
                Op("VAR_HANDLE", [], [0], "VarHandleOptions", variable),
                Op("ASSIGN_VARIABLE", [0, 1], [], "AssignVariableOptions"),
            ],
            [],
            [],
        )
        return self.write(tensors, operators, [0], [3], start, name="accumulator.tflite")


@pytest.fixture
def models(tmp_path: Path) -> Writer:
    pytest.importorskip("ai_edge_litert.schema_py_generated", reason="LiteRT writes the models of these tests")
    return Writer(tmp_path)


@pytest.fixture
def connect(connect_to: Callable[..., Any]) -> Callable[..., TfliteDriver]:
    """Opens a model, ``connect(path, kernels="reference")``."""
    return partial(connect_to, TfliteDriver, "tflite")
