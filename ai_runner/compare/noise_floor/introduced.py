"""The error that each layer of a target introduces: its layers run again on the inputs that the target itself recorded.

Accumulated error names no culprit: where one layer departs, all behind it depart as well, and two correct kernel sets
differ from the first layer on. So each layer is given the target's own inputs, and only what it makes of them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.alignment.layer_pair import LayerPair
from ai_runner.compare.noise_floor.noise_band import IntroducedError, NoiseBand
from ai_runner.compare.noise_floor.twice_rounded import TwiceRounded
from ai_runner.compare.tolerance import is_integer, same_integers
from ai_runner.model import ModelInfo, TensorInfo
from ai_runner.profile import NodeProfile, RunResult
from ai_runner.quantization import Quantization
from ai_runner.rerun import MODEL_INPUT, MODEL_OUTPUTS, Rerun, TensorPlace

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.bool_]
Tensors = Mapping[TensorPlace, Array]
Rerunning = Callable[[int, Tensors], Rerun | None]

EXHIBIT_SAMPLES = 4
EXHIBIT_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Exhibit:
    """Some samples in which a layer lies outside of its band.

    Attributes:
        inputs: what it was run again on, by place, ``(samples,) + sample_shape``.
        target: what the target computed.
        trusted: what each kernel set computes.
        model: a .tflite file that computes it; empty where there is none.
        output: which of that file's outputs it is.
    """

    inputs: Tensors
    target: Array
    trusted: Mapping[str, Array]
    model: bytes
    output: int

    def on(self, inputs: Tensors) -> Exhibit:
        """The target's results for the first samples, beside other inputs of theirs."""
        samples = len(next(iter(inputs.values())))
        return replace(self, inputs=inputs, target=self.target[:samples])


class IntroducedErrors:
    """Accumulates, chunk by chunk, what every paired layer and every output of a target introduces.

    Args:
        rerun: runs a node of the reference again, or its outputs (`MODEL_OUTPUTS`).
        reference: the model, as the reference describes it.
        target: the same, as the target does.
        outputs: pairs of positions of outputs, reference and target.
        exact: demand equality with one kernel set.
        thorough: run every sample again, so that equality with a kernel set is known, demanded or not.
    """

    def __init__(
        self,
        rerun: Rerunning,
        reference: ModelInfo,
        target: ModelInfo,
        outputs: Sequence[tuple[int, int]],
        exact: bool = False,
        thorough: bool = False,
    ) -> None:
        self._rerun = rerun
        self._reference = reference
        self._target = target
        self._output_places = outputs
        self._exact = exact
        self._thorough = thorough or exact
        self._layers: dict[TensorPlace, NoiseBand] = {}
        self._outputs: dict[int, NoiseBand] = {}
        self._exhibits: dict[TensorPlace, Exhibit] = {}
        self._stuck: set[int] = set()
        self._twice_rounded: dict[int, TwiceRounded | None] = {}

    def update(
        self, inputs: Sequence[Array], reference: RunResult, target: RunResult, pairs: Sequence[LayerPair]
    ) -> None:
        """Adds a chunk.

        Args:
            inputs: of the reference.
            reference, target: what the two made of them.
            pairs: the layers of which both show data.
        """
        chunk = _Chunk(inputs, reference.nodes, target.nodes, pairs)
        for pair in pairs:
            self._update_layer(pair, chunk)
        self._update_outputs(reference, target, chunk, bool(pairs))

    def layer(self, place: TensorPlace) -> IntroducedError | None:
        """What was found about a layer's tensor; None where it could not be run again."""
        band = self._layers.get(place)
        return None if band is None else band.result()

    def output(self, position: int) -> IntroducedError | None:
        """What was found about an output of the reference; None where it could not be run again."""
        band = self._outputs.get(position)
        return None if band is None else band.result()

    def exhibit(self, place: TensorPlace) -> Exhibit | None:
        """Samples in which a layer lies outside of its band; ``(MODEL_OUTPUTS, k)`` for output `k`."""
        return self._exhibits.get(place)

    def explains(self, place: TensorPlace, exhibit: Exhibit) -> bool:
        """Whether trusted kernels give the target's result on the inputs of an exhibit of this place."""
        band = self._outputs[place[1]] if place[0] == MODEL_OUTPUTS else self._layers[place]
        found = self._rerun(place[0], exhibit.inputs)
        if found is None:
            return False
        trusted = {kernels: outputs[place[1]] for kernels, outputs in found.outputs.items()}
        if not all(_comparable(result, exhibit.target) for result in trusted.values()):
            return False
        trial = NoiseBand(band.reference, band.target, exact=self._exact)
        also = partial(self._also_right, place, found, exhibit.inputs)
        trial.update(exhibit.target, trusted, found.operators, also, _stored_as(found, place))
        return not trial.result().diverges

    def _update_layer(self, pair: LayerPair, chunk: _Chunk) -> None:
        place = (pair.reference.position, pair.reference.output)
        if pair.reference.position in self._stuck:
            return
        if place not in self._layers:
            tensors = pair.reference.tensor, pair.target.tensor
            self._layers[place] = NoiseBand(*tensors, exact=self._exact, thorough=self._thorough)
        band, target = self._layers[place], chunk.written[place]
        doubtful = np.ones(len(target), bool) if self._thorough else chunk.doubtful(pair)
        if not doubtful.all():
            band.agree(target[~doubtful])
        if not doubtful.any():
            return
        found = self._rerun(place[0], chunk.tensors(doubtful, pair.reference.node.reads))
        if found is None:
            self._stuck.add(place[0])
            del self._layers[place]
            return
        trusted = {kernels: outputs[place[1]] for kernels, outputs in found.outputs.items()}
        self._judge(place, band, target[doubtful], trusted, found, chunk.tensors(doubtful, found.inputs))

    def _update_outputs(self, reference: RunResult, target: RunResult, chunk: _Chunk, layered: bool) -> None:
        """The outputs themselves, from the last tensors that the target has recorded, or else from its inputs."""
        if MODEL_OUTPUTS in self._stuck or not self._output_places:
            return
        for mine, theirs in self._output_places:
            if mine not in self._outputs:
                tensors = self._reference.outputs[mine], self._target.outputs[theirs]
                self._outputs[mine] = NoiseBand(
                    *tensors, exact=self._exact, answers=not layered, thorough=self._thorough
                )
        given = [(mine, target.outputs[theirs], reference.outputs[mine]) for mine, theirs in self._output_places]
        doubtful = np.zeros(len(given[0][1]), bool)
        for mine, output, expected in given:
            same = _same_storage(self._reference.outputs[mine], self._outputs[mine].target) and not self._thorough
            doubtful |= ~_equal_samples(expected, output.reshape(expected.shape)) if same else True
        for mine, output, _ in given:
            self._outputs[mine].agree(output[~doubtful])
        if not doubtful.any():
            return
        found = self._rerun(MODEL_OUTPUTS, chunk.tensors(doubtful, ()))
        if found is None:
            self._stuck.add(MODEL_OUTPUTS)
            self._outputs.clear()
            return
        inputs = chunk.tensors(doubtful, found.inputs)
        for mine, output, _ in given:
            trusted = {kernels: outputs[mine] for kernels, outputs in found.outputs.items()}
            self._judge((MODEL_OUTPUTS, mine), self._outputs[mine], output[doubtful], trusted, found, inputs)

    def _judge(
        self,
        place: TensorPlace,
        band: NoiseBand,
        target: Array,
        trusted: Mapping[str, Array],
        found: Rerun,
        inputs: Tensors,
    ) -> None:
        also = partial(self._also_right, place, found, inputs)
        touched = np.flatnonzero(band.update(target, trusted, found.operators, also, _stored_as(found, place)))
        if not touched.size or place in self._exhibits:
            return
        size = sum(array[:1].nbytes for array in (target, *trusted.values(), *inputs.values()))
        rows = touched[: max(1, min(EXHIBIT_SAMPLES, EXHIBIT_BYTES // max(1, size)))]
        self._exhibits[place] = Exhibit(
            inputs={key: inputs[key][rows] for key in found.inputs},
            target=target.reshape(next(iter(trusted.values())).shape)[rows],
            trusted={kernels: result[rows] for kernels, result in trusted.items()},
            model=found.model,
            output=place[1],
        )

    def _also_right(self, place: TensorPlace, found: Rerun, inputs: Tensors) -> Sequence[Array]:
        """Results that no kernel set of this machine may have, and that are correct nevertheless."""
        if self._exact:
            return ()
        node, output = place
        right = list(found.rounded_once()[output : output + 1])
        if found.operators == 1 and len(found.inputs) == 1:
            if node not in self._twice_rounded:
                self._twice_rounded[node] = TwiceRounded.of(found.model)
            operator = self._twice_rounded[node]
            right += [] if operator is None else operator.run(inputs[found.inputs[0]])
        return right


class _Chunk:
    """What a target has recorded in one chunk, in the places and shapes of the reference.

    Attributes:
        written: what the target wrote, in its own type, for every paired tensor.
    """

    def __init__(
        self,
        inputs: Sequence[Array],
        reference: Sequence[NodeProfile],
        target: Sequence[NodeProfile],
        pairs: Sequence[LayerPair],
    ) -> None:
        self.written: dict[TensorPlace, Array] = {}
        self._recorded: dict[TensorPlace, Array] = {(MODEL_INPUT, k): array for k, array in enumerate(inputs)}
        self._equal: dict[TensorPlace, Rows] = {place: np.ones(len(x), bool) for place, x in self._recorded.items()}
        for pair in pairs:
            mine, theirs = pair.reference, pair.target
            place = (mine.position, mine.output)
            expected = mine.data(reference)
            written = pair.target_data(target).reshape(expected.shape)
            self.written[place] = written
            if _same_storage(mine.tensor, theirs.tensor):
                self._recorded[place] = written
                self._equal[place] = _equal_samples(expected, written)

    def doubtful(self, pair: LayerPair) -> Rows:
        """The samples in which the layer's tensors differ from the reference's, which is trusted itself."""
        place = (pair.reference.position, pair.reference.output)
        known = [self._equal.get(tensor) for tensor in (place, *pair.reference.node.reads)]
        rows = np.ones(len(self.written[place]), bool)
        if pair.reference.node.reads:
            for equal in known:
                if equal is None:
                    return np.ones(len(rows), bool)
                rows &= equal
            return ~rows
        return rows

    def tensors(self, rows: Rows, reads: Sequence[TensorPlace]) -> dict[TensorPlace, Array]:
        """The recorded tensors that are read, of some samples; all of them where one that is read was not recorded."""
        places: Sequence[TensorPlace] = reads
        if not reads or any(place not in self._recorded for place in reads):
            places = tuple(self._recorded)
        if rows.all():
            return {place: self._recorded[place] for place in places}
        return {place: self._recorded[place][rows] for place in places}


def _stored_as(found: Rerun, place: TensorPlace) -> Quantization | None:
    return found.stored_as[place[1]] if found.stored_as else None


def _comparable(trusted: Array, target: Array) -> bool:
    """Whether a fit would say anything: huge values have a band that holds everything, and NaN fits whatever comes."""
    if trusted.dtype.kind != "f" or target.dtype.kind != "f":
        return True
    largest = [float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in (trusted, target)]
    return bool((np.isfinite(trusted) >= np.isfinite(target)).all()) and largest[0] <= 2.0 * largest[1]


def _same_storage(one: TensorInfo, other: TensorInfo) -> bool:
    if is_integer(one) or is_integer(other):
        return same_integers(one, other) and one.dtype == other.dtype
    return one.dtype == other.dtype


def _equal_samples(one: Array, other: Array) -> Rows:
    equal = one == other
    if one.dtype.kind == "f":
        equal |= np.isnan(one) & np.isnan(other)
    rows: Rows = equal.reshape(len(equal), -1).all(axis=1)
    return rows
