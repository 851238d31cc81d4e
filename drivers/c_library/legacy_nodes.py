"""Node events of the legacy API, through the observer library that ST's tools put beside the model.

Times are the observer's: `elapsed` of POST is the node, of PRE the gap since the previous node. A sample takes the sum
of all of them. ST's observer counts whole microseconds: where only times are wanted, the host's clock tells the rest,
from the end of our PRE callback to the beginning of our POST callback.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.c_library import legacy_abi as abi
from ai_runner.drivers.c_library.legacy_tensors import read_shape
from ai_runner.drivers.c_library.node_observer import NodeObserver, TensorAt
from ai_runner.drivers.c_library.tensors import MAX_TENSORS, quantization_of, tensor_info
from ai_runner.errors import HwIOError, InvalidModelError
from ai_runner.model import NodeInfo, TensorInfo, TensorRole
from ai_runner.shared_library.image import Image, NativeFunction
from ai_runner.st_node_types import node_type

_TICK_MS = 1e-3  # of the observer
_NS_IN_MS = 1e-6
# What the observer and two callbacks do between its clock and ours; what takes longer is no part of the node.
_BETWEEN_CLOCKS_MS = 3e-3

_REGISTER, _UNREGISTER = "ai_platform_observer_io_register", "ai_platform_observer_io_unregister"


class ObserverLibrary:
    """The two functions that subscribe to node events.

    Args:
        image: a library that exports them: the model itself or the observer library.
    """

    def __init__(self, image: Image) -> None:
        from ctypes import c_bool, c_uint32, c_void_p

        self._register: NativeFunction = image.function(_REGISTER, c_bool, (c_void_p, abi.NodeCallback, c_uint32))
        self._unregister: NativeFunction = image.function(_UNREGISTER, c_bool, (c_void_p, abi.NodeCallback))

    @staticmethod
    def exported_by(image: Image) -> bool:
        """True when `image` has both functions."""
        return image.has(_REGISTER) and image.has(_UNREGISTER)

    def register(self, handle: int, callback: NativeFunction) -> bool:
        """False when the network is not of this observer's runtime, already observed, or 20 others are."""
        return bool(self._register(handle, callback, abi.EVENT_PRE | abi.EVENT_POST))

    def unregister(self, handle: int, callback: NativeFunction) -> None:
        """Ends what `register` began."""
        self._unregister(handle, callback)

    def fits(self, handle: int) -> bool:
        """True when the network can be observed: tries it."""
        callback = abi.NodeCallback(lambda flags, event: 0)
        if not self.register(handle, callback):
            return False
        self.unregister(handle, callback)
        return True


class LegacyNodeObserver(NodeObserver):
    """Collects one batch; the nodes describe themselves in their first events."""

    def __init__(
        self,
        library: ObserverLibrary,
        handle: int,
        nodes: Sequence[NodeInfo],
        batch: int,
        keep_data: bool,
        callback: AiRunnerCallback | None,
    ) -> None:
        super().__init__(list(nodes), batch, keep_data, callback)
        self._library, self._handle = library, handle
        self._pre: list[float] = []
        self._post: list[float] = []
        self._began: list[int] = []
        self._ended: list[int] = []
        self._sample = -1
        self._callback = abi.NodeCallback(self._on_time if nodes and self.times_only else self._on_event)

    def attach(self) -> None:
        if not self._library.register(self._handle, self._callback):
            raise HwIOError(
                "the observer library refuses the network: it is observed already, or 20 others are",
                hint="disconnect other runners, or run in mode IO_ONLY",
                retryable=True,
            )

    def detach(self) -> None:
        self._library.unregister(self._handle, self._callback)

    def sample_ms(self) -> float:
        count = len(self.nodes)
        return sum(self._pre[-count:]) + sum(self._post[-count:])

    def sample_durations(self, samples: int) -> list[float]:
        self.check()
        count = samples * len(self.nodes)
        if not count or len(self._pre) != count or len(self._post) != count:
            raise InvalidModelError(
                f"the observer library reported {len(self._pre)} + {len(self._post)} events"
                f" for {samples} samples of {len(self.nodes)} nodes",
                hint="use the observer library that was generated together with the model",
            )
        durations: list[float] = (self._table(self._pre).sum(1) + self._node_table().sum(1)).tolist()
        return durations

    def _node_durations(self, samples: int) -> Sequence[Sequence[float]]:
        durations: list[list[float]] = self._node_table().T.tolist()
        return durations

    def _node_table(self) -> npt.NDArray[np.float64]:
        """ms, (samples, nodes)."""
        observed = self._table(self._post)
        if len(self._began) != len(self._post) or len(self._ended) != len(self._post):
            return observed
        return finer(observed, self._table(self._ended, np.int64) - self._table(self._began, np.int64))

    def _table(self, events: Sequence[float], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
        return np.array(events, dtype).reshape(-1, len(self.nodes))

    def _on_time(self, flags: int, event: NativeFunction) -> int:
        now = perf_counter_ns()
        try:
            if flags & abi.EVENT_POST:
                self._ended.append(now)
                self._post.append(event[0].elapsed)
            else:
                self._pre.append(event[0].elapsed)
                self._began.append(perf_counter_ns())
        except BaseException as error:
            self.failure = error
        return 0

    def _on_event(self, flags: int, event: NativeFunction) -> int:
        if self.failure is None:
            try:
                self._record(flags, event[0])
            except BaseException as error:
                self.failure = error
        return 0

    def _record(self, flags: int, event: abi.NodeEvent) -> None:
        index = event.c_idx
        if flags & abi.EVENT_PRE:
            self._sample += index == 0
            self._pre.append(event.elapsed)
            if self._listener is not None:
                inputs = [_tensor(event, index, k) for k in range(_count(event))]
                self._begin_node(index, _node(event, index, ()), inputs)
        elif flags & abi.EVENT_POST:
            self._post.append(event.elapsed)
            if index == len(self.nodes):
                outputs = [_tensor(event, index, k)[0] for k in range(_count(event))]
                self.nodes.append(_node(event, index, outputs))
            if index >= len(self.nodes) or len(self.nodes[index].outputs) != event.n_tensors:
                raise InvalidModelError(f"the library reports node {index} of {len(self.nodes)} out of turn")
            node = self.nodes[index]
            shown = [(info, event.tensors[k].data) for k, info in enumerate(node.outputs)]
            self._end_node(index, node, self._sample, shown, event.elapsed)


def finer(observed: npt.NDArray[np.float64], own: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Times of the observer in ms; where its clock counts whole microseconds, those of our own clock that agree.

    Args:
        observed: ms.
        own: ns of the same nodes, shape of `observed`.
    """
    ticks = observed / _TICK_MS
    if not np.allclose(ticks, np.rint(ticks), rtol=3e-7, atol=0.0):  # single precision
        return observed
    more = own * _NS_IN_MS - observed
    return np.where((more > -_TICK_MS) & (more < _BETWEEN_CLOCKS_MS), own * _NS_IN_MS, observed)


def _count(event: abi.NodeEvent) -> int:
    if event.n_tensors > MAX_TENSORS or (event.n_tensors and not event.tensors):
        raise InvalidModelError(f"the library reports a node with {event.n_tensors} tensors")
    return int(event.n_tensors)


def _node(event: abi.NodeEvent, index: int, outputs: Sequence[TensorInfo]) -> NodeInfo:
    type_id, type_name = node_type(event.type)
    return NodeInfo(f"ai_node_{index}", event.id, type_id, type_name, tuple(outputs))


def _tensor(event: abi.NodeEvent, index: int, k: int) -> TensorAt:
    tensor = event.tensors[k]
    name = f"ai_tens_n_{index}_{k}"
    shape = read_shape(tensor.shape, name)
    quantization = None
    if (tensor.scale, tensor.zero_point) != (1.0, 0):  # what the observer says of tensors without quantisation
        quantization = quantization_of([tensor.scale], [tensor.zero_point], shape, tensor.format)
    info = tensor_info(name, shape, tensor.format, quantization, TensorRole.INTERNAL, f"N.{index}.{k}")
    return info, tensor.data or 0
