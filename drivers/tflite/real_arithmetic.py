"""What operators on integers give in real arithmetic, rounded to the nearest integer once an operator."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ai_runner.drivers.tflite.execution import Array, run_batch
from ai_runner.drivers.tflite.runtime import Runtime
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel, TfliteTensor

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Single:
    """One operator as a model: on real values, or as it is where integers stand for nothing else."""

    interpreter: Any
    is_real: bool
    inputs: tuple[TfliteTensor, ...]
    outputs: tuple[TfliteTensor, ...]

    def run(self, known: Mapping[int, Array]) -> dict[int, Array]:
        """Its outputs by tensor number, from tensors as they are stored, ``(batch,) + shape``."""
        given = {tensor.index: self._real(tensor, known[tensor.index]) for tensor in self.inputs}
        results = run_batch(self.interpreter, given, [tensor.index for tensor in self.outputs])
        return {tensor.index: self._stored(tensor, x) for tensor, x in zip(self.outputs, results, strict=True)}

    def _real(self, tensor: TfliteTensor, stored: Array) -> Array:
        if not self.is_real or tensor.quantization is None:
            return stored
        return np.stack([tensor.quantization.dequantize(sample) for sample in stored])

    def _stored(self, tensor: TfliteTensor, real: Array) -> Array:
        if not self.is_real or tensor.quantization is None or tensor.dtype is None:
            return real
        return np.stack([tensor.quantization.quantize(sample, tensor.dtype) for sample in real])


class RealArithmetic:
    """The operators of one model, each with an interpreter of its own, made when first asked for and kept."""

    def __init__(self, model: TfliteModel, runtime: Runtime, threads: int | None) -> None:
        self._model = model
        self._runtime = runtime
        self._threads = threads
        self._singles: dict[int, _Single | None] = {}

    def run(self, operators: Sequence[int], inputs: Mapping[int, Array], outputs: Sequence[int]) -> tuple[Array, ...]:
        """Runs operators one after the other.

        Args:
            operators: their positions, ascending.
            inputs: what they read, by tensor number, as stored: ``(batch,) + shape``.
            outputs: tensor numbers.

        Returns:
            Likewise; nothing where one of the operators cannot be run so.
        """
        known = dict(inputs)
        for index in operators:
            if index not in self._singles:
                self._singles[index] = self._single(index)
            single = self._singles[index]
            if single is None:
                return ()
            try:
                known |= single.run(known)
            except (ValueError, RuntimeError) as error:
                _log.debug("%s: operator %d in real arithmetic: %s", self._model.path, index, error)
                return ()
        return tuple(known[number] for number in outputs)

    def _single(self, index: int) -> _Single | None:
        operator = self._model.operators[index]
        raw = self._model.single_operator(index)
        tensors = self._model.tensors
        inputs = tuple(tensors[i] for i in dict.fromkeys(operator.inputs) if i >= 0 and tensors[i].data is None)
        if raw is None or not inputs:
            return None
        twin = TfliteModel.parse(raw, self._model.path).real_twin()
        for file in (twin, raw):
            if file is not None:
                try:
                    interpreter = self._runtime.allocate(file, "builtin", self._threads, False, self._model.path)
                except InvalidModelError as error:
                    _log.debug("%s: operator %d in real arithmetic: %s", self._model.path, index, error)
                else:
                    return _Single(interpreter, file is twin, inputs, tuple(tensors[i] for i in operator.outputs))
        return None
