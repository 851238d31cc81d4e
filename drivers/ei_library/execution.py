"""One batch on a library: rows one by one, each with its time, and on request the library's own times of its stages."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.ei_library.library import DEBUG, LISTS, Array, Batch, Library
from ai_runner.impulse.description import stages
from ai_runner.impulse.features import check_finite
from ai_runner.impulse.result import MAX_BOXES
from ai_runner.model import Mode, ModelInfo, NodeInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource

_VALUES = ("anomaly", "visual_anomaly_max", "visual_anomaly_mean")


def stage_names(library: Library) -> tuple[str, ...]:
    """The stages whose times the library tells, in the order in which they run."""
    names = stages(library.hello)
    return (*names, "postprocessing") if library.measures_postprocessing else names


def run(
    library: Library, info: ModelInfo, features: Array, mode: Mode, callback: AiRunnerCallback | None, debug: bool
) -> RunResult:
    """Classifies each row of `features`, float32 (rows, n); see `Driver.invoke`.

    Raises:
        InvalidParamError: a feature is not finite; nothing was run.
        InvalidModelError: the library refused.
    """
    start = perf_counter()
    check_finite(features)
    outputs = {tensor.name: np.zeros((len(features), *tensor.sample_shape), tensor.dtype) for tensor in info.outputs}
    batch = library.batch(features, outputs, DEBUG if debug else 0)
    durations: list[float] = []
    exec_times: list[float] = []
    if callback is None:
        _run_all(library, batch, set(outputs) != {"classification"}, len(features), durations)
        finish(outputs, batch, slice(None))
    else:
        nodes = _nodes(library) if Mode.PER_LAYER in mode else ()
        _run_called_back(library, batch, outputs, callback, nodes, durations, exec_times)
    done = len(durations)
    # Copied where rows are left over, so that these do not stay in memory.
    rows = tuple(array if done == len(features) else array[:done].copy() for array in outputs.values())
    return RunResult(
        info=info,
        mode=mode,
        outputs=() if Mode.PERF_ONLY in mode else rows,
        durations=durations,
        source=TimeSource.HOST,
        nodes=_profiles(library, batch, done) if Mode.PER_LAYER in mode else (),
        host_duration=(perf_counter() - start) * 1e3,
        exec_times=exec_times or durations,
        warnings=_too_many_entries(outputs, done),
    )


def finish(outputs: dict[str, Array], batch: Batch, rows: slice) -> None:
    """Writes what summaries have into the outputs of some rows."""
    summaries = batch.summaries[rows]
    for name in _VALUES:
        if name in outputs:
            outputs[name][rows, 0] = summaries[name]
    for name in LISTS:
        if name in outputs:
            outputs[f"{name}_count"][rows, 0] = summaries[name]


def _run_all(library: Library, batch: Batch, has_more: bool, rows: int, durations: list[float]) -> None:
    clock, classify, take, keep = perf_counter, batch.run, batch.take, durations.append
    for row in range(rows):
        began = clock()
        returned = classify(row)
        keep((clock() - began) * 1e3)
        if returned:
            library.check(returned)
        if has_more:
            take(row)


def _run_called_back(
    library: Library,
    batch: Batch,
    outputs: dict[str, Array],
    callback: AiRunnerCallback,
    nodes: Sequence[NodeInfo],
    durations: list[float],
    exec_times: list[float],
) -> None:
    for row in range(len(batch.summaries)):
        began = perf_counter()
        callback.on_sample_begin(row)
        asked = perf_counter()
        library.check(batch.run(row))
        durations.append((perf_counter() - asked) * 1e3)
        batch.take(row)
        finish(outputs, batch, slice(row, row + 1))
        for number, node in enumerate(nodes):
            logs: dict[str, Any] = {"shape": [], "m_id": node.m_id, "layer_type": node.type_id}
            us = int(batch.summaries[row][f"{node.name}_us"])
            callback.on_node_begin(number, [], dict(logs))
            callback.on_node_end(number, [], {**logs, "dur": us / 1e3} if us > 0 else logs)
        answer = callback.on_sample_end(row, [array[row] for array in outputs.values()], {"dur": durations[-1]})
        exec_times.append((perf_counter() - began) * 1e3)
        if answer is False:
            break


def _nodes(library: Library) -> tuple[NodeInfo, ...]:
    names = stage_names(library)
    return tuple(NodeInfo(name, m_id=k, type_id=0, type_name=name, outputs=()) for k, name in enumerate(names))


def _profiles(library: Library, batch: Batch, done: int) -> tuple[NodeProfile, ...]:
    """One a stage; without durations where a sample has none: a stage of 0 us was not measured."""
    found = []
    for node in _nodes(library):
        times = batch.summaries[f"{node.name}_us"][:done]
        measured = bool((times > 0).all())
        found.append(
            NodeProfile(
                node,
                durations=(times / 1e3).tolist() if measured else (),
                source=TimeSource.DEVICE if measured else None,
                extra={"resolution_ms": 0.001},
            )
        )
    return tuple(found)


def _too_many_entries(outputs: dict[str, Array], done: int) -> tuple[str, ...]:
    return tuple(
        f"{name}: a result has {most} entries, the first {MAX_BOXES} are kept"
        for name in LISTS
        if name in outputs and done and (most := int(outputs[f"{name}_count"][:done].max())) > MAX_BOXES
    )
