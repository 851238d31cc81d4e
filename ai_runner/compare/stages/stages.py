"""The way from the trained model to each target, as far as a validation runs its stations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.compare.health.structure import same_model
from ai_runner.compare.input_feed import InputFeed
from ai_runner.compare.participant import Participant, Session
from ai_runner.compare.stages.error_budget import CODE_GENERATION, DEPLOYMENT, QUANTISATION, TARGET, ErrorBudget
from ai_runner.compare.tensor_pair import real_values
from ai_runner.compare.verdict import TargetResult
from ai_runner.errors import InvalidModelError
from ai_runner.model import ModelInfo

Array = npt.NDArray[Any]
RealOutputs = Sequence[Array] | None


class FloatReference:
    """The trained model before its quantisation, given the same real values as the reference."""

    def __init__(self, session: Session, reference: ModelInfo) -> None:
        """Matches inputs and outputs.

        Raises:
            InvalidModelError: they are others than the reference's.
        """
        self.descriptor = str(session.descriptor)
        self._participant = Participant(session, per_layer=False, like=reference)
        self._feed = InputFeed(reference.inputs, self._participant.info.inputs, self.descriptor)
        self._reference = reference
        self._places = align_tensors(reference.outputs, self._participant.info.outputs)
        if None in self._places:
            raise InvalidModelError(
                f"{self.descriptor}: its outputs are not those of the reference",
                hint="--float wants the model that the reference was quantised from",
            )

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The real values of the reference's outputs for its inputs; raises what the runtime does."""
        result = self._participant.run(self._feed(inputs), None)
        tensors = self._participant.info.outputs
        return [
            real_values(tensors[place], result.outputs[place]).reshape(len(inputs[0]), *mine.sample_shape)
            for place, mine in zip(self._places, self._reference.outputs, strict=True)
            if place is not None
        ]


class Stages:
    """Accumulates the error budgets of all targets.

    Args:
        float_reference: descriptor of the model before quantisation; None when it is not run.
        reference: the model's description and its descriptor.
        targets: the same for each target; no description for one that could not be opened.
    """

    def __init__(
        self,
        float_reference: str | None,
        reference: tuple[ModelInfo, str],
        targets: Sequence[tuple[ModelInfo | None, str]],
    ) -> None:
        self._has_float = float_reference is not None
        self._infos = [info for info, _ in targets]
        # The C-model on the host that tells what code generation does from what the target does.
        self._host_model = next((place for place, info in enumerate(self._infos) if _is_host_model(info)), None)
        self._budgets: list[ErrorBudget | None] = []
        for place, (info, descriptor) in enumerate(targets):
            stages, runs = list[str](), [reference[1]]
            if float_reference is not None:
                stages, runs = [QUANTISATION], [float_reference, *runs]
            if self._has_station(place):
                stages, runs = [*stages, CODE_GENERATION], [*runs, targets[self._host_model or 0][1]]
            last = self._last_stage(place)
            self._budgets.append(None if info is None else ErrorBudget([*stages, last], [*runs, descriptor]))

    def update(self, trained: RealOutputs, reference: RealOutputs, targets: Sequence[RealOutputs]) -> None:
        """Adds a chunk: the real values of the reference's outputs, by everybody who was run; None for who was not."""
        for place, (budget, outputs) in enumerate(zip(self._budgets, targets, strict=True)):
            stations = [trained] if self._has_float else []
            stations.append(reference)
            if self._has_station(place):
                stations.append(targets[self._host_model or 0])
            stations.append(outputs)
            known = [station for station in stations if station is not None]
            if budget is not None and len(known) == len(stations):
                budget.update(known)

    def complete(self, results: Sequence[TargetResult]) -> tuple[TargetResult, ...]:
        """The results of all targets with their budgets, and with the stage of each divergence."""
        complete = []
        for place, (result, budget) in enumerate(zip(results, self._budgets, strict=True)):
            shares = () if budget is None or len(budget.stages) < 2 else budget.result()
            complete.append(replace(result, error_budget=shares, stage=self._stage(place, results)))
        return tuple(complete)

    def _stage(self, place: int, results: Sequence[TargetResult]) -> str:
        found = results[place].first_divergence
        if found is None:
            return ""
        if not self._has_station(place):
            return self._last_stage(place)
        before = results[self._host_model or 0].first_divergence
        same = before is not None and (before.layer, before.name) == (found.layer, found.name)
        return CODE_GENERATION if same else TARGET

    def _has_station(self, place: int) -> bool:
        """Whether a C-model on the host lies on the way to a target."""
        info = self._infos[place]
        if self._host_model in (None, place) or info is None or not info.runtime.generated_code:
            return False
        host_model = self._infos[self._host_model or 0]
        return host_model is not None and same_model(host_model, info) is not False

    def _last_stage(self, place: int) -> str:
        if self._has_station(place):
            return TARGET
        return CODE_GENERATION if _is_host_model(self._infos[place]) else DEPLOYMENT


def _is_host_model(info: ModelInfo | None) -> bool:
    return info is not None and info.runtime.generated_code and info.device.dev_type == "HOST"
