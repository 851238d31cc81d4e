"""A session that is run sample by sample or in batches: inputs, time, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner.drivers.onnx.model import Array
from ai_runner.drivers.onnx.runtime import Runtime
from ai_runner.errors import InvalidModelError

_KEPT = 64  # runs whose outputs are kept until they are copied


class Execution:
    """A session of a model.

    Args:
        runtime: which made the session.
        session: an InferenceSession.
        outputs: names of the tensors that a run returns.
        label: what messages call the model.
    """

    def __init__(self, runtime: Runtime, session: Any, outputs: Sequence[str], label: str) -> None:
        self._runtime = runtime
        self._session = session
        self._inputs = [argument.name for argument in session.get_inputs()]
        self._outputs = list(outputs)
        self._label = label

    def run(self, values: Sequence[Array]) -> tuple[list[Any], float]:
        """Computes the outputs for inputs shaped as the model declares them; returns them and the time in ms.

        Raises:
            InvalidModelError: the runtime refused to run.
        """
        feed = dict(zip(self._inputs, values, strict=True))
        start = perf_counter()
        try:
            outputs = self._session.run(self._outputs, feed)
        except Exception as error:  # the runtime's exceptions have no base of their own
            raise self._refusal(error) from error
        return outputs, (perf_counter() - start) * 1e3

    def run_each(self, rows: Sequence[Array], targets: Sequence[Array]) -> tuple[list[float], list[float]]:
        """Computes sample after sample, ``(batch,) + shape`` inputs into outputs of the same form.

        Returns:
            Times in ms of every sample: inside the runtime, and with what is around it.

        Raises:
            InvalidModelError: the runtime refused to run, or an output has another shape than its place.
        """
        run, wanted, clock = self._session.run, self._outputs, perf_counter
        starts: list[float] = []
        ends: list[float] = []
        views = [_views(x) for x in rows]
        samples = [dict(zip(self._inputs, sample, strict=True)) for sample in zip(*views, strict=True)]
        for first in range(0, len(samples), _KEPT):
            values = []
            try:
                for feed in samples[first : first + _KEPT]:  # nothing else in here: models of a few microseconds notice
                    starts.append(clock())
                    values.append(run(wanted, feed))
                    ends.append(clock())
            except Exception as error:  # the runtime's exceptions have no base of their own
                raise self._refusal(error) from error
            for name, target, column in zip(wanted, targets, zip(*values, strict=True), strict=True):
                self._put_all(name, column, target[first : first + _KEPT])
        durations = [(end - start) * 1e3 for start, end in zip(starts, ends, strict=True)]
        exec_times = [(end - start) * 1e3 for start, end in zip(starts, [*starts[1:], perf_counter()], strict=True)]
        return durations, exec_times

    def _put_all(self, name: str, values: Sequence[Array], block: Array) -> None:
        """Copies what several runs gave for one output, in one call."""
        shape = block.shape[1:]
        for value in values:
            if value.shape != shape:
                raise self._other_shape(name, value, block[0])
        if shape:
            np.concatenate(values, out=block.reshape((-1, *shape[1:])))
        else:
            block[...] = values

    def end_profile(self) -> str:
        """Ends the profile that the session writes, returns its path."""
        return str(self._session.end_profiling())

    def put(self, values: Sequence[Array], targets: Sequence[Array]) -> None:
        """Copies outputs into their places.

        Raises:
            InvalidModelError: one has another shape than its place.
        """
        for name, value, target in zip(self._outputs, values, targets, strict=True):
            if value.shape != target.shape:
                raise self._other_shape(name, value, target)
            target[...] = value

    def _refusal(self, error: Exception) -> InvalidModelError:
        return self._runtime.refusal(error, f"{self._label}: ONNX Runtime failed to run")

    def _other_shape(self, name: str, value: Array, target: Array) -> InvalidModelError:
        return InvalidModelError(
            f"{self._label}: output {name!r} has shape {list(value.shape)} in this run, not {list(target.shape)}",
            hint="outputs whose shape depends on the data cannot be put into one array",
        )


def _views(array: Array) -> list[Array]:
    """The samples of an array; what iterating gives, except for scalars."""
    return list(array) if array.ndim > 1 else [array[i, ...] for i in range(len(array))]
