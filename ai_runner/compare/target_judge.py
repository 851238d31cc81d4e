"""Judges one target: holds every chunk of its results against the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.alignment.arrangement import arranged
from ai_runner.compare.alignment.layer_alignment import LayerAlignment, Unpaired, align_layers
from ai_runner.compare.alignment.layer_map import LayerMap
from ai_runner.compare.alignment.layer_pair import LayerPair, layer_index
from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.compare.feature_feed import feed_of
from ai_runner.compare.health.structure import (
    StructuralDifference,
    same_model,
    structural_differences,
    tensor_differences,
)
from ai_runner.compare.health.target_health import HealthReport, TargetHealth
from ai_runner.compare.noise_floor.error_signature import error_signature
from ai_runner.compare.noise_floor.input_fault import input_fault
from ai_runner.compare.noise_floor.introduced import IntroducedErrors, Rerunning
from ai_runner.compare.participant import Participant, Session
from ai_runner.compare.recorder import Observer
from ai_runner.compare.sampling.scatter_sample import ScatterSampler
from ai_runner.compare.tensor_pair import TensorPair
from ai_runner.compare.tolerance import ToleranceRule, is_integer
from ai_runner.compare.verdict import (
    LayerComparison,
    OutputComparison,
    RunSummary,
    TargetResult,
    one_line,
    reasons_against,
)
from ai_runner.errors import AiRunnerError, InvalidMsgError
from ai_runner.model import ModelInfo
from ai_runner.profile import NodeProfile, RunResult
from ai_runner.rerun import MODEL_OUTPUTS, TensorPlace

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class NoiseFloor:
    """Judging by what trusted kernels compute, instead of by tolerances.

    Attributes:
        rerun: runs a node of the reference again, see `Driver.rerun`.
        exact: demand equality with one kernel set.
        thorough: measure noise floor and equality both, whichever decides: more runs, but a report that can be judged
            by either.
    """

    rerun: Rerunning
    exact: bool = False
    thorough: bool = False

    @property
    def judged_by(self) -> str:
        """What decides: ``noise-floor`` or ``exact``."""
        return "exact" if self.exact else "noise-floor"


@dataclass
class _NodeTime:
    """The time of one node over all samples, ms."""

    total: float = 0.0
    count: int = 0
    source: str | None = None

    def update(self, node: NodeProfile) -> None:
        self.total += sum(node.durations)
        self.count += len(node.durations)
        if node.source is not None:
            self.source = str(node.source)


class TargetJudge:
    """Feeds one target and accumulates its comparison with the reference.

    An AiRunnerError of the target, also while it is looked at for the first time, ends its part: `alive` is False and
    the result carries the error.
    """

    def __init__(
        self,
        session: Session,
        reference: ModelInfo,
        per_layer: bool,
        rule: ToleranceRule,
        noise_floor: NoiseFloor | None = None,
        layer_map: LayerMap | None = None,
        features: Array | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._session = session
        self._observer = observer
        self._reference = reference
        self._rule = rule
        self._introduced: IntroducedErrors | None = None
        self._participant: Participant | None = None
        self._error: AiRunnerError | None = None
        self._outputs: list[tuple[int, int, TensorPair]] = []
        self._scatters: list[ScatterSampler] = []
        self._missing: list[str] = []
        self._unpaired_outputs: list[Unpaired] = []
        own_map = None if layer_map is None else layer_map.of(str(session.descriptor))
        self._layers = _Layers(replace(rule, named=()), own_map)  # names are those of outputs
        self._structure: tuple[StructuralDifference, ...] = ()
        self._health: TargetHealth | None = None
        try:
            participant = Participant(session, per_layer, like=reference)
            self._feed = feed_of(reference.inputs, participant, str(session.descriptor), features)
            self._align_outputs(reference, participant.info)
            if noise_floor is not None:
                self._introduced = IntroducedErrors(
                    *(noise_floor.rerun, reference, participant.info, self._paired_outputs),
                    exact=noise_floor.exact,
                    thorough=noise_floor.thorough,
                )
            self._participant = participant
            self._layers.same_model = same_model(reference, participant.info)
        except AiRunnerError as error:
            self._error = error
            return
        self._structure = structural_differences(reference, participant.info, self._feed.pairs, self._paired_outputs)
        self._health = TargetHealth(participant.info, reference, self._paired_outputs)

    @property
    def alive(self) -> bool:
        """True while the target answers."""
        return self._participant is not None and self._error is None

    @property
    def info(self) -> ModelInfo | None:
        """What the target says about itself; None when it could not be opened."""
        return None if self._participant is None else self._participant.info

    @property
    def _paired_outputs(self) -> list[tuple[int, int]]:
        """Positions of the outputs that belong together, reference and target."""
        return [(mine, theirs) for mine, theirs, _ in self._outputs]

    def nearest_inputs(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """The reference's inputs nearest to `inputs` that the target can be given as they are."""
        return self._feed.nearest(inputs) if self._participant is not None else inputs

    def run(self, inputs: Sequence[Array], labels: Array | None, reference: RunResult) -> list[Array] | None:
        """Runs the reference's inputs and holds the answer against the reference's.

        Returns:
            The real values of every output of the reference, as the target has them; None where one is missing.
        """
        if self._participant is None or self._error is not None:
            return None
        try:
            given = self._feed(inputs)
            result = self._participant.run(given, labels)
            if self._observer is not None:
                self._observer(given, result)
            real_outputs = []
            for (mine, theirs, pair), scatter in zip(self._outputs, self._scatters, strict=True):
                pair.update(reference.outputs[mine], result.outputs[theirs])
                real_outputs.append(pair.real_target(result.outputs[theirs]))
                scatter.update(pair.real_reference(reference.outputs[mine]), real_outputs[-1])
            self._layers.update(reference.nodes, result.nodes)
            if self._introduced is not None:
                self._introduced.update(inputs, reference, result, self._layers.shown)
            if self._health is not None:
                self._health.update(given, reference, result, self._layers.shown)
        except AiRunnerError as error:
            self._error = self._participant.error = error
            return None
        return real_outputs if len(self._outputs) == len(self._reference.outputs) else None

    def finish(self) -> None:
        """Asks the first question once more, after all others; everything that decides has been answered by then."""
        participant, health = self._participant, self._health
        if participant is None or health is None or self._error is not None:
            return
        try:
            health.repeat(participant.repeat)
        except AiRunnerError as error:
            participant.warn(f"did not answer the first sample again: {one_line(error)}")

    def result(self, reference_error: AiRunnerError | None = None) -> TargetResult:
        """What was found; `reference_error` is what ended the reference."""
        found = self._introduced
        outputs = tuple(
            OutputComparison(pair.result(), None if found is None else found.output(mine), scatter.result())
            for (mine, _, pair), scatter in zip(self._outputs, self._scatters, strict=True)
        )
        layers = self._layers.result(found)
        if self._participant is None:
            run = RunSummary(str(self._session.descriptor), error=self._error)
        else:
            run = self._participant.summary()
        return TargetResult(
            run=run,
            outputs=outputs,
            layers=layers,
            unpaired=(*self._unpaired_outputs, *self._layers.unpaired),
            reasons=reasons_against(outputs, layers, self._missing, self._error, reference_error),
            input_fault="" if found is None else self._input_fault(found, layers),
            exhibit=None if found is None else found.exhibit(self._first_wrong(layers)),
            structure=(*self._structure, *self._layers.structure),
            health=HealthReport() if self._health is None else self._health.result(),
        )

    def _input_fault(self, found: IntroducedErrors, layers: Sequence[LayerComparison]) -> str:
        """Looks for it where the first thing that is wrong reads the inputs of the model."""
        place = self._first_wrong(layers)
        exhibit, output = found.exhibit(place), found.output(place[1])
        right = place[0] == MODEL_OUTPUTS and (output is None or not output.diverges)
        if exhibit is None or right:
            return ""
        places = zip(self._layers.places, layers, strict=True)
        operator = next((layer.type for at, layer in places if at == place), "")
        return input_fault(exhibit, self._reference.inputs, lambda other: found.explains(place, other), operator)

    def _first_wrong(self, layers: Sequence[LayerComparison]) -> TensorPlace:
        """The first layer that introduces an error; the first output where none does."""
        for place, layer in zip(self._layers.places, layers, strict=True):
            if layer.introduced is not None and layer.introduced.diverges:
                return place
        return MODEL_OUTPUTS, 0

    def _align_outputs(self, reference: ModelInfo, target: ModelInfo) -> None:
        places = align_tensors(reference.outputs, target.outputs)
        for mine, theirs in enumerate(places):
            if theirs is None:
                tensor = reference.outputs[mine]
                reason = f"no output of the target has its shape {list(tensor.shape)} at its place"
                self._missing.append(tensor.name)
                self._unpaired_outputs.append(Unpaired("reference", mine, tensor.name, "output", reason))
            else:
                pair = TensorPair(reference.outputs[mine], target.outputs[theirs], self._rule)
                self._outputs.append((mine, theirs, pair))
                self._scatters.append(ScatterSampler())
        for theirs, tensor in enumerate(target.outputs):
            if theirs not in places:
                reason = "the reference has no such output"
                self._unpaired_outputs.append(Unpaired("target", theirs, tensor.name, "output", reason))


class _Layers:
    """The comparison of layers; aligned on the first chunk.

    Attributes:
        same_model: whether reference and target were made from one file; None while nobody knows.
    """

    def __init__(self, rule: ToleranceRule, layer_map: LayerMap | None) -> None:
        self.same_model: bool | None = None
        self._rule = rule
        self._map = layer_map
        self._alignment: LayerAlignment | None = None
        self._nodes: tuple[NodeProfile, ...] = ()
        self._pairs: list[tuple[LayerPair, TensorPair | None]] = []
        self._times: list[_NodeTime] = []

    @property
    def structure(self) -> list[StructuralDifference]:
        """What the target declares otherwise about layers that were paired all the same."""
        differences = []
        moved = [layer.arrangement for layer, _ in self._pairs if layer.arrangement is not None]
        for way in moved[:1]:
            sides = ("first", "last") if way.to_front else ("last", "first")
            where = f"{len(moved)} of {len(self._pairs)} layers"
            differences.append(StructuralDifference(where, "place of the channels", *sides))
        for layer, _ in self._pairs:
            where = f"layer {layer_index(layer.reference)} {layer.reference.node.name}"
            differences += tensor_differences(
                where, layer.reference.tensor, arranged(layer.target.tensor, layer.arrangement)
            )
        return differences

    @property
    def shown(self) -> list[LayerPair]:
        """The pairs of which both sides show data."""
        return [layer for layer, pair in self._pairs if pair is not None]

    @property
    def places(self) -> list[TensorPlace]:
        """Where the reference has the tensor of each pair."""
        return [(layer.reference.position, layer.reference.output) for layer, _ in self._pairs]

    @property
    def unpaired(self) -> tuple[Unpaired, ...]:
        return self._alignment.unpaired if self._alignment is not None else ()

    def update(self, reference: tuple[NodeProfile, ...], target: tuple[NodeProfile, ...]) -> None:
        if not reference and not target:
            return
        if self._alignment is None:
            self._align(reference, target)
        if len(target) != len(self._nodes):
            raise InvalidMsgError(f"the runtime reported {len(target)} nodes, in an earlier run {len(self._nodes)}")
        for time, node in zip(self._times, target, strict=True):
            time.update(node)
        for layer, pair in self._pairs:
            if pair is not None:
                pair.update(layer.reference.data(reference), layer.target_data(target))

    def _align(self, reference: tuple[NodeProfile, ...], target: tuple[NodeProfile, ...]) -> None:
        self._alignment = align_layers(reference, target, self._map, self.same_model)
        self._times = [_NodeTime() for _ in target]
        for layer in self._alignment.pairs:
            mine, theirs = layer.reference, layer.target
            shown = mine.shown(reference) and theirs.shown(target)
            pair = TensorPair(mine.tensor, theirs.tensor, self._rule) if shown else None
            self._pairs.append((layer, pair))
        # Only the descriptions are needed from here on: keeping the profiles would keep the first chunk's data.
        self._nodes = tuple(NodeProfile(node.info) for node in target)

    def result(self, introduced: IntroducedErrors | None) -> tuple[LayerComparison, ...]:
        return tuple(self._comparison(layer, pair, introduced) for layer, pair in self._pairs)

    def _comparison(
        self, layer: LayerPair, pair: TensorPair | None, introduced: IntroducedErrors | None
    ) -> LayerComparison:
        duration, source = self._time_of(layer)
        node, place = layer.reference.node, (layer.reference.position, layer.reference.output)
        error = None if introduced is None else introduced.layer(place)
        return LayerComparison(
            index=layer_index(layer.reference),
            name=node.name,
            type=node.type_name,
            target_name=layer.target.node.name,
            evidence=layer.evidence,
            tensor=pair.result() if pair is not None else None,
            c_duration_ms=duration,
            c_duration_source=source,
            introduced=error,
            signature="" if error is None or not error.diverges else _signature(layer, introduced, place),
        )

    def _time_of(self, layer: LayerPair) -> tuple[float | None, str | None]:
        times = [self._times[position] for position in layer.steps]
        if not all(time.count for time in times):
            return None, None
        return sum(time.total / time.count for time in times), times[-1].source


def _signature(layer: LayerPair, introduced: IntroducedErrors | None, place: TensorPlace) -> str:
    exhibit = None if introduced is None else introduced.exhibit(place)
    tensor = layer.reference.tensor
    if exhibit is None or layer.target.tensor.dtype != tensor.dtype:
        return ""
    limits = (float(np.iinfo(tensor.dtype).min), float(np.iinfo(tensor.dtype).max)) if is_integer(tensor) else None
    return error_signature(exhibit, limits)
