"""What an ONNX model and its runtime are, in the words of ai_runner.model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ai_runner.drivers.onnx.model import Node, unique_names
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.model import NodeInfo, TensorInfo, TensorRole
from ai_runner.quantization import Quantization
from ai_runner.rerun import TensorPlace

_DTYPES = {
    "float": "float32",
    "double": "float64",
    **{name: name for name in ("float16", "bool", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)))},
}
_MAX_ELEMENTS = 1 << 31  # of one sample; a shape may claim anything


@dataclass(frozen=True)
class End:
    """An input or output as the runtime declares it.

    Attributes:
        name: in the graph.
        dtype: numpy type.
        dims: sizes; a name for a dimension that is left open, None for one without name.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int | str | None, ...]

    def is_open(self, axis: int) -> bool:
        """True when the dimension exists and has no size."""
        return axis < len(self.dims) and not isinstance(self.dims[axis], int)


def ends(arguments: Sequence[Any], word: str, path: str) -> tuple[End, ...]:
    """The inputs or outputs (`word`) of a session.

    Raises:
        InvalidModelError: one has a type that is no plain numpy type (strings, sequences, bfloat16, ...) or no element.
    """
    found = []
    for argument in arguments:
        kind = str(argument.type).removeprefix("tensor(").removesuffix(")")
        if kind not in _DTYPES or not str(argument.type).startswith("tensor("):
            raise InvalidModelError(
                f"{path}: {word} {argument.name!r} has type {argument.type}, which arrays cannot hold",
                hint="inputs and outputs have to be booleans, integers of 8 to 64 bits or floats of 16 to 64 bits",
            )
        dims = tuple(None if isinstance(d, int) and d < 0 else d for d in argument.shape)
        if 0 in dims:
            raise InvalidModelError(f"{path}: {word} {argument.name!r} has shape {list(dims)}, which holds nothing")
        found.append(End(argument.name, np.dtype(_DTYPES[kind]), dims))
    return tuple(found)


def with_sizes(inputs: Sequence[End], outputs: Sequence[End], sizes: Mapping[str, int], path: str) -> list[list[End]]:
    """Inputs and outputs with the sizes that the user gives to open dimensions.

    Args:
        sizes: by the dimension's name, or by ``input[axis]`` for one without.

    Raises:
        InvalidParamError: no dimension of an input has one of these names.
    """
    used: set[str] = set()

    def size(end: End, axis: int) -> int | str | None:
        for key in (str(end.dims[axis]), f"{end.name}[{axis}]"):
            if end.is_open(axis) and key in sizes:
                used.add(key)
                return sizes[key]
        return end.dims[axis]

    sized = [
        [replace(end, dims=tuple(size(end, axis) for axis in range(len(end.dims)))) for end in some]
        for some in (inputs, outputs)
    ]
    unknown = sorted(set(sizes) - used)
    if unknown:
        there = sorted({_label(end, axis) for end in inputs for axis in range(len(end.dims)) if end.is_open(axis)})
        raise InvalidParamError(
            f"{path}: no open dimension is called {unknown[0]!r}",
            hint=f"dims= takes {', '.join(there)}" if there else "all its dimensions are fixed",
        )
    return sized


def sample_shape(end: End, path: str) -> tuple[int, ...]:
    """The shape of an input for one sample: an open first dimension is the batch and becomes 1.

    Raises:
        InvalidParamError: another dimension is open.
        InvalidModelError: the shape is absurd.
    """
    shape = tuple(d if isinstance(d, int) else 1 for d in end.dims)
    for axis in range(1, len(end.dims)):
        if end.is_open(axis):
            raise InvalidParamError(
                f"{path}: the size of dimension {axis} of input {end.name!r} is open",
                hint=f"give it one: ?dims={_label(end, axis)}:SIZE",
            )
    if prod(shape) > _MAX_ELEMENTS:
        raise InvalidModelError(f"{path}: input {end.name!r} has shape {list(shape)}, more than can be held")
    return shape


def _label(end: End, axis: int) -> str:
    dim = end.dims[axis]
    return dim if isinstance(dim, str) and dim else f"{end.name}[{axis}]"


def end_infos(
    found: Sequence[End],
    shapes: Sequence[tuple[int, ...]],
    role: TensorRole,
    quantizations: Mapping[str, Quantization],
) -> tuple[TensorInfo, ...]:
    """Descriptions of inputs or outputs; two of one name get different ones."""
    letter = "I" if role is TensorRole.INPUT else "O"
    names = unique_names([end.name for end in found])
    return tuple(
        tensor_info(name, shape, end.dtype, quantizations.get(end.name), role, f"{letter}.{k}")
        for k, (name, end, shape) in enumerate(zip(names, found, shapes, strict=True))
    )


def tensor_info(
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    quantization: Quantization | None,
    role: TensorRole,
    tag: str,
) -> TensorInfo:
    """Description of a tensor; a quantization that does not fit its type or shape is left out."""
    if quantization is not None:
        if dtype.kind not in "iu":
            quantization = None
        elif quantization.per_channel:
            axis = quantization.axis + (len(shape) if quantization.axis < 0 else 0)
            fits = 0 <= axis < len(shape) and shape[axis] == len(quantization.scale)
            quantization = replace(quantization, axis=axis) if fits else None
    return TensorInfo(name, shape, dtype, quantization, role, tag)


def node_infos(
    nodes: Sequence[Node],
    ids: Sequence[int],
    outputs: Sequence[Sequence[TensorInfo]],
    reads: Sequence[Sequence[TensorPlace]],
) -> tuple[NodeInfo, ...]:
    """Descriptions of nodes.

    Args:
        nodes: as they are executed.
        ids: position of each in the original model, -1 for one that the runtime has put in.
        outputs: what each writes.
        reads: the computed tensors that each reads.
    """
    names = unique_names([node.name.strip() or f"{node.op_type.lower()}_{i}" for i, node in enumerate(nodes)])
    return tuple(
        NodeInfo(name, m_id, 0, node.op_type, tuple(written), tuple(read))
        for name, m_id, node, written, read in zip(names, ids, nodes, outputs, reads, strict=True)
    )
