"""The health of a target: of its outputs and layers, and whether it answers the same question twice alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.canary import holds_canary
from ai_runner.compare.alignment.arrangement import arranged
from ai_runner.compare.alignment.layer_pair import LayerPair, layer_index
from ai_runner.compare.health.tensor_health import HealthMonitor, TensorHealth, as_stored_by, changed
from ai_runner.model import ModelInfo
from ai_runner.profile import RunResult
from ai_runner.rerun import TensorPlace

Array = npt.NDArray[Any]
Arrays = Sequence[Array]


@dataclass(frozen=True)
class HealthReport:
    """What is odd about a target, whatever the reference says.

    Attributes:
        outputs: in the target's order.
        layers: by the place of the paired tensor in the reference.
        repeatable: the same input gave the same outputs whenever it was run; None where it was not tried.
        findings: of all tensors and of the target as a whole, one line each.
        kinds: of the findings, a word each: those of `TensorHealth`, ``echo`` and ``not_repeatable``.
    """

    outputs: tuple[TensorHealth, ...] = ()
    layers: tuple[tuple[TensorPlace, TensorHealth], ...] = ()
    repeatable: bool | None = None
    findings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class TargetHealth:
    """Accumulates the health of one target.

    Args:
        info: what the target says about itself.
        reference: what the reference does.
        outputs: pairs of positions of outputs, reference and target.
    """

    def __init__(self, info: ModelInfo, reference: ModelInfo, outputs: Sequence[tuple[int, int]]) -> None:
        self._pairs = {theirs: mine for mine, theirs in outputs}
        counterparts = {theirs: reference.outputs[mine] for mine, theirs in outputs}
        self._outputs = [
            HealthMonitor(tensor, tensor.name, counterparts.get(k)) for k, tensor in enumerate(info.outputs)
        ]
        self._tensors = [(tensor, counterparts.get(k, tensor)) for k, tensor in enumerate(info.outputs)]
        self._echoes = [0] * len(info.outputs)
        self._due_echoes = [0] * len(info.outputs)
        self._layers: dict[TensorPlace, tuple[str, HealthMonitor]] = {}
        self._last_inputs: list[Array] | None = None
        self._first: tuple[list[Array], list[Array]] | None = None
        self._samples = 0
        self._repeatable: bool | None = None

    def update(self, inputs: Arrays, reference: RunResult, target: RunResult, pairs: Sequence[LayerPair]) -> None:
        """Adds a chunk.

        Args:
            inputs: what the target was given.
            reference, target: what the two made of it.
            pairs: the layers of which both show data.
        """
        inputs = list(inputs)
        if not inputs or not len(inputs[0]):
            return
        new_inputs = changed(inputs, self._last_inputs)
        self._last_inputs = [array[-1:].copy() for array in inputs]
        self._samples += len(new_inputs)
        if self._first is None:
            self._first = [array[:1].copy() for array in inputs], [array[:1].copy() for array in target.outputs]
        expected = {theirs: reference.outputs[mine] for theirs, mine in self._pairs.items()}
        for place, (monitor, output) in enumerate(zip(self._outputs, target.outputs, strict=False)):
            monitor.update(output, expected.get(place), new_inputs)
            self._count_echoes(place, output, expected.get(place), inputs)
        for pair in pairs:
            key = pair.reference.position, pair.reference.output
            if key not in self._layers:
                name = f"layer {layer_index(pair.reference)} {pair.reference.node.name}"
                tensor = arranged(pair.target.tensor, pair.arrangement)
                self._layers[key] = name, HealthMonitor(tensor, name, pair.reference.tensor)
            written, right = pair.target_data(target.nodes), pair.reference.data(reference.nodes)
            self._layers[key][1].update(written, right, new_inputs)

    def _count_echoes(self, place: int, output: Array, expected: Array | None, inputs: Arrays) -> None:
        """Samples of an output that are an input, and those that should be."""
        echoed = max((_equal_samples(output, array) for array in inputs), default=0)
        self._echoes[place] += echoed
        if echoed and expected is not None:
            right = as_stored_by(*self._tensors[place], expected, output.shape)
            self._due_echoes[place] += max(_equal_samples(right, array) for array in inputs)

    def repeat(self, run: Callable[[list[Array]], RunResult]) -> None:
        """Runs the first sample again, at the end of everything."""
        if self._first is None:
            return
        inputs, before = self._first
        # After an even number of runs two buffers that alternate stand as they did before the first.
        for _ in range(1 if self._samples % 2 else 2):
            again = run(inputs).outputs
            same = all(_as_written(a, b) for a, b in zip(before, again, strict=True))
            self._repeatable = same and self._repeatable is not False
            for monitor, output in zip(self._outputs, again, strict=False):
                monitor.update_again(output)

    def result(self) -> HealthReport:
        """What was found so far."""
        outputs = tuple(monitor.result() for monitor in self._outputs)
        layers = tuple((place, monitor.result()) for place, (_, monitor) in self._layers.items())
        found = [
            (kind, f"output '{output.name}': {finding}")
            for output in outputs
            for kind, finding in zip(output.kinds, output.findings, strict=True)
        ]
        found += [
            ("echo", f"output '{output.name}': it is the input itself, in every sample")
            for output, echoes, due in zip(outputs, self._echoes, self._due_echoes, strict=True)
            if echoes == self._samples > due and not output.constant
        ]
        found += [
            (kind, f"{layer.name}: {finding}")
            for _, layer in layers
            for kind, finding in zip(layer.kinds, layer.findings, strict=True)
        ]
        if self._repeatable is False:
            found.insert(0, ("not_repeatable", "the same input gave other outputs when it was run again"))
        found.sort(key=lambda finding: finding[0] == "unused_range")  # more of a remark: goes last
        findings, kinds = tuple(text for _, text in found), tuple(kind for kind, _ in found)
        return HealthReport(outputs, layers, self._repeatable, findings, kinds)


def _as_written(one: Array, other: Array) -> bool:
    """Whether they are equal wherever something was written."""
    equal = one == other
    if one.dtype.kind == "f":
        equal |= np.isnan(one) & np.isnan(other)
    return bool((equal | (holds_canary(one) & holds_canary(other))).all())


def _equal_samples(output: Array, given: Array) -> int:
    if output.size != given.size or output.dtype != given.dtype:
        return 0
    return int((output.reshape(len(output), -1) == given.reshape(len(given), -1)).all(axis=1).sum())
