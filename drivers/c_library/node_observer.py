"""What is collected while the nodes of a batch run: times, tensors, and the calls of a user's callback.

A library calls into Python before and after each node. An exception cannot travel through its frames, so it is kept in
`failure`, the rest of the sample passes unobserved, and the run raises it afterwards.
"""

from __future__ import annotations

import ctypes
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import numpy as np

from ai_runner.driver import AiRunnerCallback, Array, listens_to_nodes
from ai_runner.errors import InvalidModelError
from ai_runner.model import NodeInfo, TensorInfo
from ai_runner.profile import NodeProfile, TimeSource

TensorAt = tuple[TensorInfo, int]  # and the address of its bytes, valid during an event


class NodeObserver(ABC):
    """Collects one batch.

    Args:
        nodes: what is known of the nodes; a subclass may append to it while they are seen for the first time.
        batch: samples at most.
        keep_data: copy what each node writes.
        callback: its `on_node_begin` and `on_node_end` are called when it overrides one of them.

    Attributes:
        failure: the first exception raised during an event.
    """

    def __init__(self, nodes: list[NodeInfo], batch: int, keep_data: bool, callback: AiRunnerCallback | None) -> None:
        self.nodes = nodes
        self.failure: BaseException | None = None
        self._batch = batch
        self._keep_data = keep_data
        self._listener = callback if listens_to_nodes(callback) else None
        self._data: list[tuple[Array, ...]] = []
        self._targets: list[list[tuple[int, int]]] = []  # per node and tensor: address of the array, bytes a sample

    @property
    def times_only(self) -> bool:
        """True when no event needs more than a look at the clock."""
        return not self._keep_data and self._listener is None

    @abstractmethod
    def attach(self) -> None:
        """Subscribes to the events."""

    @abstractmethod
    def detach(self) -> None:
        """Ends the subscription; nothing is called afterwards."""

    @abstractmethod
    def sample_ms(self) -> float:
        """Duration of the sample that ran last."""

    @abstractmethod
    def sample_durations(self, samples: int) -> list[float]:
        """ms of each of the first `samples` samples; raises InvalidModelError when events are missing."""

    @abstractmethod
    def _node_durations(self, samples: int) -> Sequence[Sequence[float]]:
        """Per node the ms of each sample."""

    def profiles(self, samples: int) -> tuple[NodeProfile, ...]:
        """One profile a node for the first `samples` samples."""
        durations = self._node_durations(samples)
        kept = self._data or [()] * len(self.nodes)
        if samples < self._batch:
            kept = [tuple(array[:samples].copy() for array in arrays) for arrays in kept]
        return tuple(
            NodeProfile(node, times, TimeSource.HOST, data)
            for node, times, data in zip(self.nodes, durations, kept, strict=True)
        )

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Makes Ctrl-C a `failure`: raised at the beginning of an event, it would be lost and the event with it."""
        if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.check()

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.failure = KeyboardInterrupt()

    def check(self) -> None:
        """Raises what went wrong during an event."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def _begin_node(self, index: int, node: NodeInfo | None, inputs: Sequence[TensorAt]) -> None:
        if self._listener is not None:
            self._listener.on_node_begin(index, _copies(inputs), _logs(node, inputs))

    def _end_node(self, index: int, node: NodeInfo, sample: int, outputs: Sequence[TensorAt], ms: float) -> None:
        if self._keep_data:
            self._store(index, node, sample, outputs)
        if self._listener is not None:
            self._listener.on_node_end(index, _copies(outputs), {**_logs(node, outputs), "dur": ms})

    def _store(self, index: int, node: NodeInfo, sample: int, outputs: Sequence[TensorAt]) -> None:
        if index == len(self._data):
            self._data.append(tuple(np.empty((self._batch, *info.sample_shape), info.dtype) for info, _ in outputs))
            self._targets.append([(array.ctypes.data, array.nbytes // self._batch) for array in self._data[index]])
        targets = self._targets[index] if index < len(self._targets) else []
        if len(targets) != len(outputs) or not 0 <= sample < self._batch:
            raise InvalidModelError(f"the library reports node {index} of sample {sample} out of turn")
        for (target, size), (info, address) in zip(targets, outputs, strict=True):
            if not address or info.size_bytes != size:
                raise InvalidModelError(f"the library shows no data for {info.name} of {node.name}")
            ctypes.memmove(target + sample * size, address, size)


def _copies(tensors: Sequence[TensorAt]) -> list[Array]:
    """The tensors with a batch of one, in memory of their own: a user may keep them."""
    arrays = []
    for info, address in tensors:
        array = np.empty((1, *info.sample_shape), info.dtype)
        if not address:
            raise InvalidModelError(f"the library shows no data for {info.name}")
        ctypes.memmove(array.ctypes.data, address, array.nbytes)
        arrays.append(array)
    return arrays


def _logs(node: NodeInfo | None, tensors: Sequence[TensorAt]) -> dict[str, Any]:
    logs: dict[str, Any] = {"shape": [info.shape for info, _ in tensors]}
    if node is not None:
        logs |= {"m_id": node.m_id, "layer_type": node.type_id}
    return logs
