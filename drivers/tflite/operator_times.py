"""How long each operator takes when it runs alone.

The Python API has no profiler, so every operator is cut out into a model of its own and timed on the values that it
gets in the whole model. On the MLPerf Tiny models the sum of these times is close to the whole model's time for the
plain kernels; for XNNPACK, whose operators lose the company of one delegate, it is some 10 to 20 % above, and more for
models of a few microseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from ai_runner.drivers.tflite.description import is_numeric
from ai_runner.drivers.tflite.execution import Array
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel

_log = logging.getLogger(__name__)

_MAX_RUNS = 30
_MIN_RUNS = 3
_BUDGET_S = 2.0


def operator_times(
    model: TfliteModel, value: Callable[[int], Array | None], allocate: Callable[[bytes], Any]
) -> list[float | None]:
    """Median time of every operator in ms; None where one cannot be cut out or refuses to run alone.

    Args:
        value: the value of a tensor, by its number, after a run of the whole model.
        allocate: makes an interpreter of a .tflite file with the kernels that the whole model uses.

    Takes about two seconds at most, or four runs of every operator where that is longer.
    """
    constant = constant_tensors(model)
    budget = _BUDGET_S / max(1, len(model.operators))
    times: list[float | None] = []
    for operator in model.operators:
        inputs = tuple(dict.fromkeys(i for i in operator.inputs if i >= 0 and model.tensors[i].data is None))
        time = None
        if _can_run_alone(model, operator.index, inputs, constant):
            values = {i: value(i) for i in inputs}
            single = model.single_operator(operator.index)
            if single is not None and all(v is not None for v in values.values()):
                try:
                    time = _time_alone(allocate(single), values, budget)
                except (InvalidModelError, ValueError, RuntimeError) as error:
                    _log.debug("operator %d (%s) is not timed: %s", operator.index, operator.name, error)
        times.append(time)
    return times


def constant_tensors(model: TfliteModel) -> frozenset[int]:
    """Numbers of the tensors that operators compute from constants alone, such as float16 weights made float32."""
    found: set[int] = set()
    for operator in model.operators:
        inputs = [i for i in operator.inputs if i >= 0]
        if inputs and all(i in found or model.tensors[i].data is not None for i in inputs):
            found.update(i for i in operator.outputs if i >= 0)
    return frozenset(found)


def _can_run_alone(model: TfliteModel, index: int, inputs: tuple[int, ...], constant: frozenset[int]) -> bool:
    """False where the cut model would not do what the operator does, or might take the process along.

    A constant that another operator unpacks would turn into an ordinary input, for which runtimes take other kernels.
    Custom operators check their surroundings least of all.
    """
    operator = model.operators[index]
    if operator.name.startswith(("CUSTOM", "UNKNOWN")) or not inputs or constant.intersection(inputs):
        return False
    tensors = [i for i in (*operator.inputs, *operator.outputs) if i >= 0]
    return all(is_numeric(model, i) or model.tensors[i].data is not None for i in tensors)


def _time_alone(interpreter: Any, values: dict[int, Array | None], budget: float) -> float:
    shapes = {int(d["index"]): tuple(d["shape"]) for d in interpreter.get_input_details()}
    other = {i: v.shape for i, v in values.items() if v is not None and v.shape != shapes[i]}
    for index, shape in other.items():
        interpreter.resize_tensor_input(index, shape)
    if other:
        interpreter.allocate_tensors()
    for index, value in values.items():
        interpreter.set_tensor(index, value)
    interpreter.invoke()
    times: list[float] = []
    end = perf_counter() + budget
    while len(times) < _MIN_RUNS or (len(times) < _MAX_RUNS and perf_counter() < end):
        start = perf_counter()
        interpreter.invoke()
        times.append(perf_counter() - start)
    return median(times) * 1e3
