"""Single-operator models, LiteRT's reference answer to them, and the C kernels behind ctypes."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from ai_runner.c_model.node import CArray, CNode
from ai_runner.c_model.operators import KERNELS, lower
from ai_runner.c_model.operators.strided import LOOP_RANK
from ai_runner.tflite_model import TfliteModel

schema: Any = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="LiteRT writes the models of these tests and answers to them"
)

OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "SOFTMAX": "SoftmaxOptions",
    "RESHAPE": "ReshapeOptions",
    "SQUEEZE": "SqueezeOptions",
    "MEAN": "ReducerOptions",
    "CONCATENATION": "ConcatenationOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}
ENUMS = {"padding": "Padding", "fused_activation_function": "ActivationFunctionType"}
settings.register_profile("sanitized", max_examples=20, deadline=None)
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]


@dataclass
class Tensor:
    """A tensor of a model to be: run-time when `data` is None."""

    shape: Sequence[int]
    dtype: str = "int8"
    scale: Any = None
    zero_point: Any = 0
    axis: int = 0
    data: Any = None


def _pack_tensor(model: Any, spec: Tensor, name: str) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, list(spec.shape)
    tensor.type = getattr(schema.TensorType, spec.dtype.upper())
    if spec.scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.atleast_1d(np.asarray(spec.scale, np.float32)).tolist()
        zero_points = np.broadcast_to(np.asarray(spec.zero_point), (len(tensor.quantization.scale),))
        tensor.quantization.zeroPoint = [int(z) for z in zero_points]
        tensor.quantization.quantizedDimension = spec.axis
    if spec.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(spec.data, spec.dtype).tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    return tensor


@dataclass
class Operator:
    """An operator of a model to be: tensor numbers, -1 for an absent one; options by their names in the schema."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: dict[str, Any] | None = None


def build_graph(
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Sequence[int],
    outputs: Sequence[int],
    names: Sequence[str] | None = None,
) -> bytes:
    """A .tflite; tensors are called t0, t1, ... unless there are `names`."""
    import flatbuffers

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers = 3, [schema.BufferT()]
    names = names or [f"t{i}" for i in range(len(tensors))]
    graph.tensors = [_pack_tensor(model, spec, name) for spec, name in zip(tensors, names, strict=True)]
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    kinds = sorted({operator.name for operator in operators})
    model.operatorCodes = [_pack_code(kind) for kind in kinds]
    graph.operators = [_pack_operator(operator, kinds.index(operator.name)) for operator in operators]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _pack_code(name: str) -> Any:
    code, number = schema.OperatorCodeT(), getattr(schema.BuiltinOperator, name)
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    return code


def _pack_operator(operator: Operator, code: int) -> Any:
    packed = schema.OperatorT()
    packed.opcodeIndex, packed.inputs, packed.outputs = code, list(operator.inputs), list(operator.outputs)
    if operator.name in OPTIONS:
        table = packed.builtinOptions = getattr(schema, OPTIONS[operator.name] + "T")()
        packed.builtinOptionsType = getattr(schema.BuiltinOptions, OPTIONS[operator.name])
        for key, value in (operator.options or {}).items():
            first, *rest = key.split("_")
            number = getattr(getattr(schema, ENUMS[key]), value) if key in ENUMS else value
            setattr(table, first + "".join(word.title() for word in rest), number)
    return packed


def build(operator: str, inputs: Sequence[Tensor | None], output: Tensor, **options: Any) -> bytes:
    """A .tflite with one operator; None is an absent optional input; options by their names in the schema."""
    present = [spec for spec in inputs if spec is not None]
    position = iter(range(len(present)))
    node = Operator(operator, [-1 if spec is None else next(position) for spec in inputs], [len(present)], options)
    return build_graph(
        [*present, output],
        [node],
        [i for i, spec in enumerate(present) if spec.data is None],
        node.outputs,
        [*(f"in{i}" for i in range(len(present))), "out"],
    )


def reference(raw: bytes, values: Sequence[np.ndarray]) -> np.ndarray:
    """What LiteRT's reference kernels answer."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=raw, num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


# ---- the kernels as a shared library ----

SCALARS = {
    "int8_t": ctypes.c_int8,
    "uint8_t": ctypes.c_uint8,
    "int32_t": ctypes.c_int32,
    "float": ctypes.c_float,
}
GUARD = 64  # bytes around every buffer that a kernel must leave alone


def parse_structs(header: str) -> dict[str, type[ctypes.Structure]]:
    """The parameter structs of kernels.h as ctypes structures."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL).replace("LOOP_RANK]", f"{LOOP_RANK}]")
    structs: dict[str, Any] = {}
    for body, name in re.findall(r"typedef struct {(.*?)}\s*(\w+);", header, flags=re.DOTALL):
        fields: list[tuple[str, Any]] = []
        for declaration in filter(None, map(str.strip, body.split(";"))):
            pointer = re.fullmatch(r"const (\w+) \*(\w+)", declaration)
            if pointer:
                fields.append((pointer[2], ctypes.c_void_p))
                continue
            ctype, names = declaration.split(None, 1)
            for field in map(str.strip, names.split(",")):
                array = re.fullmatch(r"(\w+)\[(\d+)\]", field)
                scalar = structs.get(ctype) or SCALARS[ctype]
                fields.append((array[1], scalar * int(array[2])) if array else (field, scalar))
        structs[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return structs


class Kernels:
    """The compiled kernels; calls the one that a node names."""

    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        self.structs = parse_structs((KERNELS / "kernels.h").read_text())

    def _params(self, node: CNode) -> tuple[Any, list[Any]]:
        params, alive = self.structs[node.params_type](), []
        assigned = set()
        for name, value in node.params.items():
            *parents, field = name.split(".")
            target = params
            for parent in parents:
                target = getattr(target, parent)
            if isinstance(value, CArray):
                array = np.ascontiguousarray(value.values)
                alive.append(array)
                setattr(target, field, array.ctypes.data)
            elif isinstance(value, list):
                getattr(target, field)[:] = value
            else:
                setattr(target, field, value)
            assigned.add(name)
        assert assigned == set(self._fields(type(params))), "the node leaves fields of the struct uninitialised"
        return params, alive

    def _fields(self, struct: Any, prefix: str = "") -> list[str]:
        names = []
        for name, kind in struct._fields_:
            nested = isinstance(kind, type) and issubclass(kind, ctypes.Structure)
            names += self._fields(kind, f"{prefix}{name}.") if nested else [prefix + name]
        return names

    def run(self, model: TfliteModel, node: CNode, values: Sequence[np.ndarray]) -> np.ndarray:
        """The output for run-time inputs in the order of the graph; checks that nothing around it was touched."""
        given = dict(zip(model.inputs, values, strict=True))
        inputs = [np.ascontiguousarray(given.get(i, model.tensors[i].data)) for i in node.inputs]
        copies = [array.copy() for array in inputs]
        output = model.tensors[node.outputs[0]]
        n_bytes = int(np.prod(output.shape)) * output.dtype.itemsize
        buffers = [np.full(size + 2 * GUARD, 0xA5, np.uint8) for size in (n_bytes, node.scratch_bytes)]
        params, alive = self._params(node)
        pointers = [array.ctypes.data for array in inputs]
        arguments: list[Any] = [ctypes.byref(params)]
        if node.inputs_as_array:
            arguments.append((ctypes.c_void_p * len(pointers))(*pointers))
        else:
            arguments += [ctypes.c_void_p(pointer) for pointer in pointers]
        arguments.append(ctypes.c_void_p(buffers[0].ctypes.data + GUARD))
        if node.scratch_bytes:
            arguments.append(ctypes.c_void_p(buffers[1].ctypes.data + GUARD))
        getattr(self.library, node.function)(*arguments)
        del alive
        for buffer in buffers:
            assert np.all(buffer[:GUARD] == 0xA5), "the kernel wrote in front of a buffer"
            assert np.all(buffer[-GUARD:] == 0xA5), "the kernel wrote behind a buffer"
        for array, copy in zip(inputs, copies, strict=True):
            assert array.tobytes() == copy.tobytes(), "the kernel wrote to its input"
        return np.frombuffer(buffers[0][GUARD:-GUARD].tobytes(), output.dtype).reshape(output.shape)

    def answer(self, raw: bytes, values: Sequence[np.ndarray]) -> np.ndarray:
        """What the C-model's kernel for the only operator of a model answers."""
        model = TfliteModel.parse(raw)
        return self.run(model, lower(model, model.operators[0]), values)

    def check(self, raw: bytes, values: Sequence[np.ndarray]) -> None:
        """Asserts that kernel and reference agree in every bit (any NaN equals any other)."""
        expected, actual = reference(raw, values), self.answer(raw, values)
        assert actual.shape == expected.shape
        assert actual.dtype == expected.dtype
        if actual.dtype.kind == "f":
            assert np.array_equal(np.isnan(actual), np.isnan(expected))
            actual, expected = (np.where(np.isnan(a), 0, a).view(f"u{a.itemsize}") for a in (actual, expected))
        wrong = np.flatnonzero(actual != expected)
        assert wrong.size == 0, f"{wrong.size} of {actual.size} differ, first at {wrong[:5]}"


def compile_kernels(compiler: str, folder: Path, *flags: str) -> Path:
    """A shared library of all kernels, free of warnings."""
    library = folder / "kernels.so"
    sources = sorted(map(str, KERNELS.glob("*.c")))
    options = [*WARNINGS, "-O3", "-ffp-contract=off", *flags, "-shared", "-fPIC"]
    subprocess.run([*compiler.split(), *options, "-o", str(library), *sources, "-lm"], check=True)
    return library


@pytest.fixture(scope="session")
def tensor() -> type[Tensor]:
    """Describes a tensor for `single_operator`."""
    return Tensor


@pytest.fixture(scope="session")
def single_operator() -> Callable[..., bytes]:
    """Builds a .tflite of one operator."""
    return build


@pytest.fixture(scope="session")
def operator() -> type[Operator]:
    """Describes an operator for `graph`."""
    return Operator


@pytest.fixture(scope="session")
def graph() -> Callable[..., bytes]:
    """Builds a .tflite of any tensors and operators."""
    return build_graph


@pytest.fixture(scope="session")
def kernels(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """The kernels, compiled once; KERNEL_CFLAGS adds flags."""
    flags = os.environ.get("KERNEL_CFLAGS", "").split()
    return Kernels(compile_kernels(compiler, tmp_path_factory.mktemp("kernels"), *flags))
