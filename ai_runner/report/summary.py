"""What `AiRunner.summary()` and `AiRunner.print_profiling()` print, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ai_runner.io_tensor import IOTensor
from ai_runner.model import ModelInfo, TensorInfo


def summary_lines(info: ModelInfo | None, level: int = 0) -> list[str]:
    """Describes a model; `level` 1 adds how its tensors are stored."""
    if info is None:
        return ["not connected"]
    rows = list(_summary_rows(info, level))
    width = max(len(key) for key, _ in rows)
    return [f"{key:<{width}} : {value}" if key else " " * (width + 3) + value for key, value in rows]


def profiling_lines(
    inputs: Any,
    profiler: dict[str, Any],
    outputs: Any,
    *,
    tensor_info: bool = True,
    debug: bool = False,
    no_details: bool = False,
) -> list[str]:
    """Describes what `AiRunner.invoke` returned: times with where they come from, nodes, statistics of the tensors."""
    if not profiler:
        return ["no profile: not connected"]
    info, where = profiler["info"], profiler["debug"]
    durations = profiler["c_durations"]
    lines = [
        f"model    : {info['name']} on {info['runtime']['name']}, {info['device']['desc']}",
        f"mode     : {profiler['mode'].name}, {len(durations)} samples",
        f"duration : {_times(durations)} ({where['c_durations_source']})",
    ]
    if debug:
        lines.append(f"host     : {where['host_duration']:.3f} ms for the whole batch (host)")
        lines += [f"{key:<9}: {where[key]} bytes" for key in ("stack_usage", "heap_usage") if where[key] is not None]
    if profiler["c_nodes"] and not no_details:
        lines += ["", *_node_table(profiler["c_nodes"])]
    if tensor_info:
        lines += ["", *_tensor_table([("I", inputs, info["inputs"]), ("O", outputs, info["outputs"])])]
    return lines + [f"warning  : {warning}" for warning in where["warnings"]]


def _summary_rows(info: ModelInfo, level: int) -> Iterator[tuple[str, str]]:
    runtime, device = info.runtime, info.device
    yield "name", f"{info.name} ({info.hash or 'no hash'})"
    yield "generated", info.model_datetime or "unknown"
    yield "compiled", info.compile_datetime or "unknown"
    yield "nodes", f"{info.n_nodes}" + (f", {info.macc:,} macc" if info.macc else "")
    for key, tensors in (("inputs", info.inputs), ("outputs", info.outputs)):
        for i, tensor in enumerate(tensors):
            yield key if not i else "", _tensor_line(tensor, level)
    yield "weights", f"{sum(p.size for p in info.params):,} bytes"
    yield "activations", f"{sum(p.size for p in info.activations):,} bytes"
    yield "runtime", f"{runtime.name} {_version(runtime.version)} ({runtime.protocol})"
    for key, value in runtime.attributes.items():
        yield "", f"{key}: {value}"
    if any(runtime.tools_version):
        yield "tools", _version(runtime.tools_version)
    yield "capabilities", ", ".join(cap.name for cap in runtime.capabilities)
    yield "device", f"{device.desc} ({device.dev_type})"
    if device.sys_clock:
        yield "clocks", f"{device.sys_clock / 1e6:g} MHz, bus {device.bus_clock / 1e6:g} MHz"
    for attr in device.attrs:
        yield "", attr


def _tensor_line(tensor: TensorInfo, level: int) -> str:
    described = IOTensor(tensor)
    return (
        f"'{tensor.name}' {described}" if level else f"'{tensor.name}' {described.to_str(('tag', 'format', 'quant'))}"
    )


def _times(durations: list[float]) -> str:
    if not durations:
        return "not measured"
    low, mean, high = min(durations), sum(durations) / len(durations), max(durations)
    return f"{mean:.3f} ms a sample" + (f", {low:.3f} to {high:.3f} ms" if len(durations) > 1 else "")


def _node_table(nodes: list[dict[str, Any]]) -> list[str]:
    from tabulate import tabulate

    means = [float(np.mean(node["c_durations"])) if node["c_durations"] else None for node in nodes]
    total = sum(mean for mean in means if mean is not None)
    rows = []
    for i, (node, mean) in enumerate(zip(nodes, means, strict=True)):
        shapes = " ".join(f"{np.dtype(t).name}{list(s)}" for t, s in zip(node["type"], node["shape"], strict=True))
        share = f"{100 * mean / total:.1f} %" if mean is not None and total else ""
        rows.append([i, node["m_id"], node["layer_desc"], shapes, "" if mean is None else f"{mean:.4f}", share])
    sources = {node["c_durations_source"] for node in nodes} - {None}
    heading = f"ms ({', '.join(sorted(sources))})" if sources else "ms (not measured)"
    rows.append(["", "", "total", "", f"{total:.4f}" if sources else "", ""])
    table: str = tabulate(rows, headers=["node", "m_id", "type", "outputs", heading, "share"], disable_numparse=True)
    return table.splitlines()


def _tensor_table(groups: list[tuple[str, Any, list[dict[str, Any]]]]) -> list[str]:
    from tabulate import tabulate

    rows = []
    for tag, arrays, infos in groups:
        for i, array in enumerate([arrays] if isinstance(arrays, np.ndarray) else arrays):
            name = infos[i]["name"] if i < len(infos) else ""
            statistics, kind = [""] * 4, "record"  # bounding boxes have no mean
            if array.dtype.names is None:
                numbers, kind = np.asarray(array, np.float64), str(array.dtype)
                if numbers.size:
                    statistics = [f"{f(numbers):.4g}" for f in (np.min, np.max, np.mean, np.std)]
            rows.append([f"{tag}.{i}", name, f"{kind}{list(array.shape)}", *statistics])
    table: str = tabulate(rows, headers=["", "name", "values", "min", "max", "mean", "std"], disable_numparse=True)
    return table.splitlines()


def _version(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
