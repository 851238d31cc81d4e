"""A .tflite as the code generator sees it: kernel calls, the tensors between them, constants, a plan of the memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ai_runner.c_model.arena import Block, plan
from ai_runner.c_model.node import C_DTYPES, CArray, CNode
from ai_runner.c_model.operators import lower
from ai_runner.errors import InvalidModelError
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat
from ai_runner.tflite_model import TfliteModel, TfliteTensor

_ARENA_BYTES_MAX = 2**31 - 1
_INT16 = np.iinfo(np.int16)  # what the interfaces have room for


class Place(Enum):
    """Where the data of a tensor is; the values are the names in C."""

    ARENA = "CM_IN_ARENA"
    INPUT = "CM_IS_INPUT"
    OUTPUT = "CM_IS_OUTPUT"


@dataclass(frozen=True)
class NetworkTensor:
    """A run-time tensor.

    Attributes:
        shape: all dimensions above zero.
        format: ST's format word.
        place, index: an input or output of the network and which one, or only in the arena.
        offset: bytes from the start of the arena; inputs and outputs have a place there too.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    format: int
    quantization: Quantization | None
    place: Place
    index: int
    offset: int

    @property
    def bytes(self) -> int:
        """Size of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class NetworkNode:
    """A kernel call.

    Attributes:
        call: the kernel and its parameters.
        arguments: what it reads, in order: the number of a tensor or the name of a constant.
        outputs: numbers of the tensors it writes.
        scratch_offset: bytes from the start of the arena, None when it needs no scratch memory.
    """

    call: CNode
    arguments: tuple[int | str, ...]
    outputs: tuple[int, ...]
    scratch_offset: int | None

    @property
    def inputs(self) -> tuple[int, ...]:
        """Numbers of the run-time tensors it reads."""
        return tuple(argument for argument in self.arguments if isinstance(argument, int))


@dataclass(frozen=True)
class Network:
    """What is generated.

    Attributes:
        inputs, outputs: numbers of tensors.
        copies: outputs that no node writes (inputs, constants, an output that is listed twice): the tensor or constant
            to copy from and the tensor to copy to.
        constants: by name, in the order of the nodes.
    """

    model: TfliteModel
    nodes: tuple[NetworkNode, ...]
    tensors: tuple[NetworkTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    copies: tuple[tuple[int | str, int], ...]
    constants: dict[str, CArray]
    arena_bytes: int

    @property
    def macc(self) -> int:
        """Multiply-accumulate operations of one inference."""
        return sum(node.call.macc for node in self.nodes)

    @property
    def weights_bytes(self) -> int:
        """Size of the C struct that holds the constants, at natural alignment."""
        size, widest = 0, 1
        for array in self.constants.values():
            width = array.values.dtype.itemsize
            size = -(-size // width) * width + array.values.nbytes
            widest = max(widest, width)
        return -(-size // widest) * widest


def constant_name(node: CNode, parameter: str) -> str:
    """Name of the constant array that a parameter of a node points to."""
    return f"node_{node.index}_{parameter.replace('.', '_')}"


def build_network(model: TfliteModel) -> Network:
    """Lowers all operators and plans the memory.

    Raises:
        InvalidModelError: an operator is not supported, or the graph makes no sense.
    """
    return _Builder(model).build()


@dataclass
class _Draft:
    """A run-time tensor whose place in the arena is not known yet."""

    source: TfliteTensor
    first: int
    last: int
    place: Place = Place.ARENA
    index: int = 0


@dataclass
class _Builder:
    model: TfliteModel
    drafts: list[_Draft] = field(default_factory=list)
    computed: dict[int, int] = field(default_factory=dict)  # number of the tensor in the file -> in `drafts`
    constants: dict[str, CArray] = field(default_factory=dict)

    def build(self) -> Network:
        calls = [lower(self.model, operator) for operator in self.model.operators]
        inputs = self._add_inputs()
        arguments = [self._add_node(step, call) for step, call in enumerate(calls)]
        outputs, copies = self._add_outputs(end=len(calls))
        blocks = [Block(self._bytes(draft.source), draft.first, draft.last) for draft in self.drafts]
        scratch = {step: Block(call.scratch_bytes, step, step) for step, call in enumerate(calls) if call.scratch_bytes}
        layout = plan([*blocks, *scratch.values()])
        if layout.size > _ARENA_BYTES_MAX:
            raise self._error(f"its tensors need {layout.size} bytes")
        scratch_offsets = dict(zip(scratch, layout.offsets[len(blocks) :], strict=True))
        nodes = [
            NetworkNode(call, arguments[step], tuple(self.computed[i] for i in call.outputs), scratch_offsets.get(step))
            for step, call in enumerate(calls)
        ]
        return Network(
            model=self.model,
            nodes=tuple(nodes),
            tensors=tuple(map(_placed, self.drafts, layout.offsets)),
            inputs=inputs,
            outputs=outputs,
            copies=copies,
            constants=self.constants,
            arena_bytes=layout.size,
        )

    def _add_inputs(self) -> tuple[int, ...]:
        if not self.model.inputs:
            raise self._error("its graph has no inputs")
        for position, i in enumerate(self.model.inputs):
            tensor = self.model.tensors[i]
            if tensor.data is not None:
                raise self._error(f"its input {position} is a constant (tensor {i})")
            if i in self.computed:
                raise self._error(f"its inputs list tensor {i} twice")
            self._add(tensor, step=-1)
            self.drafts[-1].place, self.drafts[-1].index = Place.INPUT, position
        return tuple(range(len(self.model.inputs)))

    def _add_node(self, step: int, call: CNode) -> tuple[int | str, ...]:
        """The arguments of a call; its outputs become tensors."""
        for parameter, value in call.params.items():
            if isinstance(value, CArray):
                self.constants[constant_name(call, parameter)] = value
        arguments = tuple(self._use(i, step, f"operator {call.index} ({call.operator})") for i in call.inputs)
        for i in call.outputs:
            if i in self.computed:
                raise self._error(f"operator {call.index} ({call.operator}) writes tensor {i} once more")
            self._add(self.model.tensors[i], step)
        return arguments

    def _add_outputs(self, end: int) -> tuple[tuple[int, ...], tuple[tuple[int | str, int], ...]]:
        if not self.model.outputs:
            raise self._error("its graph has no outputs")
        outputs: list[int] = []
        copies: list[tuple[int | str, int]] = []
        for position, i in enumerate(self.model.outputs):
            source = self._use(i, end, f"output {position}")
            number = source
            if isinstance(number, str) or self.drafts[number].place is not Place.ARENA:
                number = len(self.drafts)
                self.drafts.append(_Draft(self.model.tensors[i], end, end))
                copies.append((source, number))
            self.drafts[number].place, self.drafts[number].index = Place.OUTPUT, position
            outputs.append(number)
        return tuple(outputs), tuple(copies)

    def _add(self, tensor: TfliteTensor, step: int) -> None:
        self.computed[tensor.index] = len(self.drafts)
        self.drafts.append(_Draft(tensor, step, step))
        self._bytes(tensor)

    def _use(self, i: int, step: int, user: str) -> int | str:
        tensor = self.model.tensors[i]
        if tensor.data is not None:
            name = f"tensor_{i}"
            self.constants.setdefault(name, self._constant(tensor))
            return name
        if i not in self.computed:
            raise self._error(f"{user} needs tensor {i}, which nothing computes before")
        self.drafts[self.computed[i]].last = step
        return self.computed[i]

    def _constant(self, tensor: TfliteTensor) -> CArray:
        ctypes = [ctype for ctype, name in C_DTYPES.items() if tensor.dtype == np.dtype(name)]
        if not ctypes or tensor.data is None or tensor.is_sparse or self._bytes(tensor) == 0:
            raise self._error(f"tensor {tensor.index} is a constant of type {tensor.type_name} that is not supported")
        return CArray(ctypes[0], tensor.data)

    def _bytes(self, tensor: TfliteTensor) -> int:
        if min(tensor.shape, default=1) <= 0:
            raise self._error(f"tensor {tensor.index} has no fixed size: shape {list(tensor.shape)}")
        if tensor.is_variable:
            raise self._error(f"tensor {tensor.index} is a variable (stateful models)")
        if _format_word(tensor) is None or tensor.dtype is None:
            raise self._error(f"tensor {tensor.index} has type {tensor.type_name}")
        for zero_point in tensor.quantization.zero_point if tensor.quantization else ():
            limits = np.iinfo(tensor.dtype)
            if not max(_INT16.min, limits.min) <= zero_point <= min(_INT16.max, limits.max):
                raise self._error(f"tensor {tensor.index} of type {tensor.type_name} has zero point {zero_point}")
        return math.prod(tensor.shape) * tensor.dtype.itemsize

    def _error(self, what: str) -> InvalidModelError:
        return InvalidModelError(
            f"{self.model.path}: {what}",
            hint="the C-model cannot be generated from this model; the tflite driver may still run it",
            evidence={"file": self.model.path},
        )


def _format_word(tensor: TfliteTensor) -> int | None:
    try:
        return None if tensor.dtype is None else TensorFormat.of_dtype(tensor.dtype).word
    except KeyError:
        return None


def _placed(draft: _Draft, offset: int) -> NetworkTensor:
    dtype, word = draft.source.dtype, _format_word(draft.source)
    assert dtype is not None  # noqa: S101 - _bytes saw to it
    assert word is not None  # noqa: S101 - likewise
    return NetworkTensor(
        name=draft.source.name,
        shape=draft.source.shape,
        dtype=dtype,
        format=word,
        quantization=draft.source.quantization,
        place=draft.place,
        index=draft.index,
        offset=offset,
    )
