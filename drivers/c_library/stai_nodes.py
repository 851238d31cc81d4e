"""Nodes of the st-ai API: described by ``g_<name>_details``, timed by a callback of our own.

The library reports START and STOP without an index, and the id that it passes is that of the original layer, which
several nodes may share; so START events are counted. A node lasts from the end of our START callback to the beginning
of our STOP callback on the host's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import c_float, c_int16, c_int32
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
import numpy.typing as npt

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.c_library import stai_abi as abi
from ai_runner.drivers.c_library.node_observer import NodeObserver, TensorAt
from ai_runner.drivers.c_library.tensors import (
    MAX_NODES,
    MAX_TENSORS,
    checked_count,
    quantization_of,
    read_array,
    read_text,
    tensor_info,
)
from ai_runner.errors import InvalidModelError
from ai_runner.model import NodeInfo, TensorInfo, TensorRole
from ai_runner.shared_library.image import NativeFunction
from ai_runner.st_node_types import node_type

_MS = 1e-6  # of a nanosecond
_MAX_TENSOR_INDEX = 1 << 20


@dataclass(frozen=True)
class Graph:
    """The nodes in execution order; `inputs` are the tensors that each one reads."""

    nodes: tuple[NodeInfo, ...]
    inputs: tuple[tuple[TensorInfo, ...], ...]


def read_graph(address: int) -> Graph:
    """Reads ``g_<name>_details``; raises InvalidModelError for counts or indices that cannot be."""
    details = abi.NetworkDetails.from_address(address)
    count = details.n_nodes
    checked_count(count, details.nodes, MAX_NODES, "nodes")
    nodes, inputs = [], []
    described = (abi.NodeDetails * count).from_address(details.nodes) if count else ()
    for index, node in enumerate(described):
        type_id, type_name = node_type(node.type)
        inputs.append(_tensors(details, node.inputs, f"N.{index}.in"))
        outputs = _tensors(details, node.outputs, f"N.{index}")
        nodes.append(NodeInfo(f"ai_node_{index}", node.id, type_id, type_name, outputs))
    return Graph(tuple(nodes), tuple(inputs))


def read_tensor(
    tensor: abi.Tensor, name: str, role: TensorRole, tag: str, pool: str = "", address: int = 0
) -> TensorInfo:
    """A tensor of the library; `name` is used where it has none."""
    name = read_text(tensor.name) or name
    shape = tuple(
        int(d) for d in read_array(tensor.shape.data, tensor.shape.size, c_int32, f"dimensions of {name}", 16)
    )
    scale = read_array(tensor.scale.data, tensor.scale.size, c_float, f"scales of {name}")
    zeros = read_array(tensor.zero_point.data, tensor.zero_point.size, c_int16, f"zero points of {name}")
    return tensor_info(
        name,
        shape,
        tensor.format,
        quantization_of(scale, [int(z) for z in zeros], shape, tensor.format),
        role,
        tag,
        size_bytes=tensor.size_bytes,
        memory_pool=pool,
        address=address,
    )


def _tensors(details: abi.NetworkDetails, listed: abi.Array, tag: str) -> tuple[TensorInfo, ...]:
    found = []
    for k, index in enumerate(read_array(listed.data, listed.size, c_int32, f"tensors of node {tag}", MAX_TENSORS)):
        if not 0 <= index < _MAX_TENSOR_INDEX or not details.tensors:
            raise InvalidModelError(f"the library refers to tensor {index} in node {tag}")
        tensor = (abi.Tensor * (int(index) + 1)).from_address(details.tensors)[int(index)]
        found.append(
            read_tensor(tensor, f"stai_tens_n_{tag[2:]}_{k}".replace(".", "_"), TensorRole.INTERNAL, f"{tag}.{k}")
        )
    return tuple(found)


class StaiNodeObserver(NodeObserver):
    """Collects one batch.

    Args:
        graph: the nodes.
        subscribe: makes a callback the network's, None ends that.
    """

    def __init__(
        self,
        graph: Graph,
        subscribe: Callable[[NativeFunction | None], None],
        batch: int,
        keep_data: bool,
        callback: AiRunnerCallback | None,
    ) -> None:
        super().__init__(list(graph.nodes), batch, keep_data, callback)
        self._graph, self._subscribe = graph, subscribe
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._callback = abi.TimeCallback(self._on_time) if self.times_only else abi.NodeCallback(self._on_event)

    def attach(self) -> None:
        self._subscribe(self._callback)

    def detach(self) -> None:
        self._subscribe(None)

    def sample_ms(self) -> float:
        count = len(self.nodes)
        return (sum(self._stops[-count:]) - sum(self._starts[-count:])) * _MS

    def sample_durations(self, samples: int) -> list[float]:
        self.check()
        durations: list[float] = self._table(samples).sum(1).tolist()
        return durations

    def _node_durations(self, samples: int) -> Sequence[Sequence[float]]:
        durations: list[list[float]] = self._table(samples).T.tolist()
        return durations

    def _table(self, samples: int) -> npt.NDArray[np.float64]:
        """ms, (samples, nodes)."""
        count = samples * len(self.nodes)
        if len(self._starts) != count or len(self._stops) != count:
            raise InvalidModelError(
                f"the library reported {len(self._starts)} + {len(self._stops)} events"
                f" for {samples} samples of {len(self.nodes)} nodes",
                hint="its description does not belong to its code: generate it again",
            )
        spent: npt.NDArray[np.float64] = (np.array(self._stops) - np.array(self._starts)) * _MS
        return spent.reshape(samples, -1)

    def _on_time(self, cookie: int | None, event: int, payload: int | None) -> None:
        try:
            (self._starts if event == abi.EVENT_START else self._stops).append(perf_counter_ns())
        except BaseException as error:
            self.failure = error

    def _on_event(self, cookie: int | None, event: int, payload: NativeFunction) -> None:
        now = perf_counter_ns()
        if self.failure is None:
            try:
                self._record(event, payload[0].buffers, now)
            except BaseException as error:
                self.failure = error
        if event == abi.EVENT_START:
            self._starts.append(perf_counter_ns())

    def _record(self, event: int, buffers: abi.Addresses, now: int) -> None:
        if event == abi.EVENT_START:
            index = len(self._starts) % len(self.nodes)
            if self._listener is not None:
                self._begin_node(index, self.nodes[index], _shown(self._graph.inputs[index], buffers, index))
            return
        self._stops.append(now)
        sample, index = divmod(len(self._starts) - 1, len(self.nodes))
        node = self.nodes[index]
        ms = (now - self._starts[-1]) * _MS if self._starts else 0.0
        self._end_node(index, node, sample, _shown(node.outputs, buffers, index), ms)


def _shown(tensors: Sequence[TensorInfo], buffers: abi.Addresses, index: int) -> list[TensorAt]:
    if buffers.size != len(tensors) or (tensors and not buffers.data):
        raise InvalidModelError(
            f"the library shows {buffers.size} tensors of node {index}, {len(tensors)} are described"
        )
    return [(info, buffers.data[k] or 0) for k, info in enumerate(tensors)]
