"""What a board reports of its nodes while it runs: collected over the samples of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.stm32.node_types import m_id_of, node_name, type_name
from ai_runner.drivers.stm32.protocol import LogMessage, NodeReport, Tensor
from ai_runner.drivers.stm32.protocol.codes import TensorFlag
from ai_runner.drivers.stm32.tensors import Receiver, tensor_info, unique_names
from ai_runner.errors import InvalidMsgError
from ai_runner.model import NodeInfo, TensorInfo, TensorRole
from ai_runner.profile import NodeProfile, TimeSource

_NODE_LOG = "s:node:"
_CYCLES = "mcu_cycles"
_Mark = tuple[int, int, dict[str, int]]


@dataclass
class _Node:
    """A node as its first sample described it, and what was measured so far."""

    report: NodeReport
    infos: list[TensorInfo] = field(default_factory=list)
    receivers: list[Receiver | None] = field(default_factory=list)
    durations: list[float | None] = field(default_factory=list)
    counters: list[tuple[int, ...]] = field(default_factory=list)
    extra: dict[str, list[list[str]]] = field(default_factory=dict)

    def mark(self) -> _Mark:
        """How much has been collected."""
        return len(self.durations), len(self.counters), {key: len(values) for key, values in self.extra.items()}

    def forget(self, mark: _Mark) -> None:
        """Drops what came after `mark`."""
        durations, counters, extra = mark
        del self.durations[durations:], self.counters[counters:]
        for key, values in self.extra.items():
            del values[extra.get(key, 0) :]


class NodeCollector:
    """Collects the nodes of one batch, fed with the events of each sample in turn.

    Args:
        runtime: `codes.Runtime` of the model, which gives layer types their names.
        batch: samples at most.
        callback: called for every node; what it raises is kept in `failure`, and it is not called again.
    """

    def __init__(self, runtime: int, batch: int, callback: AiRunnerCallback | None) -> None:
        self.failure: BaseException | None = None
        self._runtime = runtime
        self._batch = batch
        self._callback = callback
        self._nodes: list[_Node] = []
        self._sample = 0
        self._index = -1
        self._tensor = 0
        self._pending_logs: list[list[str]] = []
        self._called: set[tuple[str, int]] = set()
        self._marks: list[_Mark] = []

    def begin_sample(self, sample: int) -> None:
        """The next events are those of number `sample`."""
        self._sample, self._index, self._tensor = sample, -1, 0
        self._pending_logs.clear()
        self._called.clear()
        self._marks = [node.mark() for node in self._nodes]

    def begin_again(self) -> None:
        """The same sample from its start: what has been collected of it is forgotten, callbacks are not repeated."""
        self._index, self._tensor = -1, 0
        self._pending_logs.clear()
        del self._nodes[len(self._marks) :]
        for node, mark in zip(self._nodes, self._marks, strict=True):
            node.forget(mark)

    def tensors(self) -> list[bytes]:
        """Those of the sample that has ended."""
        receivers = (receiver for node in self._nodes for receiver in node.receivers)
        return [receiver.array[self._sample].tobytes() for receiver in receivers if receiver is not None]

    def log(self, message: LogMessage) -> None:
        """Keeps a line ``s:node:<counter>:<values>``, which describes the node to come."""
        if message.text.startswith(_NODE_LOG):
            self._pending_logs.append(message.text.removeprefix(_NODE_LOG).split(":"))

    def node(self, report: NodeReport) -> None:
        """A node has run; its tensors follow."""
        self._end_node()
        self._index, self._tensor = self._index + 1, 0
        if self._sample == 0:
            self._nodes.append(_Node(report))
        elif self._index >= len(self._nodes) or not _same(report, self._nodes[self._index].report):
            raise InvalidMsgError(f"node {self._index} of sample {self._sample} was not there in the first sample")
        node = self._nodes[self._index]
        node.durations.append(report.duration)
        if report.counters:
            node.counters.append(report.counters)
        for counter, *values in self._pending_logs:
            node.extra.setdefault(counter, []).append(values)
        self._pending_logs.clear()
        if self._callback is not None:
            self._call("on_node_begin", [], self._logs(node, None))

    def tensor(self, tensor: Tensor) -> None:
        """A tensor of the last node."""
        node = self._nodes[self._index]
        k, self._tensor = self._tensor, self._tensor + 1
        # Without data, v2 leaves the elements away or sends none; v3 says so with a flag.
        data = tensor.data or None
        if self._sample == 0:
            name = tensor.desc.name or f"ai_tens_n_{self._index}_{k}"
            role = TensorRole.OUTPUT if tensor.desc.flags & TensorFlag.OUTPUT else TensorRole.INTERNAL
            info = tensor_info(tensor.desc, name, role, f"N.{self._index}.{k}")
            node.infos.append(info)
            node.receivers.append(None if data is None else Receiver(info, self._batch))
        elif k >= len(node.receivers):
            raise InvalidMsgError(f"node {self._index} has more tensors than in the first sample", retryable=True)
        receiver = node.receivers[k]
        if receiver is not None:
            receiver.take(self._sample, data)

    def end_sample(self) -> float | None:
        """All nodes have run; returns the sum of their times in ms, None where one was not measured.

        Raises:
            InvalidMsgError: there were more nodes in the first sample.
        """
        self._end_node()
        if self._index + 1 != len(self._nodes):
            raise InvalidMsgError(
                f"{self._index + 1} nodes in sample {self._sample}, {len(self._nodes)} in the first one", retryable=True
            )
        total = 0.0
        for node in self._nodes:
            spent = node.durations[-1]
            if spent is None:
                return None
            total += spent
        return total if self._nodes else None

    def profiles(self, samples: int, source: TimeSource) -> tuple[NodeProfile, ...]:
        """One profile a node for the first `samples` samples, whose times are from `source`."""
        names = unique_names(node_name(self._runtime, node.report, number) for number, node in enumerate(self._nodes))
        tensor_names = iter(unique_names(info.name for node in self._nodes for info in node.infos))
        return tuple(
            self._profile(node, name, [next(tensor_names) for _ in node.infos], samples, source)
            for node, name in zip(self._nodes, names, strict=True)
        )

    def _profile(
        self, node: _Node, name: str, tensor_names: Sequence[str], samples: int, source: TimeSource
    ) -> NodeProfile:
        report = node.report
        durations = [spent for spent in node.durations if spent is not None]
        measured = len(durations) == samples
        arrays = [receiver.array for receiver in node.receivers if receiver is not None]
        if len(arrays) < len(node.infos):
            arrays = []  # a firmware may hold back some tensors of a node: then there is nothing to compare them with
        infos = [_renamed(info, each) for info, each in zip(node.infos, tensor_names, strict=True)]
        number, kind = type_name(self._runtime, report.layer_type)
        return NodeProfile(
            info=NodeInfo(name, m_id_of(self._runtime, report.id), number, kind, tuple(infos)),
            durations=durations if measured else (),
            source=source if measured else None,
            data=tuple(array if samples == self._batch else array[:samples].copy() for array in arrays),
            counters_type=counter_type_name(report.counter_type) if node.counters else "",
            counters=node.counters,
            clks=_clocks(node.extra.get(_CYCLES, []), samples),
            extra={**node.extra, **_usage(report)},
        )

    def _end_node(self) -> None:
        if self._callback is None or self._index < 0:
            return
        node = self._nodes[self._index]
        i = self._sample
        data = [receiver.array[i : i + 1].copy() for receiver in node.receivers if receiver is not None]
        self._call("on_node_end", data, self._logs(node, node.durations[-1]))

    def _call(self, event: str, data: list[Array], logs: dict[str, Any]) -> None:
        if (event, self._index) in self._called:
            return
        self._called.add((event, self._index))
        try:
            getattr(self._callback, event)(self._index, data, logs)
        except BaseException as error:  # raised again when the board has finished the sample
            self.failure, self._callback = error, None

    def _logs(self, node: _Node, spent: float | None) -> dict[str, Any]:
        report = node.report
        number, _ = type_name(self._runtime, report.layer_type)
        logs: dict[str, Any] = {
            "shape": [info.shape for info in node.infos],
            "m_id": m_id_of(self._runtime, report.id),
            "layer_type": number,
        }
        return logs if spent is None else {**logs, "dur": spent}


def _clocks(lines: Sequence[Sequence[str]], samples: int) -> list[list[int]]:
    """The values of ``s:node:mcu_cycles:<values>`` as numbers, where every sample has its line of them."""
    if len(lines) < samples or not all(value.isascii() and value.isdigit() for line in lines for value in line):
        return []
    return [[int(value) for value in line] for line in lines[:samples]]


def counter_type_name(number: int) -> str:
    """What the counters of a node or a run count."""
    return "CPU cycles" if number == 0 else f"type {number}"


def _same(report: NodeReport, first: NodeReport) -> bool:
    return (report.name, report.layer_type, report.id) == (first.name, first.layer_type, first.id)


def _renamed(info: TensorInfo, name: str) -> TensorInfo:
    return info if info.name == name else replace(info, name=name)


def _usage(report: NodeReport) -> dict[str, int]:
    usage = {"stack_usage": report.stack_used, "heap_usage": report.heap_used}
    return {key: used for key, used in usage.items() if used is not None}
