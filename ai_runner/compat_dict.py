"""AiRunner's dictionaries, version 2.0: made at the edge from the frozen results, never used inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ai_runner.io_tensor import IOTensor

if TYPE_CHECKING:
    from ai_runner.model import DeviceInfo, MemoryPool, ModelInfo, RuntimeInfo, TensorInfo
    from ai_runner.profile import NodeProfile, RunResult

DICT_VERSION = (2, 0)


def info_template(info: ModelInfo) -> dict[str, Any]:
    """The info dict of a model, to be handed out through `fresh_info` only."""
    return {
        "version": DICT_VERSION,
        "name": info.name,
        "rt": info.runtime.name,
        "compile_datetime": info.compile_datetime,
        "model_datetime": info.model_datetime,
        "hash": info.hash,
        "n_nodes": info.n_nodes,
        "inputs": [_tensor_dict(t) for t in info.inputs],
        "outputs": [_tensor_dict(t) for t in info.outputs],
        "weights": sum(pool.size for pool in info.params),
        "activations": sum(pool.size for pool in info.activations),
        "mempools": {"params": _pool_dicts(info.params), "activations": _pool_dicts(info.activations)},
        "macc": info.macc,
        "flags": info.flags,
        "runtime": _runtime_dict(info.runtime),
        "device": _device_dict(info.device),
    }


def fresh_info(template: dict[str, Any]) -> dict[str, Any]:
    """A copy of an info dict in which everything that can be changed is new."""
    info = template.copy()
    info["inputs"] = [tensor.copy() for tensor in template["inputs"]]
    info["outputs"] = [tensor.copy() for tensor in template["outputs"]]
    info["mempools"] = {kind: [pool.copy() for pool in pools] for kind, pools in template["mempools"].items()}
    runtime = info["runtime"] = template["runtime"].copy()
    runtime["capabilities"] = runtime["capabilities"].copy()
    runtime["attributes"] = runtime["attributes"].copy()
    device = info["device"] = template["device"].copy()
    device["attrs"] = device["attrs"].copy()
    device["extra"] = device["extra"].copy()
    return info


def profiler_dict(result: RunResult) -> dict[str, Any]:
    """What `AiRunner.invoke` returns beside the outputs."""
    return {
        "info": result.info.to_dict(),
        "mode": result.mode,
        "c_durations": list(result.durations),
        "c_nodes": [_node_dict(node) for node in result.nodes],
        "debug": {
            "exec_times": list(result.exec_times),
            "host_duration": result.host_duration,
            "c_durations_source": str(result.source),
            "counters": {"type": result.counters_type, "values": [list(values) for values in result.counters]},
            "stack_usage": result.stack_usage,
            "heap_usage": result.heap_usage,
            "warnings": list(result.warnings),
        },
    }


def _node_dict(node: NodeProfile) -> dict[str, Any]:
    tensors = node.info.outputs
    data = list(node.data) if node.data else [np.empty((0,), t.dtype) for t in tensors]
    return {
        "name": node.info.name,
        "m_id": node.info.m_id,
        "layer_type": node.info.type_id,
        "layer_desc": f"{node.info.type_name} (0x{node.info.type_id:x})" if node.info.type_id else node.info.type_name,
        "type": [t.dtype.type for t in tensors],
        "shape": [t.shape for t in tensors],
        "scale": [_scale(t) for t in tensors],
        "zero_point": [_zero_point(t) for t in tensors],
        "io_tensors": [IOTensor(t) for t in tensors],
        "data": data,
        "c_durations": list(node.durations),
        "c_durations_source": str(node.source) if node.source else None,
        "clks": [list(clocks) for clocks in node.clks],
        "counters": {"type": node.counters_type, "values": [list(values) for values in node.counters]},
        "extra": dict(node.extra),
    }


def _tensor_dict(tensor: TensorInfo) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": tensor.shape,
        "type": tensor.dtype.type,
        "scale": _scale(tensor),
        "zero_point": _zero_point(tensor),
        "memory_pool": tensor.memory_pool,
        "size_bytes": tensor.size_bytes,
        "io_tensor": IOTensor(tensor),
    }


def _scale(tensor: TensorInfo) -> Any:
    q = tensor.quantization
    if q is None:
        return None
    return np.array(q.scale, np.float32) if q.per_channel else q.scale[0]


def _zero_point(tensor: TensorInfo) -> Any:
    q = tensor.quantization
    if q is None:
        return 0
    return np.array(q.zero_point, np.int32) if q.per_channel else q.zero_point[0]


def _pool_dicts(pools: Sequence[MemoryPool]) -> list[dict[str, Any]]:
    return [
        {"name": pool.name, "shape": (1, 1, 1, pool.size), "type": np.uint8, "size_bytes": pool.size} for pool in pools
    ]


def _runtime_dict(runtime: RuntimeInfo) -> dict[str, Any]:
    return {
        "protocol": runtime.protocol,
        "name": runtime.name,
        "version": runtime.version,
        "tools_version": runtime.tools_version,
        "rt_lib_desc": runtime.rt_lib_desc,
        "compiler": runtime.compiler,
        "capabilities": list(runtime.capabilities),
        "attributes": dict(runtime.attributes),
    }


def _device_dict(device: DeviceInfo) -> dict[str, Any]:
    return {
        "dev_type": device.dev_type,
        "desc": device.desc,
        "dev_id": device.dev_id,
        "system": device.system,
        "machine": device.machine,
        "sys_clock": device.sys_clock,
        "bus_clock": device.bus_clock,
        "attrs": list(device.attrs),
        "extra": dict(device.extra),
    }
