"""What one run measured and returned: frozen, turned into AiRunner's profiler dict only at the edge (`to_dict`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compat_dict import profiler_dict
from ai_runner.model import Mode, ModelInfo, NodeInfo

Array = npt.NDArray[Any]


class TimeSource(StrEnum):
    """Where a time comes from."""

    DEVICE = "device"  # a counter of the target
    HOST = "host"  # the host's clock around the call
    BATCH_MEAN = "batch_mean"  # the host's clock around a native batch, divided by its samples
    ISOLATED = "isolated"  # estimated from the operator run alone
    SIMULATED = "simulated"  # an emulator's clock


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class NodeProfile:
    """What one node did during a run.

    Attributes:
        info: the node.
        durations: ms, one a sample; empty when not measured.
        source: where the durations come from; None when there are none.
        data: one array a tensor, ``(batch,) + sample_shape``; empty without data.
        counters: values of hardware counters, one list a sample, under `counters_type`.
        clks, extra: as ST's profiler reports them.
    """

    info: NodeInfo
    durations: Sequence[float] = ()
    source: TimeSource | None = None
    data: tuple[Array, ...] = ()
    counters_type: str = ""
    counters: Sequence[Sequence[int]] = ()
    clks: Sequence[Sequence[int]] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RunResult:
    """Outputs and measurements of one batch.

    Attributes:
        info: the model as described by its runtime.
        mode: what was really done.
        outputs: one array an output, ``(batch,) + sample_shape``; empty under PERF_ONLY.
        durations: ms, one a sample.
        source: where `durations` come from.
        nodes: in execution order; empty unless PER_LAYER.
        host_duration: ms, the whole batch as the host saw it.
        exec_times: ms a sample as the host saw it, callbacks included; empty where the runtime looped by itself.
        counters_type, counters: hardware counters, one list a sample.
        stack_usage, heap_usage: bytes, None when unknown.
        warnings: what a reader of these numbers must know, one line each.
    """

    info: ModelInfo
    mode: Mode
    outputs: tuple[Array, ...]
    durations: Sequence[float]
    source: TimeSource
    nodes: tuple[NodeProfile, ...] = ()
    host_duration: float = 0.0
    exec_times: Sequence[float] = ()
    counters_type: str = ""
    counters: Sequence[Sequence[int]] = ()
    stack_usage: int | None = None
    heap_usage: int | None = None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The profiler dict of AiRunner 2.0, made afresh: changing it changes nothing else."""
        return profiler_dict(self)


def joined_results(results: Sequence[RunResult]) -> RunResult:
    """One result of consecutive batches of one model and mode; counters and clks of nodes are joined as well."""
    first = results[0]
    if len(results) == 1:
        return first
    nodes = []
    for same in zip(*(result.nodes for result in results), strict=True):
        nodes.append(
            replace(
                same[0],
                durations=[ms for node in same for ms in node.durations],
                data=_joined([node.data for node in same]),
                counters=[counts for node in same for counts in node.counters],
                clks=[clks for node in same for clks in node.clks],
            )
        )
    return replace(
        first,
        outputs=_joined([result.outputs for result in results]),
        durations=[ms for result in results for ms in result.durations],
        nodes=tuple(nodes),
        host_duration=sum(result.host_duration for result in results),
        exec_times=[ms for result in results for ms in result.exec_times],
        counters=[counts for result in results for counts in result.counters],
        warnings=tuple(dict.fromkeys(text for result in results for text in result.warnings)),
    )


def _joined(parts: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
