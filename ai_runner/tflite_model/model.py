"""A .tflite file as Python objects."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.quantization import Quantization
from ai_runner.tflite_model import schema
from ai_runner.tflite_model.cut import cut_operators
from ai_runner.tflite_model.flatbuffer import FlatBuffer, FlatTable
from ai_runner.tflite_model.real_twin import real_twin

_MAX_RANK = 32  # what every supported numpy can hold

OptionValue = int | float | bool | str | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TfliteTensor:
    """A tensor of the main graph.

    Attributes:
        index: its number in the file.
        name: untrusted text.
        shape: as stored; a dimension that is only known at run time may be -1.
        type_name: name of the TensorType, such as "INT8".
        dtype: the numpy type, None where numpy has none (4-bit integers, strings, ...).
        quantization: None for floats and for integers that are not quantised.
        is_variable: state that persists from one run to the next.
        data: read-only view of a constant's values, shaped like the tensor; its bytes (uint8, 1-d) where `dtype` is
            None or the tensor is sparse; None for tensors that are computed.
        is_sparse: the constant is stored compressed.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    type_name: str
    dtype: np.dtype[Any] | None
    quantization: Quantization | None
    is_variable: bool
    data: npt.NDArray[Any] | None = field(repr=False)
    is_sparse: bool = False


@dataclass(frozen=True, eq=False)
class TfliteOperator:
    """An operator of the main graph.

    Attributes:
        index: its position in execution order.
        name: name of the BuiltinOperator, "CUSTOM:<code>" or "UNKNOWN_<number>".
        version: version of the operator.
        inputs: tensor numbers; -1 stands for an optional one that is absent.
        outputs: tensor numbers, likewise.
        options: builtin options by their names in the schema, absent ones at their defaults; enumerations by name.
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, OptionValue]


@dataclass(frozen=True, eq=False)
class TfliteModel:
    """The main graph (sub-graph 0) of a .tflite file.

    Attributes:
        path: where it was read from, or the name given to `parse`.
        raw: the whole file.
        md5, sha256: of the file, lower-case hexadecimal digits.
        inputs, outputs: tensor numbers in the order of the graph.
    """

    path: str
    raw: bytes = field(repr=False)
    md5: str
    sha256: str
    description: str
    tensors: tuple[TfliteTensor, ...] = field(repr=False)
    operators: tuple[TfliteOperator, ...] = field(repr=False)
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    n_subgraphs: int

    @classmethod
    def read(cls, path: str | Path) -> TfliteModel:
        """Reads a file.

        Raises:
            InvalidParamError: the file is missing or cannot be read.
            InvalidModelError: it is not a TFLite file, or a broken one.
        """
        try:
            raw = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InvalidParamError(f"{path}: cannot read the model: {reason}", hint="check the path") from error
        return cls.parse(raw, str(path))

    @classmethod
    def parse(cls, raw: bytes, name: str = "model") -> TfliteModel:
        """Reads a model from memory; `name` is what messages call it.

        Raises:
            InvalidModelError: `raw` is not a TFLite file, or a broken one.
        """
        raw = bytes(raw)
        if raw[4:8] != schema.FILE_IDENTIFIER:
            raise InvalidModelError(
                f"{name}: not a TensorFlow Lite model (no TFL3 identifier)",
                hint="give a .tflite file",
                evidence={"file": name, "size": len(raw), "first_bytes": raw[:8].hex()},
            )
        return _parse(cls, FlatBuffer(raw, name))

    def single_operator(self, index: int) -> bytes | None:
        """A .tflite file that computes operator `index` alone.

        Its inputs are the operator's computed tensors in order, each once, its outputs those of the operator.

        Returns:
            The file, or None where the operator cannot run by itself: it has state, runs another sub-graph, shares a
            resource, or lacks an output.
        """
        operator = self.operators[index]
        inputs = dict.fromkeys(i for i in operator.inputs if i >= 0 and self.tensors[i].data is None)
        return self.cut((index,), tuple(inputs), operator.outputs)

    def cut(self, operators: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]) -> bytes | None:
        """A .tflite file that computes `outputs` from `inputs`, tensor numbers, by the operators at some positions.

        Returns:
            The file, or None where one of them cannot run apart from the others.
        """
        if not outputs or any(self._depends(index) for index in operators):
            return None
        return cut_operators(FlatBuffer(self.raw, self.path), sorted(operators), tuple(inputs), tuple(outputs))

    def real_twin(self) -> bytes | None:
        """A .tflite file of the same operators on float32 tensors: on what quantised integers stand for.

        Returns:
            The file, or None where nothing that is computed is quantised, or what is quantised cannot be replaced.
        """
        used = {i for operator in self.operators for i in (*operator.inputs, *operator.outputs) if i >= 0}
        quantised = [self.tensors[i] for i in sorted(used) if self.tensors[i].quantization is not None]
        made = {i for operator in self.operators for i in operator.outputs}
        if not made.intersection(tensor.index for tensor in quantised):
            return None
        if any(tensor.dtype is None or tensor.is_sparse for tensor in quantised):
            return None
        values = {
            tensor.index: None if tensor.data is None else tensor.quantization.dequantize(tensor.data)
            for tensor in quantised
            if tensor.quantization is not None
        }
        return real_twin(FlatBuffer(self.raw, self.path), values)

    def _depends(self, index: int) -> bool:
        """Whether an operator has state, runs another sub-graph, shares a resource, or lacks an output."""
        operator = self.operators[index]
        if operator.name in schema.DEPENDENT_OPERATORS or not operator.outputs:
            return True
        used = [self.tensors[i] for i in operator.inputs if i >= 0]
        made = [self.tensors[i] for i in operator.outputs if i >= 0]
        if len(made) != len(operator.outputs) or any(tensor.data is not None for tensor in made):
            return True
        return any(tensor.is_variable or tensor.type_name in ("RESOURCE", "VARIANT") for tensor in used + made)


def _parse(cls: type[TfliteModel], buffer: FlatBuffer) -> TfliteModel:
    root = buffer.root()
    version = root.number(0, "Uint32", 0)
    if version != schema.VERSION:
        raise buffer.error(f"schema version {version}, expected {schema.VERSION}")
    subgraphs = root.tables(2)
    if not subgraphs:
        raise buffer.error("it holds no graph")
    graph = subgraphs[0]
    constants = root.tables(4)
    tensors = tuple(_tensor(buffer, constants, i, table) for i, table in enumerate(graph.tables(0)))
    codes = [_operator_code(table) for table in root.tables(1)]
    operators = tuple(_operator(buffer, codes, len(tensors), i, table) for i, table in enumerate(graph.tables(3)))
    return cls(
        path=buffer.label,
        raw=buffer.raw,
        md5=hashlib.md5(buffer.raw, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(buffer.raw).hexdigest(),
        description=root.text(3),
        tensors=tensors,
        operators=operators,
        inputs=_indices(buffer, graph, 1, len(tensors), 0, "the graph's inputs"),
        outputs=_indices(buffer, graph, 2, len(tensors), 0, "the graph's outputs"),
        n_subgraphs=len(subgraphs),
    )


def _indices(buffer: FlatBuffer, table: FlatTable, slot: int, n: int, lowest: int, what: str) -> tuple[int, ...]:
    indices = tuple(int(i) for i in table.vector(slot, "Int32"))
    for i in indices:
        if not lowest <= i < n:
            raise buffer.error(f"{what} name tensor {i} of {n}")
    return indices


def _operator_code(table: FlatTable) -> tuple[str, int]:
    # Codes beyond 127 live in the newer field, older files have only the older one: the larger of both counts.
    code = max(table.number(0, "Int8", 0), table.number(3, "Int32", 0))
    return schema.operator_name(code, table.text(1)), table.number(2, "Int32", 1)


def _operator(
    buffer: FlatBuffer, codes: list[tuple[str, int]], n_tensors: int, index: int, table: FlatTable
) -> TfliteOperator:
    code = table.number(0, "Uint32", 0)
    if code >= len(codes):
        raise buffer.error(f"operator {index} has code {code} of {len(codes)}")
    name, version = codes[code]
    return TfliteOperator(
        index=index,
        name=name,
        version=version,
        inputs=_indices(buffer, table, 1, n_tensors, -1, f"the inputs of operator {index}"),
        outputs=_indices(buffer, table, 2, n_tensors, -1, f"the outputs of operator {index}"),
        options=MappingProxyType(_options(name, table)),
    )


def _options(name: str, operator: FlatTable) -> dict[str, OptionValue]:
    options = schema.OPTIONS.get(name)
    if options is None:
        return {}
    table = operator.table(4) if operator.number(3, "Uint8", 0) == options.number else None
    values: dict[str, OptionValue] = {}
    for slot, (field_name, spec) in enumerate(options.fields.items()):
        if spec.is_vector:
            values[field_name] = () if table is None else tuple(int(v) for v in table.vector(slot, spec.kind))
            continue
        value: Any = spec.default if table is None else table.number(slot, spec.kind, spec.default)
        if spec.names:
            value = spec.names[value] if 0 <= value < len(spec.names) else f"UNKNOWN_{value}"
        values[field_name] = value
    return values


def _tensor(buffer: FlatBuffer, constants: list[FlatTable], index: int, table: FlatTable) -> TfliteTensor:
    type_name, dtype = schema.tensor_type(table.number(1, "Int8", 0))
    shape = tuple(int(d) for d in table.vector(0, "Int32"))
    if len(shape) > _MAX_RANK:
        raise buffer.error(f"tensor {index} has {len(shape)} dimensions")
    number = table.number(2, "Uint32", 0)
    if number >= len(constants) and number:
        raise buffer.error(f"tensor {index} has buffer {number} of {len(constants)}")
    if table.number(10, "Uint32", 0):
        raise buffer.error(f"the values of tensor {index} are in another file")
    is_sparse = table.target(6) is not None
    span = _constant(buffer, constants[number]) if number else None
    return TfliteTensor(
        index=index,
        name=table.text(3),
        shape=shape,
        type_name=type_name,
        dtype=dtype,
        quantization=_quantization(buffer, table, index, shape) if type_name.startswith(("INT", "UINT")) else None,
        is_variable=table.number(5, "Bool", False),
        data=None if span is None else _values(buffer, span, index, shape, None if is_sparse else dtype),
        is_sparse=is_sparse,
    )


def _constant(buffer: FlatBuffer, table: FlatTable) -> tuple[int, int] | None:
    """First byte and size of a constant, None for the empty buffer of a computed tensor."""
    start, size = table.span(0, 1)
    outside = table.number(1, "Uint64", 0)
    if outside > 1:  # files beyond 2 GB keep constants behind the FlatBuffer
        start, size = outside, table.number(2, "Uint64", 0)
        buffer.check(start, size)
    return (start, size) if size else None


def _values(
    buffer: FlatBuffer, span: tuple[int, int], index: int, shape: tuple[int, ...], dtype: np.dtype[Any] | None
) -> npt.NDArray[Any]:
    start, size = span
    if dtype is None:
        return np.frombuffer(buffer.raw, np.uint8, size, start)
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or expected != size:
        raise buffer.error(f"tensor {index} of shape {list(shape)} and type {dtype} has {size} bytes of data")
    return np.frombuffer(buffer.raw, dtype, math.prod(shape), start).reshape(shape)


def _quantization(buffer: FlatBuffer, tensor: FlatTable, index: int, shape: tuple[int, ...]) -> Quantization | None:
    table = tensor.table(4)
    if table is None:
        return None
    scale = tuple(float(s) for s in table.vector(2, "Float32"))
    zero_point = tuple(int(z) for z in table.vector(3, "Int64"))
    axis = table.number(6, "Int32", 0)
    if not scale:
        return None
    if len(zero_point) in (0, 1):
        zero_point = (zero_point or (0,)) * len(scale)
    if len(zero_point) != len(scale):
        raise buffer.error(f"tensor {index} has {len(scale)} scales and {len(zero_point)} zero points")
    if len(scale) > 1 and (not 0 <= axis < len(shape) or shape[axis] not in (-1, len(scale))):
        raise buffer.error(f"tensor {index} of shape {list(shape)} has {len(scale)} scales along dimension {axis}")
    return Quantization(scale, zero_point, axis if len(scale) > 1 else 0)
