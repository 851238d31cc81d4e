"""An .onnx file: its nodes, its constants, and the same file with its insides made visible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import md5
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.drivers.onnx.schema import model_class
from ai_runner.errors import InvalidModelError, InvalidParamError

Array = npt.NDArray[Any]

MARK = "ai-runner/"
"""What the names of nodes begin with in a model made by `observable`; the node's position follows."""

# TensorProto.DataType -> numpy type, and the field that holds the elements where they are not raw bytes.
_ELEMENTS: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"),
    2: ("|u1", "int32_data"),
    3: ("|i1", "int32_data"),
    4: ("<u2", "int32_data"),
    5: ("<i2", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    10: ("<f2", ""),
}
_EXTERNAL = 1  # TensorProto.DataLocation
_BITS = {8: 0, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 21: 4, 22: 4, 23: 4}  # of other types, where not 8
_MAX_DEPTH = 50  # of graphs within graphs


@dataclass(frozen=True)
class Node:
    """An operator.

    Attributes:
        name, op_type: as the file has them; the name may be empty and need not be unique.
        inputs, outputs: names of tensors; '' for an optional one that is not there.
        axis: the attribute of that name, None without one.
        has_graph: it runs a graph of its own, which may read any tensor.
    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axis: int | None
    has_graph: bool


class OnnxModel:
    """A parsed model.

    Attributes:
        path: what messages call it.
        md5: of the file, 32 hexadecimal digits; tensors kept in other files are not part of it.
        nodes: in the order of the file, which is one of execution.
        without_shape: names of inputs whose number of dimensions is not given.
    """

    def __init__(self, raw: bytes, path: str) -> None:
        """Parses `raw`.

        Raises:
            InvalidModelError: it is no ONNX model, or a broken one, or keeps tensors outside of its folder.
        """
        self.path = path
        self.md5 = md5(raw, usedforsecurity=False).hexdigest()
        self._message = _parsed(raw, path)
        graph = self._message.graph
        try:
            self.nodes = tuple(_node(node) for node in graph.node)
            self._initializers: dict[str, Any] = {tensor.name.decode(): tensor for tensor in graph.initializer}
            self.without_shape = frozenset(
                value.name.decode() for value in graph.input if not value.type.tensor_type.HasField("shape")
            )
            for place in _external_files(graph):
                _check_inside(place, path)
        except UnicodeDecodeError as error:
            raise _not_onnx(path, raw, "it has a name that is no text") from error

    @classmethod
    def read(cls, path: str) -> OnnxModel:
        """Reads a file.

        Raises:
            InvalidParamError: it is missing or cannot be read.
            InvalidModelError: as for the constructor.
        """
        try:
            raw = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InvalidParamError(f"{path}: cannot read the model: {reason}", hint="check the path") from error
        return cls(raw, path)

    @cached_property
    def constants(self) -> frozenset[str]:
        """Names of the tensors that do not depend on an input."""
        found = set(self._initializers)
        for node in self.nodes:
            known = node.op_type == "Constant" or (bool(node.inputs) and all(i in found for i in node.inputs if i))
            if known and not node.has_graph and not node.op_type.startswith(("Random", "Multinomial", "Bernoulli")):
                found.update(node.outputs)
        return frozenset(found - {""})

    @cached_property
    def _constant_nodes(self) -> dict[str, Any]:
        found = {}
        for node in self._message.graph.node:
            tensors = [attribute.t for attribute in node.attribute if attribute.name == b"value"]
            if node.op_type == b"Constant" and tensors and node.output:
                found[node.output[0].decode()] = tensors[0]
        return found

    def constant(self, name: str) -> Array | None:
        """The value of an initializer or a Constant; None where there is none of a plain type in the file."""
        tensor = self._initializers.get(name, self._constant_nodes.get(name))
        if tensor is None or tensor.data_location == _EXTERNAL or tensor.data_type not in _ELEMENTS:
            return None
        kind, field = _ELEMENTS[tensor.data_type]
        shape, dtype = tuple(tensor.dims), np.dtype(kind)
        if any(d < 0 for d in shape):
            return None
        if tensor.HasField("raw_data"):
            if len(tensor.raw_data) != prod(shape) * dtype.itemsize:
                return None
            return np.frombuffer(tensor.raw_data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
        values = getattr(tensor, field) if field else ()
        if len(values) != prod(shape):
            return None
        return (
            np.array(values, np.float64 if dtype.kind == "f" else np.int64)
            .astype(dtype.newbyteorder("="))
            .reshape(shape)
        )

    @property
    def weight_bytes(self) -> int:
        """Bytes of all initializers, by their declared types."""
        return sum(_bits(tensor) for tensor in self._initializers.values()) // 8

    def observable(self, outputs: Sequence[str] = ()) -> bytes:
        """The same model as a file, with some of its tensors as further outputs and its nodes renamed.

        A node is called by MARK and its position, those of inner graphs by nothing: whatever the original names are,
        they cannot get into a profile.

        Args:
            outputs: names of tensors; those that are outputs already stay what they are.
        """
        changed = model_class()()
        changed.CopyFrom(self._message)
        graph = changed.graph
        for _, inner in _inner_graphs(graph, 1):
            for node in inner.node:
                node.ClearField("name")
        for position, node in enumerate(graph.node):
            node.name = f"{MARK}{position}".encode()
        present = {value.name.decode() for value in graph.output}
        for name in outputs:
            if name not in present:
                graph.output.add().name = name.encode()
        data: bytes = changed.SerializeToString()
        return data


def _parsed(raw: bytes, path: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        message = model_class().FromString(raw)
    except DecodeError as error:
        raise _not_onnx(path, raw, "it is no protobuf message of that kind") from error
    if not message.HasField("graph"):
        raise _not_onnx(path, raw, "it has no graph")
    return message


def _not_onnx(path: str, raw: bytes, why: str) -> InvalidModelError:
    return InvalidModelError(
        f"{path}: not an ONNX model, or a broken one: {why}",
        hint="give an .onnx file",
        evidence={"file": path, "size": len(raw), "first_bytes": raw[:8].hex()},
    )


def _node(node: Any) -> Node:
    axes = [attribute.i for attribute in node.attribute if attribute.name == b"axis" and attribute.HasField("i")]
    return Node(
        name=node.name.decode(),
        op_type=node.op_type.decode(),
        inputs=tuple(name.decode() for name in node.input),
        outputs=tuple(name.decode() for name in node.output),
        axis=axes[0] if axes else None,
        has_graph=any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute),
    )


def _inner_graphs(graph: Any, depth: int) -> Iterator[tuple[int, Any]]:
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield depth, inner
                if depth < _MAX_DEPTH:
                    yield from _inner_graphs(inner, depth + 1)


def _external_files(graph: Any) -> Iterator[str]:
    """Names of the files that tensors of the graph are kept in."""
    for inner in [graph, *(g for _, g in _inner_graphs(graph, 1))]:
        tensors = [*inner.initializer, *(sparse.values for sparse in inner.sparse_initializer)]
        for node in inner.node:
            for attribute in node.attribute:
                tensors += [*attribute.tensors, *([attribute.t] if attribute.HasField("t") else [])]
        for tensor in tensors:
            yield from (entry.value.decode() for entry in tensor.external_data if entry.key == b"location")


def _check_inside(place: str, path: str) -> None:
    """Raises InvalidModelError unless `place` is a path relative to the model's folder that stays in it."""
    for kind in (PurePosixPath(place), PureWindowsPath(place)):
        if kind.is_absolute() or kind.drive or kind.root or ".." in kind.parts:
            raise InvalidModelError(
                f"{path}: keeps a tensor in the file {place!r}, outside of its own folder",
                hint="ONNX wants such files beside the model",
            )


def _bits(tensor: Any) -> int:
    if any(d < 0 for d in tensor.dims):
        return 0
    kind = _ELEMENTS.get(tensor.data_type)
    size = _BITS.get(tensor.data_type, 8) if kind is None else np.dtype(kind[0]).itemsize * 8
    count: int = prod(tensor.dims)
    return count * size


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, those that came before with a number behind them."""
    taken: set[str] = set(names)
    seen: set[str] = set()
    found = []
    for position, name in enumerate(names):
        unique, number = name, position
        while unique in seen or (unique != name and unique in taken):
            unique = f"{name}_{number}"
            number += 1
        seen.add(unique)
        found.append(unique)
    return found


def writers(model: OnnxModel) -> Mapping[str, int]:
    """Name of a tensor -> position of the node that writes it."""
    return {name: index for index, node in enumerate(model.nodes) for name in node.outputs if name}
