"""Running single operators again, by every kernel set of the runtime.

Each kernel set gets an interpreter of its own for the operators that are cut out, made when first asked for and kept:
a validation asks for the same layers chunk after chunk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ai_runner.drivers.tflite.description import is_numeric, numeric_outputs
from ai_runner.drivers.tflite.execution import Array, run_batch
from ai_runner.drivers.tflite.operator_times import constant_tensors
from ai_runner.drivers.tflite.real_arithmetic import RealArithmetic
from ai_runner.drivers.tflite.runtime import KERNELS, Runtime
from ai_runner.errors import InvalidModelError
from ai_runner.quantization import Quantization
from ai_runner.rerun import MODEL_INPUT, MODEL_OUTPUTS, Rerun, TensorPlace
from ai_runner.tflite_model import TfliteModel

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Cut:
    """Some operators as a model: tensor numbers in the order of its inputs and outputs, an interpreter a kernel set."""

    raw: bytes
    operators: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    interpreters: Mapping[str, Any]


class Rerunner:
    """The operators of one model."""

    def __init__(self, model: TfliteModel, runtime: Runtime, threads: int | None) -> None:
        self._model = model
        self._runtime = runtime
        self._threads = threads
        self._constant = constant_tensors(model)
        self._producer = {i: operator.index for operator in model.operators for i in operator.outputs if i >= 0}
        self._cuts: dict[tuple[int, tuple[int, ...]], _Cut | None] = {}
        self._real_arithmetic = RealArithmetic(model, runtime, threads)

    def run(self, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        """See `Driver.rerun`."""
        places = {number: place for place in recorded if (number := self._number(place)) is not None}
        cut = self._cut(node, places)
        if cut is None:
            return None
        inputs = {number: self._shaped(number, recorded[places[number]]) for number in cut.inputs}
        outputs = {}
        for kernels, interpreter in cut.interpreters.items():
            try:
                results = _without_batches_of_one(run_batch(interpreter, inputs, cut.outputs))
            except (ValueError, RuntimeError) as error:
                _log.debug("%s: node %d on %s kernels: %s", self._model.path, node, kernels, error)
            else:
                outputs[kernels] = results if inputs else _for_every_sample(results, recorded)
        if not outputs:
            return None
        computing = [i for i in cut.operators if not self._constant.issuperset(self._model.operators[i].outputs)]
        read = tuple(places[number] for number in cut.inputs)
        once = partial(self._rounded_once, cut, inputs)
        return Rerun(outputs, len(computing), read, cut.raw, once, self._stored_as(cut))

    def _rounded_once(self, cut: _Cut, inputs: Mapping[int, Array]) -> tuple[Array, ...]:
        return _without_batches_of_one(self._real_arithmetic.run(cut.operators, inputs, cut.outputs))

    def _stored_as(self, cut: _Cut) -> tuple[Quantization | None, ...]:
        """The quantization of what DEQUANTIZE makes real at the end of a cut."""
        made = [self._model.operators[self._producer[number]] for number in cut.outputs]
        return tuple(
            self._model.tensors[operator.inputs[0]].quantization
            if operator.name == "DEQUANTIZE" and self._producer.get(operator.inputs[0]) in cut.operators
            else None
            for operator in made
        )

    def _number(self, place: TensorPlace) -> int | None:
        """The number of a tensor in the file; None where there is none."""
        node, output = place
        if node >= len(self._model.operators):
            return None
        numbers = self._model.inputs if node == MODEL_INPUT else numeric_outputs(self._model, node)
        return numbers[output] if output < len(numbers) else None

    def _outputs(self, node: int) -> tuple[int, ...]:
        """The tensors that are asked for."""
        return self._model.outputs if node == MODEL_OUTPUTS else numeric_outputs(self._model, node)

    def _shaped(self, number: int, batch: Array) -> Array:
        tensor = self._model.tensors[number]
        return np.ascontiguousarray(batch, tensor.dtype).reshape(len(batch), *(abs(d) for d in tensor.shape))

    def _cut(self, node: int, recorded: Iterable[int]) -> _Cut | None:
        found = self._needed(node, set(recorded))
        if found is None:
            return None
        operators, inputs = found
        key = (node, inputs)
        if key not in self._cuts:
            self._cuts[key] = self._make_cut(node, operators, inputs)
        return self._cuts[key]

    def _needed(self, node: int, recorded: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The operators that compute the outputs of `node` from recorded tensors, and which of those they read."""
        wanted = self._outputs(node)
        operators, inputs, open_ends = set[int](), set[int](), list(wanted)
        while open_ends:
            number = open_ends.pop()
            if number < 0 or self._model.tensors[number].data is not None:
                continue
            if number in recorded and number not in wanted:
                inputs.add(number)
                continue
            producer = self._producer.get(number)
            if producer is None:
                return None  # an input of the model that was not recorded, or a variable
            if producer not in operators:
                operators.add(producer)
                open_ends += self._model.operators[producer].inputs
        return tuple(sorted(operators)), tuple(sorted(inputs))

    def _make_cut(self, node: int, operators: tuple[int, ...], inputs: tuple[int, ...]) -> _Cut | None:
        model = self._model
        tensors = {i for o in operators for i in (*model.operators[o].inputs, *model.operators[o].outputs) if i >= 0}
        unknown = any(model.operators[o].name.startswith(("CUSTOM", "UNKNOWN")) for o in operators)
        if unknown or not all(is_numeric(model, i) or model.tensors[i].data is not None for i in tensors):
            return None
        outputs = self._outputs(node)
        raw = model.cut(operators, inputs, outputs)
        if raw is None:
            return None
        interpreters = {}
        for kernels in KERNELS[1:]:
            if kernels == "xnnpack" and not inputs:
                continue  # it packs what constants make away and leaves the tensor unwritten
            try:
                interpreters[kernels] = self._runtime.allocate(raw, kernels, self._threads, False, model.path)
            except InvalidModelError as error:
                _log.debug("%s: node %d has no %s kernel: %s", model.path, node, kernels, error)
        return _Cut(raw, operators, inputs, outputs, interpreters)


def _for_every_sample(results: Sequence[Array], recorded: Mapping[TensorPlace, Array]) -> tuple[Array, ...]:
    """What was computed from constants, as often as there are samples; once where nothing tells how many there are."""
    batch = max((len(array) for array in recorded.values()), default=1)
    return tuple(np.repeat(result, batch, axis=0) for result in results)


def _without_batches_of_one(results: Sequence[Array]) -> tuple[Array, ...]:
    """``(batch,) + sample_shape``, as `TensorInfo.sample_shape` has it."""
    return tuple(x.reshape(len(x), *x.shape[2:]) if x.ndim > 1 and x.shape[1] == 1 else x for x in results)
