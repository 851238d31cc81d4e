"""Whole batches in one call, for models whose first dimension is open, as long as that changes no answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ai_runner.drivers.onnx.description import End
from ai_runner.drivers.onnx.execution import Execution
from ai_runner.drivers.onnx.model import Array
from ai_runner.errors import InvalidModelError

_log = logging.getLogger(__name__)

_BLOCK = 64  # samples in one call: more are hardly faster and need the memory of all


class _Different(Exception):
    """Native batches give other answers."""


class NativeBatches:
    """Runs batches in blocks.

    An open first dimension need not be a batch, and where it is one, a kernel may round in another way for several rows
    than for one. The answer to a sample must not depend on its company, so the first block of every length is compared,
    in its first and last sample, with runs of these alone; after a difference there are no native batches any more.

    Args:
        execution: what runs.
        inputs, outputs: of the model.
        label: what messages call it.
    """

    def __init__(self, execution: Execution, inputs: Sequence[End], outputs: Sequence[End], label: str) -> None:
        self._execution, self._label = execution, label
        self._possible = _has_batch(inputs, outputs)
        self._proven: set[int] = set()

    def run(self, rows: Sequence[Array], targets: Sequence[Array]) -> float | None:
        """Runs ``(batch, 1, ...)`` inputs into outputs of the same form.

        Returns:
            The time in ms; None where samples have to run one by one.
        """
        batch, total = len(rows[0]), 0.0
        if batch == 1 or not self._possible:
            return None
        for first in range(0, batch, _BLOCK):
            part = slice(first, first + _BLOCK)
            try:
                total += self._run_block([x[part] for x in rows], [_joined(target[part]) for target in targets])
            except (InvalidModelError, _Different) as error:
                _log.info("%s: samples run one by one: %s", self._label, error)
                self._possible = False
                return None
        return total

    def _run_block(self, rows: Sequence[Array], targets: Sequence[Array]) -> float:
        values, duration = self._execution.run([_joined(x) for x in rows])
        self._execution.put(values, targets)
        length = len(rows[0])
        for i in () if length in self._proven else {0, length - 1}:
            alone, _ = self._execution.run([x[i, ...] for x in rows])
            if any(one.tobytes() != target[i].tobytes() for one, target in zip(alone, targets, strict=True)):
                raise _Different("an answer depends on the batch it is in")
        self._proven.add(length)
        return duration


def _has_batch(inputs: Sequence[End], outputs: Sequence[End]) -> bool:
    """True when the first dimension of everything is open, and one and the same as far as it has names."""
    everything = [*inputs, *outputs]
    names = {end.dims[0] for end in everything if end.dims and isinstance(end.dims[0], str)}
    return all(end.is_open(0) for end in everything) and len(names) <= 1


def _joined(rows: Array) -> Array:
    """``(n, 1, ...)`` as ``(n, ...)``, without a copy."""
    return rows.reshape((rows.shape[0], *rows.shape[2:]))
