"""An interpreter that is run sample by sample: inputs, state, time, tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.drivers.tflite.runtime import Runtime
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel

Array = npt.NDArray[Any]

# Their results have as many elements as the data asks for, or they run graphs that are not looked at here.
_DATA_SIZED = frozenset(
    {"WHERE", "UNIQUE", "IF", "WHILE", "CALL", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"}
)
_RESOURCE_OPERATORS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE", "HASHTABLE_IMPORT"})


class Execution:
    """An allocated interpreter of a model.

    Args:
        runtime: makes interpreters.
        model: the model.
        kernels, threads, preserve: as `Runtime.allocate` takes them.
        keep_state: what a sample leaves in variables is seen by the next one; otherwise each starts afresh.

    Raises:
        InvalidModelError: the runtime refuses the model.
    """

    def __init__(
        self,
        runtime: Runtime,
        model: TfliteModel,
        kernels: str = "default",
        threads: int | None = None,
        preserve: bool = False,
        keep_state: bool = False,
    ) -> None:
        self.runtime = runtime
        self._label = model.path
        self._allocate: Callable[[], Any] = lambda: runtime.allocate(model.raw, kernels, threads, preserve, model.path)
        self.interpreter = self._allocate()
        self._inputs = tuple(int(detail["index"]) for detail in self.interpreter.get_input_details())
        self._variables = tuple(tensor.index for tensor in model.tensors if tensor.is_variable)
        self._reset: Callable[[], None] | None = None
        if not keep_state:
            if has_resources(model):
                self._reset = self._start_afresh
            elif self._variables:
                self._reset = self.interpreter.reset_all_variables

    def run(self, sample: Sequence[Array]) -> float:
        """Computes one sample, inputs shaped as the model declares them; returns the time of invoke() alone in ms.

        Raises:
            InvalidModelError: the runtime refused to run.
        """
        try:
            if self._reset is not None:
                self._reset()
            interpreter = self.interpreter
            for index, value in zip(self._inputs, sample, strict=True):
                interpreter.set_tensor(index, value)
            start = perf_counter()
            interpreter.invoke()
            return (perf_counter() - start) * 1e3
        except (ValueError, RuntimeError) as error:
            raise self.runtime.refusal(error, f"{self._label}: {self.runtime.name} failed to run") from error

    def output(self, index: int, shape: tuple[int, ...]) -> Array:
        """A copy of output `index`, which shall have `shape`.

        Raises:
            InvalidModelError: it has another one.
        """
        value: Array = self.interpreter.get_tensor(index)
        if value.shape != shape:
            raise InvalidModelError(
                f"{self._label}: output tensor {index} has shape {list(value.shape)} in this run, not {list(shape)}",
                hint="outputs whose shape depends on the data cannot be put into one array",
            )
        return value

    def tensor(self, index: int) -> Array | None:
        """A copy of tensor `index`; None where the runtime holds none."""
        try:
            value: Array = self.interpreter.get_tensor(index)
        except ValueError:
            return None
        return value

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Shapes of the inputs and outputs by tensor number, as they are at present."""
        details = [*self.interpreter.get_input_details(), *self.interpreter.get_output_details()]
        return {int(detail["index"]): tuple(int(d) for d in detail["shape"]) for detail in details}

    def copy_state_to(self, other: Execution) -> None:
        """Gives `other`, of the same model, the values of this one's variable tensors."""
        for index in self._variables:
            other.interpreter.set_tensor(index, self.interpreter.get_tensor(index))

    def delegated(self) -> bool:
        """True when a delegate (XNNPACK) computes operators of this interpreter."""
        return any(detail["op_name"] == "DELEGATE" for detail in self.interpreter._get_ops_details())

    def _start_afresh(self) -> None:
        # Resource variables and hash tables belong to the interpreter and cannot be reset.
        self.interpreter = self._allocate()


def run_batch(interpreter: Any, inputs: Mapping[int, Array], outputs: Sequence[int]) -> tuple[Array, ...]:
    """Runs an interpreter sample by sample, by tensor numbers.

    Args:
        interpreter: allocated, without state.
        inputs: of at least one sample, ``(batch,) + shape``; without any it is run once.
        outputs: which tensors are wanted.

    Returns:
        What was wanted, ``(batch,) + shape``; raises ValueError or RuntimeError where the runtime does.
    """
    batch = len(next(iter(inputs.values()))) if inputs else 1
    results: list[Array] = []
    for sample in range(batch):
        for number, values in inputs.items():
            interpreter.set_tensor(number, values[sample])
        interpreter.invoke()
        computed = [interpreter.get_tensor(number) for number in outputs]
        if not results:
            results = [np.empty((batch, *value.shape), value.dtype) for value in computed]
        for result, value in zip(results, computed, strict=True):
            result[sample] = value
    return tuple(results)


def has_resources(model: TfliteModel) -> bool:
    """True when the model keeps state outside its tensors, in resource variables or hash tables."""
    return any(operator.name in _RESOURCE_OPERATORS for operator in model.operators)


def may_compute_shapes(model: TfliteModel) -> bool:
    """False when every shape is known before a run: no operator takes a computed INT32 or INT64 that might be one."""
    for operator in model.operators:
        inputs = [model.tensors[i] for i in operator.inputs if i >= 0]
        if operator.name in _DATA_SIZED or any(t.data is None and t.type_name in ("INT32", "INT64") for t in inputs):
            return True
    return False
