"""What a runtime says about itself and its model: frozen, without numbers that were measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag
from functools import cached_property
from math import prod
from pathlib import PurePath
from typing import Any

import numpy as np

from ai_runner.compat_dict import fresh_info, info_template
from ai_runner.packed_pixels import PackedPixels
from ai_runner.quantization import Quantization
from ai_runner.rerun import TensorPlace
from ai_runner.tensor_format import TensorFormat


class Caps(Enum):
    """What a runtime can do; numbers and names are those of ST's AiRunner."""

    IO_ONLY = 0
    PER_LAYER = 1
    PER_LAYER_WITH_DATA = 3
    SELF_TEST = 4
    RELOC = 8
    MEMORY_RW = 16


class Mode(Flag):
    """What one run shall do; numbers and names are those of ST's AiRunner.

    IO_ONLY: outputs and times of samples. PER_LAYER: also type and time of every node. PER_LAYER_WITH_DATA: also the
    tensors that nodes write. CONST_VALUE (FIXED_INPUT): the target fills its inputs by itself. PERF_ONLY: no tensor
    is moved, only times are reported.
    """

    IO_ONLY = 0
    PER_LAYER = 1
    PER_LAYER_WITH_DATA = 2
    CONST_VALUE = 4
    FIXED_INPUT = 4
    PERF_ONLY = 8
    DEBUG = 256


class TensorRole(Enum):
    """What a tensor is to its model."""

    UNDEFINED = 0
    INPUT = 1
    OUTPUT = 2
    INTERNAL = 3


@dataclass(frozen=True)
class TensorInfo:
    """A tensor as its runtime declares it.

    Attributes:
        name: never empty; ``input_1``, ... where the runtime has no name.
        shape: as declared, in the order B, H, W, (D, E,) C for ST's legacy models and in the model's order elsewhere.
            A first dimension of 1 is the batch.
        dtype: numpy type of one stored unit.
        quantization: None for real-valued tensors.
        role, tag: ``I.0``, ``O.0``, ``N.<node>.<k>``.
        memory_pool: where the bytes live, ``in 'activations' buffer`` or ``user``.
        address: in the target's memory, 0 when unknown.
        format: how elements are stored; None where `dtype` says it all.
        labels: what the entries of the last dimension, or the `label` numbers of a structured type, stand for, in
            order; empty when unknown.
        pixels: how the values hold an image, where they are packed pixels.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    quantization: Quantization | None = None
    role: TensorRole = TensorRole.UNDEFINED
    tag: str = ""
    memory_pool: str = "user"
    address: int = 0
    format: TensorFormat | None = None
    labels: tuple[str, ...] = ()
    pixels: PackedPixels | None = None

    @cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample as stored.

        That is `shape` without its batch dimension of 1, the whole of it when the first dimension is not 1; the last
        dimension of a packed tensor counts 32-bit words.
        """
        shape = self.shape if self.format is None else self.format.stored_shape(self.shape)
        return shape[1:] if self.shape and self.shape[0] == 1 else shape

    @property
    def size_bytes(self) -> int:
        """Bytes of one sample."""
        return prod(self.sample_shape) * self.dtype.itemsize


@dataclass(frozen=True)
class NodeInfo:
    """An operator as deployed.

    Attributes:
        name: unique within the model.
        m_id: position of the layer in the original model; several nodes may share it. -1 when unknown.
        type_id: number of the operator in its runtime, 0 when it has none.
        type_name: ``Conv2D``, ``CONV_2D``, ... as the runtime spells it.
        outputs: the tensors it writes.
        reads: the computed tensors it reads, each once (`rerun.TensorPlace`); empty where the runtime does not tell.
    """

    name: str
    m_id: int
    type_id: int
    type_name: str
    outputs: tuple[TensorInfo, ...]
    reads: tuple[TensorPlace, ...] = ()


@dataclass(frozen=True)
class MemoryPool:
    """A block of memory that a model needs: parameters or activations, `size` in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class RuntimeInfo:
    """The software that runs the model.

    Attributes:
        protocol: how the host talks to it, with version.
        name, version: of the runtime, version as (major, minor, micro).
        tools_version: of the tools that generated the model.
        capabilities: what may be asked of it.
        attributes: further facts that a comparison must know (kernel set, threads, API), in printing order.
        generated_code: True when the model was translated into code and compiled, so that compiler and target matter.
    """

    protocol: str
    name: str
    version: tuple[int, ...] = (0, 0, 0)
    tools_version: tuple[int, ...] = (0, 0, 0)
    rt_lib_desc: str = ""
    compiler: str = ""
    capabilities: tuple[Caps, ...] = (Caps.IO_ONLY,)
    attributes: Mapping[str, str] = field(default_factory=dict)
    generated_code: bool = False


@dataclass(frozen=True)
class DeviceInfo:
    """The machine that runs the model; clocks in Hz, 0 when unknown."""

    dev_type: str
    desc: str
    dev_id: str
    system: str = ""
    machine: str = ""
    sys_clock: int = 0
    bus_clock: int = 0
    attrs: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelInfo:
    """A model as its runtime describes it.

    Attributes:
        name: the c-name, or the file's stem.
        inputs, outputs: in the order of arguments and results.
        n_nodes: operators that the runtime executes.
        macc: multiply-accumulate operations of one sample, 0 when unknown.
        hash: of the original model file, '' when unknown; ST writes an md5 as ``0x`` and 32 hexadecimal digits.
        params, activations: the memory the model needs.
        flags: as the st-ai API names them.
    """

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    runtime: RuntimeInfo
    device: DeviceInfo
    n_nodes: int = 0
    macc: int = 0
    hash: str = ""
    model_datetime: str = ""
    compile_datetime: str = ""
    params: tuple[MemoryPool, ...] = ()
    activations: tuple[MemoryPool, ...] = ()
    flags: str = ""

    @cached_property
    def _template(self) -> dict[str, Any]:
        return info_template(self)

    def to_dict(self) -> dict[str, Any]:
        """The info dict of AiRunner 2.0, made afresh: changing it changes nothing else."""
        return fresh_info(self._template)


def model_name(path: str) -> str:
    """The name of a model that has none but its file's: ``my-model.v2.tflite`` is ``my_model_v2``."""
    name = re.sub(r"\W", "_", PurePath(path).stem)
    return f"_{name}" if not name or name[0].isdigit() else name
