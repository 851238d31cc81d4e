"""Buffers of the legacy API: read from the library, and built for it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_uint32
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ai_runner.drivers.c_library import legacy_abi as abi
from ai_runner.drivers.c_library.memory import Block, refuse_missing_weights, weight_blocks
from ai_runner.drivers.c_library.tensors import (
    MAX_TENSORS,
    POOL_ACTIVATIONS,
    POOL_USER,
    checked_count,
    quantization_of,
    read_array,
    tensor_info,
)
from ai_runner.errors import InvalidModelError
from ai_runner.model import MemoryPool, TensorInfo, TensorRole
from ai_runner.quantization import Quantization


@dataclass(frozen=True)
class NetworkMemory:
    """What ``init`` is given, and everything it points to.

    Attributes:
        params: the structure to pass.
        params_pools, activation_pools: names and sizes.
        kept: memory that must live as long as the network.
    """

    params: abi.Params
    params_pools: tuple[MemoryPool, ...]
    activation_pools: tuple[MemoryPool, ...]
    kept: tuple[Any, ...]


@dataclass(frozen=True)
class RunBuffers:
    """Inputs or outputs as ``run`` takes them: own copies of the library's buffers.

    Attributes:
        array: the argument.
        buffers: its elements, whose `data` are to be set.
        dimensions: the shape of each; the first dimension is the batch.
    """

    array: Any
    buffers: tuple[abi.Buffer, ...]
    dimensions: tuple[Any, ...]


def read_buffers(address: int | None, count: int, what: str) -> list[abi.Buffer]:
    """`count` buffers that lie in the library."""
    checked_count(count, address, MAX_TENSORS, what)
    return list((abi.Buffer * count).from_address(address)) if address and count else []


def read_dimensions(shape: abi.Shape, name: str) -> list[int]:
    """The dimensions in the library's order; raises InvalidModelError when there are none."""
    found = read_array(shape.dimensions, shape.type_and_rank >> 8, c_uint32, f"dimensions of {name}", limit=16)
    if not found:
        raise InvalidModelError(f"the library declares no shape for {name}")
    return [int(dimension) for dimension in found]


def read_shape(shape: abi.Shape, name: str) -> tuple[int, ...]:
    """B, H, W, (D, (E,)) C with a batch of 1."""
    return abi.channels_last(shape.type_and_rank & 0xFF, read_dimensions(shape, name))


def read_io_tensor(buffer: abi.Buffer, index: int, role: TensorRole) -> TensorInfo:
    """An input or output of the report; with an address it lies in the activations."""
    name = f"{role.name.lower()}_{index + 1}"
    shape = read_shape(buffer.shape, name)
    return tensor_info(
        name,
        shape,
        buffer.format,
        _quantization(buffer, shape, name),
        role,
        f"{role.name[0]}.{index}",
        memory_pool=POOL_ACTIVATIONS if buffer.data else POOL_USER,
        address=buffer.data or 0,
    )


def run_buffers(address: int | None, count: int) -> RunBuffers:
    """Copies of `count` buffers of the library, with shapes of their own."""
    array = (abi.Buffer * count)()
    dimensions = []
    for index, original in enumerate(read_buffers(address, count, "tensors")):
        sizes = read_dimensions(original.shape, f"tensor {index}")
        dimensions.append((c_uint32 * len(sizes))(*sizes))
        array[index].format = original.format
        array[index].meta = original.meta
        array[index].flags = original.flags
        array[index].size = original.size
        array[index].shape.type_and_rank = original.shape.type_and_rank
        array[index].shape.dimensions = ctypes.addressof(dimensions[index])
    return RunBuffers(array, tuple(array), tuple(dimensions))


def network_parameters(path: Path, name: str, declared: abi.Params, blobs: Sequence[bytes]) -> NetworkMemory:
    """Memory for a network: zeroed activations, and the caller's weights or those of the library.

    Args:
        path, name: library and c-name, for messages.
        declared: what ``data_params_get`` filled in.
        blobs: weights of the caller; empty: those of the library.

    Raises:
        InvalidModelError: the library holds no weights and the caller gave none.
        InvalidParamError: number or sizes of the caller's weights are wrong.
    """
    weights, activations = _declared_buffers(declared)
    sizes = [_bytes_of(buffer, "weights") for buffer in weights]
    wanted = [size for size, buffer in zip(sizes, weights, strict=True) if size and not buffer.data]
    if wanted and not blobs:
        refuse_missing_weights(path, name, sizes)
    weight_data = weight_blocks(name, blobs, sizes) if blobs else []
    for buffer, block in zip(weights, weight_data, strict=False):
        buffer.data = block.address
    activation_data = [Block(_bytes_of(buffer, "activations")) for buffer in activations]
    for buffer, block in zip(activations, activation_data, strict=True):
        buffer.data = block.address
    params = abi.Params()
    weight_array, activation_array = (
        (abi.Buffer * len(weights))(*weights),
        (abi.Buffer * len(activations))(*activations),
    )
    params.maps.magic = abi.MAPS_MAGIC
    params.maps.weights = abi.BufferArray(0, len(weights), ctypes.addressof(weight_array))
    params.maps.activations = abi.BufferArray(0, len(activations), ctypes.addressof(activation_array))
    return NetworkMemory(
        params,
        tuple(MemoryPool(f"params_{i + 1}", size) for i, size in enumerate(sizes)),
        tuple(MemoryPool(f"act_{i + 1}", len(block.view)) for i, block in enumerate(activation_data)),
        (weight_array, activation_array, *weight_data, *activation_data),
    )


def _declared_buffers(declared: abi.Params) -> tuple[list[abi.Buffer], list[abi.Buffer]]:
    """Copies of the entries: nothing is written into the library."""
    if declared.maps.magic != abi.MAPS_MAGIC:
        found = [declared.pair.weights], [declared.pair.activations]
    else:
        maps = declared.maps
        found = (
            read_buffers(maps.weights.buffers, maps.weights.size, "weights"),
            read_buffers(maps.activations.buffers, maps.activations.size, "activations"),
        )
    return [_copy(buffer) for buffer in found[0]], [_copy(buffer) for buffer in found[1]]


def _copy(buffer: abi.Buffer) -> abi.Buffer:
    return abi.Buffer.from_buffer_copy(buffer)


def _bytes_of(buffer: abi.Buffer, what: str) -> int:
    """Size of an entry of weights or activations; these count bytes, whatever their format."""
    if not buffer.shape.dimensions:
        return int(buffer.size)
    return prod(read_dimensions(buffer.shape, what))


def _quantization(buffer: abi.Buffer, shape: Sequence[int], name: str) -> Quantization | None:
    meta = abi.Meta.from_address(buffer.meta) if buffer.meta else None
    if meta is None or not meta.flags & 1 or not meta.quantization:
        return None
    listed = abi.QuantizationList.from_address(meta.quantization)
    kind = abi.zero_point_type(listed.flags)
    if not listed.flags & abi.SCALE_IS_FLOAT or not listed.info or not listed.size:
        return None
    arrays = abi.QuantizationArrays.from_address(listed.info)
    scale = read_array(arrays.scale, listed.size, c_float, f"scales of {name}")
    zero_point = read_array(arrays.zero_point, listed.size, kind, f"zero points of {name}") if kind else []
    return quantization_of(scale, [int(z) for z in zero_point], shape, buffer.format)
