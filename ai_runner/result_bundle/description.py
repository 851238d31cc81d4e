"""Models and runtimes as a manifest has them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, prod
from typing import Any

import numpy as np

from ai_runner.model import Caps, DeviceInfo, MemoryPool, ModelInfo, RuntimeInfo, TensorInfo, TensorRole
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat

Table = Mapping[str, Any]

MAX_SAMPLE = 1 << 28  # bytes of a tensor


def count(value: float) -> int:
    """A number of things, as a driver of another package gave it; 0 for what cannot be one."""
    return int(value) if isfinite(value) and value > 0 else 0


def _version(numbers: Sequence[int]) -> list[int]:
    """Three numbers, whatever a driver of another package gave."""
    return [count(number) for number in (*numbers, 0, 0, 0)[:3]]


def described(info: ModelInfo) -> dict[str, Any]:
    """The tables ``model``, ``runtime`` and ``device`` of a runtime."""
    runtime, device = info.runtime, info.device
    return {
        "model": {
            "name": info.name,
            "hash": info.hash,
            "n_nodes": count(info.n_nodes),
            "macc": count(info.macc),
            "inputs": [_tensor(tensor) for tensor in info.inputs],
            "outputs": [_tensor(tensor) for tensor in info.outputs],
            "params": [{"name": pool.name, "size": count(pool.size)} for pool in info.params],
            "activations": [{"name": pool.name, "size": count(pool.size)} for pool in info.activations],
        },
        "runtime": {
            "protocol": runtime.protocol,
            "name": runtime.name,
            "version": _version(runtime.version),
            "tools_version": _version(runtime.tools_version),
            "compiler": runtime.compiler,
            "attributes": {str(key): str(value) for key, value in runtime.attributes.items()},
            "generated_code": runtime.generated_code,
        },
        "device": {
            "dev_type": device.dev_type,
            "desc": device.desc,
            "dev_id": device.dev_id,
            "system": device.system,
            "machine": device.machine,
            "sys_clock": count(device.sys_clock),
            "bus_clock": count(device.bus_clock),
            "attrs": list(device.attrs),
        },
    }


def model_of(table: Table) -> ModelInfo:
    """The description of a model whose outputs are known, of a runtime's tables that fit the schema.

    Raises:
        ValueError: a tensor that cannot be.
    """
    model, runtime, device = table["model"], table["runtime"], table["device"]
    return ModelInfo(
        name=model["name"] or "network",
        inputs=tuple(_tensor_of(tensor, TensorRole.INPUT, f"I.{k}") for k, tensor in enumerate(model["inputs"])),
        outputs=tuple(_tensor_of(tensor, TensorRole.OUTPUT, f"O.{k}") for k, tensor in enumerate(model["outputs"])),
        runtime=RuntimeInfo(
            protocol=runtime["protocol"],
            name=runtime["name"],
            version=tuple(runtime["version"]),
            tools_version=tuple(runtime.get("tools_version", (0, 0, 0))),
            compiler=runtime.get("compiler", ""),
            capabilities=(Caps.IO_ONLY,),
            attributes=runtime.get("attributes", {}),
            generated_code=runtime.get("generated_code", False),
        ),
        device=DeviceInfo(**{**device, "attrs": tuple(device.get("attrs", ()))}),
        n_nodes=model.get("n_nodes", 0),
        macc=model.get("macc", 0),
        hash=model["hash"],
        params=_pools(model.get("params", ())),
        activations=_pools(model.get("activations", ())),
    )


def _tensor(tensor: TensorInfo) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": tensor.name,
        "shape": [int(size) for size in tensor.shape],
        "dtype": tensor.dtype.newbyteorder("<").str,
    }
    if tensor.quantization is not None and tensor.dtype.kind in "iu" and all(map(isfinite, tensor.quantization.scale)):
        told["scale"] = [float(scale) for scale in tensor.quantization.scale]
        told["zero_point"] = [int(zero) for zero in tensor.quantization.zero_point]
        told["axis"] = int(tensor.quantization.axis) % max(1, len(tensor.shape))
    if tensor.format is not None:
        told["format"] = int(tensor.format.word)
    if tensor.labels:
        told["labels"] = list(tensor.labels)
    return told


def _tensor_of(table: Table, role: TensorRole, tag: str) -> TensorInfo:
    dtype, shape = np.dtype(table["dtype"]).newbyteorder("="), tuple(table["shape"])
    if prod(shape) * dtype.itemsize > MAX_SAMPLE:
        raise ValueError(f"tensor '{table['name'][:80]}': a sample of more than {MAX_SAMPLE >> 20} MiB")
    quantization = None
    if "scale" in table:
        scale, zero_point = tuple(table["scale"]), tuple(table.get("zero_point", ()))
        axis = table.get("axis", 0)
        wrong = len(scale) != len(zero_point) or not scale or dtype.kind not in "iu"
        if wrong or (len(scale) > 1 and shape[axis : axis + 1] != (len(scale),)):
            raise ValueError(f"tensor '{table['name'][:80]}': {len(scale)} scales and {len(zero_point)} zero points")
        if any(abs(zero) >= 1 << 31 for zero in zero_point):
            raise ValueError(f"tensor '{table['name'][:80]}': a zero point beyond 32 bits")
        quantization = Quantization(scale, zero_point, axis)
    return TensorInfo(
        name=table["name"] or tag,
        shape=shape,
        dtype=dtype,
        quantization=quantization,
        role=role,
        tag=tag,
        format=TensorFormat.decode(table["format"]) if "format" in table else None,
        labels=tuple(table.get("labels", ())),
    )


def _pools(tables: Any) -> tuple[MemoryPool, ...]:
    return tuple(MemoryPool(table["name"], table["size"]) for table in tables)
