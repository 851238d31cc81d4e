"""Looking into a model: sessions of the executed graph that write a profile and return what its nodes write.

A profile of ONNX Runtime can be read when its session has ended, so there is one session for every batch, and a new one
before the profile gets long. Outputs are never taken from these sessions; they are compared with the plain ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.onnx.description import node_infos, tensor_info
from ai_runner.drivers.onnx.execution import Execution
from ai_runner.drivers.onnx.model import Array, OnnxModel, writers
from ai_runner.drivers.onnx.profile import ProfileFile, kernel_times
from ai_runner.drivers.onnx.quantization import quantizations
from ai_runner.drivers.onnx.runtime import Runtime
from ai_runner.model import NodeInfo, TensorInfo, TensorRole
from ai_runner.profile import NodeProfile, TimeSource
from ai_runner.rerun import MODEL_INPUT, TensorPlace

_EVENTS = 10_000  # of kernels in one profile, about a kilobyte each


class Layers:
    """The nodes of a model as they are executed, described by a run on one sample.

    Attributes:
        nodes: in execution order; what does not depend on an input is not counted among their outputs.
        outputs: names of the tensors that each node writes, as `nodes` describes them.
        inputs: names of the tensors that each node reads and that some node or the caller has written.
    """

    def __init__(
        self, runtime: Runtime, original: OnnxModel, executed: OnnxModel, inputs: Sequence[str], sample: Sequence[Array]
    ) -> None:
        """Runs `sample`; `inputs` are the names of the model's inputs.

        Raises:
            InvalidModelError: the runtime refuses to show the tensors.
        """
        self._runtime, self._executed = runtime, executed
        self._written: tuple[tuple[str, ...], bytes] | None = None
        computed = [[t for t in node.outputs if t and t not in executed.constants] for node in executed.nodes]
        values = self._values([name for names in computed for name in names], sample)
        meanings = quantizations(original) | quantizations(executed)
        described: list[list[TensorInfo]] = []
        self.outputs: list[list[str]] = []
        for position, names in enumerate(computed):
            shown = [name for name in names if name in values]
            self.outputs.append(shown)
            described.append(
                [
                    tensor_info(
                        name,
                        values[name].shape,
                        values[name].dtype,
                        meanings.get(name),
                        TensorRole.INTERNAL,
                        f"N.{position}.{k}",
                    )
                    for k, name in enumerate(shown)
                ]
            )
        known = writers(original)
        ids = [max((known.get(name, -1) for name in node.outputs), default=-1) for node in executed.nodes]
        places: dict[str, TensorPlace] = {name: (MODEL_INPUT, k) for k, name in enumerate(inputs)}
        places |= {name: (node, k) for node, names in enumerate(self.outputs) for k, name in enumerate(names)}
        self.inputs = [[name for name in node.inputs if name in places] for node in executed.nodes]
        reads = [[places[name] for name in dict.fromkeys(names)] for names in self.inputs]
        self.nodes: tuple[NodeInfo, ...] = node_infos(executed.nodes, ids, described, reads)

    def session(self, outputs: Sequence[str], tensors: Sequence[str], profile: Path | None) -> Execution:
        """A session of the executed graph that returns `outputs`, which it has, and inner `tensors` besides."""
        if self._written is None or self._written[0] != tuple(tensors):
            self._written = tuple(tensors), self._executed.observable(tensors)
        session = self._runtime.session(self._written[1], self._executed.path, "none", profile=profile)
        return Execution(self._runtime, session, [*outputs, *tensors], self._executed.path)

    def _values(self, names: Sequence[str], sample: Sequence[Array]) -> dict[str, Array]:
        # Asked for no tensor, the runtime would give all outputs.
        values = self.session((), names, None).run(sample)[0] if names else []
        return {
            name: value
            for name, value in zip(names, values, strict=True)
            if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size
        }


class LayerRun:
    """One batch looked into, sample by sample; a context that leaves no file behind.

    Args:
        layers: of the model.
        batch: samples in the batch.
        inputs, outputs: names of the model's.
        with_data: collect what every node writes.
        callback: hears of every node.
    """

    def __init__(
        self,
        layers: Layers,
        batch: int,
        inputs: Sequence[str],
        outputs: Sequence[str],
        with_data: bool,
        callback: AiRunnerCallback | None,
    ) -> None:
        self._layers, self._callback = layers, callback
        self._inputs, self._outputs = inputs, outputs
        shown = [name for names in layers.outputs for name in names] if with_data or callback is not None else []
        self._tensors = list(dict.fromkeys(shown))
        self._data = _LayerData(layers, batch) if with_data else None
        self._times: list[list[float] | None] = [[] for _ in layers.nodes]
        self._samples_a_session = max(1, _EVENTS // max(1, len(layers.nodes)))
        self._session: Execution | None = None
        self._profile: ProfileFile | None = None
        self._runs = 0
        self._different = [0] * len(outputs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.end_profile()
            self._session = None
        if self._profile is not None:
            self._profile.close()

    def look(self, index: int, sample: Sequence[Array], plain: Sequence[Array]) -> None:
        """Runs sample `index` again, whose outputs were `plain`."""
        if self._session is None:
            self._profile = ProfileFile()
            self._session = self._layers.session(self._outputs, self._tensors, self._profile.prefix)
            self._profile.opened()
            self._session.run(sample)  # the first run of a session allocates memory
            self._runs = 0
        found, _ = self._session.run(sample)
        self._runs += 1
        for k, (mine, theirs) in enumerate(zip(found, plain, strict=False)):
            self._different[k] += not _same(mine, theirs)
        values = dict(zip(self._tensors, found[len(self._outputs) :], strict=True))
        if self._data is not None:
            self._data.store(index, values)
        if self._callback is not None:
            self._tell(self._callback, dict(zip(self._inputs, sample, strict=True)) | values, values)
        if self._runs >= self._samples_a_session:
            self._read_times()

    def profiles(self, samples: int) -> tuple[NodeProfile, ...]:
        """One profile a node, of the first `samples` samples."""
        self._read_times()
        data = None if self._data is None else self._data.arrays(samples)
        return tuple(
            NodeProfile(
                info=node,
                durations=() if times is None else times,
                source=None if times is None else TimeSource.HOST,
                data=() if data is None else data[position],
            )
            for position, (node, times) in enumerate(zip(self._layers.nodes, self._times, strict=True))
        )

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the layers must know."""
        changed = [
            f"looking into the model changes output {name!r} in {samples} samples: the layers' data may be off "
            "likewise, the outputs returned are those of the plain run"
            for name, samples in zip(self._outputs, self._different, strict=True)
            if samples
        ]
        return (*changed, *(self._data.warnings if self._data is not None else ()))

    def _read_times(self) -> None:
        if self._session is None or self._profile is None:
            return
        profile = self._profile.read(self._session.end_profile())
        self._session = None
        self._profile.close()
        found = kernel_times(profile, len(self._layers.nodes), self._runs + 1)
        self._times = [
            None if all_times is None or times is None else all_times + times[1:]
            for all_times, times in zip(self._times, found, strict=True)
        ]

    def _tell(self, callback: AiRunnerCallback, known: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        for position, node in enumerate(self._layers.nodes):
            logs = {
                "shape": [list(tensor.shape) for tensor in node.outputs],
                "m_id": node.m_id,
                "layer_type": node.type_id,
            }
            callback.on_node_begin(position, [known[name] for name in self._layers.inputs[position]], dict(logs))
            callback.on_node_end(position, [values[name] for name in self._layers.outputs[position]], logs)


class _LayerData:
    """The tensors that nodes write, collected over a batch.

    A tensor whose shape changes from sample to sample has no place in an array: its node is left without data and
    `warnings` says so.
    """

    def __init__(self, layers: Layers, batch: int) -> None:
        self._layers = layers
        self._arrays: list[tuple[Array, ...]] = [
            tuple(np.empty((batch, *tensor.sample_shape), tensor.dtype) for tensor in node.outputs)
            for node in layers.nodes
        ]
        self.warnings: list[str] = []

    def store(self, sample: int, values: Mapping[str, Array]) -> None:
        """Takes over what every node wrote in `sample`."""
        for position, (node, names) in enumerate(zip(self._layers.nodes, self._layers.outputs, strict=True)):
            for array, tensor, name in zip(self._arrays[position], node.outputs, names, strict=False):
                if values[name].shape != tensor.shape:
                    self._arrays[position] = ()
                    self.warnings.append(f"{node.name}: its shape changes from sample to sample, so it has no data")
                    break
                array[sample] = values[name].reshape(tensor.sample_shape)

    def arrays(self, samples: int) -> list[tuple[Array, ...]]:
        """One tuple a node, of the first `samples` samples."""
        return [tuple(a if len(a) == samples else a[:samples].copy() for a in arrays) for arrays in self._arrays]


def _same(one: Any, other: Array) -> bool:
    return isinstance(one, np.ndarray) and np.array_equal(one, other, equal_nan=other.dtype.kind == "f")
