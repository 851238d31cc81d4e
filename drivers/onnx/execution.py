"""A session that is run sample by sample or in batches: inputs, time, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner.drivers.onnx.model import Array
from ai_runner.drivers.onnx.runtime import Runtime
from ai_runner.errors import InvalidModelError


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
            raise self._runtime.refusal(error, f"{self._label}: ONNX Runtime failed to run") from error
        return outputs, (perf_counter() - start) * 1e3

    def end_profile(self) -> str:
        """Ends the profile that the session writes, returns its path."""
        return str(self._session.end_profiling())


def put(target: Array, value: Any, name: str, label: str) -> None:
    """Copies an output into its place.

    Raises:
        InvalidModelError: it has another shape than its place.
    """
    if not isinstance(value, np.ndarray) or value.shape != target.shape:
        shape = list(getattr(value, "shape", ()))
        raise InvalidModelError(
            f"{label}: output {name!r} has shape {shape} in this run, not {list(target.shape)}",
            hint="outputs whose shape depends on the data cannot be put into one array",
        )
    target[...] = value
