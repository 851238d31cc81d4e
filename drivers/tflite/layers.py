"""Looking into a model: a second interpreter that keeps every tensor, and what it shows of each operator.

Keeping all tensors changes how a runtime plans memory and which operators it fuses, and in some versions even results
(tensorflow issues 79355 and 66358, LiteRT issue 413). So outputs are never taken from this interpreter; they are
compared with those of the plain one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ai_runner.driver import AiRunnerCallback, listens_to_nodes
from ai_runner.drivers.tflite.description import is_numeric, node_info, numeric_outputs
from ai_runner.drivers.tflite.execution import Array, Execution
from ai_runner.drivers.tflite.operator_times import constant_tensors, operator_times
from ai_runner.model import NodeInfo
from ai_runner.profile import NodeProfile, TimeSource
from ai_runner.tflite_model import TfliteModel

_OVERWRITTEN = (
    "tflite-runtime overwrites the operand of in-place operators such as ADD: the data of the layer before one is wrong"
)


class Layers:
    """The operators of a model: description and time, measured once, on the first sample.

    Args:
        model: the model.
        execution: of this model, with all tensors preserved; has just run a sample.
        kernels, threads: what `execution` was made with.

    Attributes:
        nodes: one an operator, in the order of the file.
        times: ms, one an operator; None where it is not known.
        inputs: numbers of the computed tensors that each operator reads.
        outputs: numbers of the tensors that each operator writes; empty where the runtime does not hold them.
        model_outputs: numbers of the model's outputs.
    """

    def __init__(self, model: TfliteModel, execution: Execution, kernels: str, threads: int | None) -> None:
        self.execution = execution
        self._model = model
        # XNNPACK unpacks constants by itself and leaves the tensors of the operators that did it unwritten.
        hidden = constant_tensors(model) if execution.delegated() else frozenset[int]()
        shapes: dict[int, tuple[int, ...]] = {}
        self.model_outputs = model.outputs
        self.outputs: list[tuple[int, ...]] = []
        for index in range(len(model.operators)):
            numbers = numeric_outputs(model, index)
            values = {i: execution.tensor(i) for i in numbers if i not in hidden}
            shapes |= {i: value.shape for i, value in values.items() if value is not None}
            self.outputs.append(numbers if all(values.get(i) is not None for i in numbers) else ())
        self.inputs = [
            tuple(i for i in operator.inputs if i >= 0 and i not in hidden and self._is_computed(i))
            for operator in model.operators
        ]
        self.nodes: tuple[NodeInfo, ...] = tuple(node_info(model, i, shapes) for i in range(len(model.operators)))
        self.times = operator_times(
            model,
            execution.tensor,
            lambda single: execution.runtime.allocate(single, kernels, threads, False, model.path),
        )

    def _is_computed(self, tensor: int) -> bool:
        return self._model.tensors[tensor].data is None and is_numeric(self._model, tensor)

    def values(self, tensors: Sequence[int]) -> list[Array]:
        """Copies of tensors after a run; what the runtime does not hold is left out."""
        found = (self.execution.tensor(i) for i in tensors)
        return [value for value in found if value is not None]


class LayerRun:
    """One batch looked into, sample by sample: `prepare`, the plain run, `look`.

    Args:
        layers: of the model.
        batch: samples in the batch.
        with_data: collect what every operator writes.
        callback: hears of every operator when it listens to nodes.
        keep_state: variables have to be taken over from the plain interpreter before each sample.
        names: of the model's outputs.
    """

    def __init__(
        self,
        layers: Layers,
        batch: int,
        with_data: bool,
        callback: AiRunnerCallback | None,
        keep_state: bool,
        names: Sequence[str],
    ) -> None:
        self._layers = layers
        self._data = LayerData(layers, batch) if with_data else None
        self._callback = callback if listens_to_nodes(callback) else None
        self._keep_state = keep_state
        self._difference = OutputDifference(names)
        self._looks = self._data is not None or self._callback is not None

    def prepare(self, plain: Execution) -> None:
        """Before the plain run of a sample."""
        if self._looks and self._keep_state:
            plain.copy_state_to(self._layers.execution)

    def look(self, index: int, sample: Sequence[Array], outputs: Sequence[Array]) -> None:
        """After the plain run of sample `index`, which gave `outputs`."""
        if not self._looks:
            return
        layers = self._layers
        layers.execution.run(sample)
        if outputs:
            self._difference.add(outputs, [layers.execution.tensor(i) for i in layers.model_outputs])
        written = [layers.values(tensors) for tensors in layers.outputs]
        if self._data is not None:
            self._data.store(index, written)
        if self._callback is not None:
            self._tell(self._callback, written)

    def profiles(self, samples: int) -> tuple[NodeProfile, ...]:
        """One profile an operator, of the first `samples` samples; each has the operator's one time."""
        data = None if self._data is None else self._data.arrays(samples)
        return tuple(
            NodeProfile(
                info=node,
                durations=() if time is None else (time,) * samples,
                source=None if time is None else TimeSource.ISOLATED,
                data=() if data is None else data[index],
            )
            for index, (node, time) in enumerate(zip(self._layers.nodes, self._layers.times, strict=True))
        )

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the layers must know."""
        if not self._looks:
            return ()
        overwritten = [_OVERWRITTEN] if self._layers.execution.runtime.overwrites_operands else []
        return (*overwritten, *self._difference.warnings(), *(self._data.warnings if self._data is not None else ()))

    def _tell(self, callback: AiRunnerCallback, written: Sequence[list[Array]]) -> None:
        for index, node in enumerate(self._layers.nodes):
            logs: dict[str, Any] = {
                "shape": [list(tensor.shape) for tensor in node.outputs],
                "m_id": node.m_id,
                "layer_type": node.type_id,
            }
            callback.on_node_begin(index, self._layers.values(self._layers.inputs[index]), dict(logs))
            time = self._layers.times[index]
            if time is not None:
                logs["dur"] = time
            callback.on_node_end(index, written[index], logs)


class LayerData:
    """The tensors that operators write, collected over a batch.

    A tensor whose shape changes from sample to sample has no place in an array: its operator is left without data and
    `warnings` says so.
    """

    def __init__(self, layers: Layers, batch: int) -> None:
        self._layers = layers
        self._arrays: list[tuple[Array, ...]] = [
            tuple(np.empty((batch, *t.sample_shape), t.dtype) for t in node.outputs) if numbers else ()
            for node, numbers in zip(layers.nodes, layers.outputs, strict=True)
        ]
        self.warnings: list[str] = []

    def store(self, sample: int, values: Sequence[Sequence[Array]]) -> None:
        """Takes over what every operator wrote in `sample`."""
        for index, arrays in enumerate(self._arrays):
            node = self._layers.nodes[index]
            for array, tensor, value in zip(arrays, node.outputs, values[index], strict=False):
                if value.shape != tensor.shape:
                    self._arrays[index] = ()
                    self.warnings.append(f"{node.name}: its shape changes from sample to sample, so it has no data")
                    break
                array[sample] = value.reshape(tensor.sample_shape)

    def arrays(self, samples: int) -> list[tuple[Array, ...]]:
        """One tuple an operator, of the first `samples` samples."""
        return [tuple(a if len(a) == samples else a[:samples].copy() for a in arrays) for arrays in self._arrays]


class OutputDifference:
    """How far the outputs of the interpreter that keeps all tensors are from the plain ones."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._largest = [0.0] * len(names)
        self._samples = [0] * len(names)

    def add(self, plain: Sequence[Array], kept: Sequence[Array | None]) -> None:
        """Compares the outputs of one sample."""
        for k, (a, b) in enumerate(zip(plain, kept, strict=True)):
            difference = 0.0 if b is None else _largest_difference(a, b)
            self._largest[k] = max(self._largest[k], difference)
            self._samples[k] += difference > 0

    def warnings(self) -> list[str]:
        """One line for every output that differs."""
        return [
            f"keeping all tensors changes output {name!r} by up to {largest:g} in {samples} samples: the layers' data "
            "may be off likewise, the outputs returned are those of the plain run"
            for name, largest, samples in zip(self._names, self._largest, self._samples, strict=True)
            if samples
        ]


def _largest_difference(a: Array, b: Array) -> float:
    """Largest absolute difference; infinite for different shapes and for NaN beside a number."""
    if a.shape != b.shape:
        return np.inf
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return 0.0
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    difference[(a == b) | ((a != a) & (b != b))] = 0.0  # infinity or NaN beside itself
    return float(np.max(np.nan_to_num(difference, nan=np.inf, posinf=np.inf)))
