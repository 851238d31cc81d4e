"""What a validation found, frozen, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ai_runner.compare.alignment.layer_alignment import Unpaired
from ai_runner.compare.health.structure import StructuralDifference
from ai_runner.compare.health.target_health import HealthReport
from ai_runner.compare.noise_floor.introduced import Exhibit
from ai_runner.compare.noise_floor.noise_band import IntroducedError
from ai_runner.compare.sampling.latency_sample import LatencySample
from ai_runner.compare.sampling.scatter_sample import ScatterSample
from ai_runner.compare.stages.error_budget import StageShare
from ai_runner.compare.task.changed_answers import ChangedAnswers
from ai_runner.compare.task.classification import ClassificationMetrics
from ai_runner.compare.task.regression import RegressionMetrics
from ai_runner.compare.tensor_pair import TensorComparison
from ai_runner.errors import AiRunnerError
from ai_runner.model import ModelInfo


class Verdict(StrEnum):
    """Of a target, or of all."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"


@dataclass(frozen=True)
class LayerComparison:
    """One layer of the reference and what the target made of it.

    Attributes:
        index: of the operator in the original model.
        name, type: of the reference's node.
        target_name: of the target's node.
        evidence: why the two were paired: ``id``, ``order`` or ``content``.
        tensor: the comparison of what they write; None where one side shows no data.
        c_duration_ms: the target's mean time for the layer, all its nodes together; None where it was not measured.
        c_duration_source: where that time comes from (`TimeSource`).
        introduced: what the layer itself adds to the error of its inputs; None where it was not run again.
        signature: what kind of mistake that looks like, where it is clear.
    """

    index: int
    name: str
    type: str
    target_name: str
    evidence: str
    tensor: TensorComparison | None
    c_duration_ms: float | None
    c_duration_source: str | None
    introduced: IntroducedError | None = None
    signature: str = ""

    @property
    def within(self) -> bool | None:
        """Whether it is right: by what it introduces where that is known, else by tolerance; None without data."""
        if self.introduced is not None:
            return not self.introduced.diverges
        return None if self.tensor is None else self.tensor.within


@dataclass(frozen=True)
class OutputComparison:
    """An output of the reference and what the target made of it.

    Attributes:
        tensor: the comparison with the reference.
        introduced: how far it lies outside of what trusted kernels compute from the target's last recorded tensors, or
            from the inputs; None where tolerances decide.
        scatter: some pairs of values, for a picture.
    """

    tensor: TensorComparison
    introduced: IntroducedError | None = None
    scatter: ScatterSample | None = None

    @property
    def within(self) -> bool:
        """Whether the output is right."""
        return self.tensor.within if self.introduced is None else not self.introduced.diverges

    @property
    def reason(self) -> str:
        """Why it is not, one clause; '' when it is."""
        return self.tensor.reason if self.introduced is None else self.introduced.reason


@dataclass(frozen=True)
class Divergence:
    """Where a target begins to differ.

    Attributes:
        layer: index of the operator in the original model; None when the input or an output is at fault.
        name, type: of the reference's node; ``input`` or ``output`` for those.
        reason: what is wrong, one clause.
        stage: of deployment at which it comes in, see `error_budget`; '' when it is not known.
    """

    layer: int | None
    name: str
    type: str
    reason: str
    stage: str = ""


@dataclass(frozen=True)
class RunSummary:
    """What one runtime did.

    Attributes:
        descriptor: what was connected.
        info: what it says about itself; None when it could not be opened.
        samples: how many it answered.
        c_duration_ms: mean time of a sample; None without a measurement.
        c_duration_source: where that time comes from (`TimeSource`).
        accuracy: against the labels; None without labels.
        task: how well it does what the model is for, against the labels; None without labels.
        warnings: what it warned of, each once.
        error: why it could not go on; None when it could.
        latency: times of some samples, for a picture; None without a measurement.
    """

    descriptor: str
    info: ModelInfo | None = None
    samples: int = 0
    c_duration_ms: float | None = None
    c_duration_source: str | None = None
    accuracy: float | None = None
    warnings: tuple[str, ...] = ()
    error: AiRunnerError | None = None
    latency: LatencySample | None = None
    task: ClassificationMetrics | RegressionMetrics | None = None


@dataclass(frozen=True)
class TargetResult:
    """What was found about one target.

    Attributes:
        run: what it did.
        outputs: one comparison an output that could be paired, in the reference's order.
        layers: the paired layers, in the reference's order; empty unless they were asked for.
        unpaired: nodes and outputs without counterpart, on both sides.
        reasons: why the verdict is `fail`, one line each.
        input_fault: what became of an input on its way, one clause; '' when nothing points to it.
        structure: what it declares otherwise than the reference.
        health: what is odd about it by itself.
        stage: at which its divergence comes in, where it has one; see `error_budget`.
        error_budget: the shares of the stages in the error at its outputs; empty where there is only one.
        exhibit: some samples of the first divergence, where it was run again.
        changed: samples that it answers otherwise than the reference; None where outputs are no class scores.
    """

    run: RunSummary
    outputs: tuple[OutputComparison, ...] = ()
    layers: tuple[LayerComparison, ...] = ()
    unpaired: tuple[Unpaired, ...] = ()
    reasons: tuple[str, ...] = ()
    input_fault: str = ""
    structure: tuple[StructuralDifference, ...] = ()
    health: HealthReport = field(default_factory=HealthReport)
    stage: str = ""
    error_budget: tuple[StageShare, ...] = ()
    exhibit: Exhibit | None = None
    changed: ChangedAnswers | None = None

    @property
    def verdict(self) -> Verdict:
        """`pass` when nothing speaks against it."""
        return Verdict.FAIL if self.reasons else Verdict.PASS

    @property
    def first_divergence(self) -> Divergence | None:
        """Where it began to differ; None when nothing does."""
        found = first_divergence(self.layers, self.outputs, self.input_fault)
        return found if found is None else replace(found, stage=self.stage)


def first_divergence(
    layers: Sequence[LayerComparison], outputs: Sequence[OutputComparison], input_fault: str = ""
) -> Divergence | None:
    """The input, else the first layer that introduces an error, else the first output that is wrong.

    Accumulated error names a layer only where no layer could be run again on its own inputs.
    """
    if input_fault:
        return Divergence(None, "input", "input", input_fault)
    for layer in layers:
        if layer.introduced is not None and layer.introduced.diverges:
            looks = f"; {layer.signature}" if layer.signature else ""
            return Divergence(layer.index, layer.name, layer.type, layer.introduced.reason + looks)
    wrong = next((output for output in outputs if output.tensor.count and not output.within), None)
    judged_by_tolerance = all(output.introduced is None for output in outputs)
    if judged_by_tolerance or wrong is not None:
        for layer in layers:
            if layer.introduced is None and layer.tensor is not None and not layer.tensor.within:
                said = "" if judged_by_tolerance else "accumulated error, the layer could not be run again: "
                return Divergence(layer.index, layer.name, layer.type, said + layer.tensor.reason)
    return None if wrong is None else Divergence(None, wrong.tensor.name, "output", wrong.reason)


@dataclass(frozen=True)
class Validation:
    """A reference, its targets, and what was found.

    Attributes:
        reference: what the reference did; its `error` ends the validation.
        targets: in the order they were given.
        data: where the inputs came from, one line.
        samples: how many there are.
        seed: of random inputs; None for others.
        started: when, with time zone.
        per_layer: whether layers were asked for.
        notes: choices made for the user, one line each.
        failure: what kept everything from being run; None when it was.
        judged_by: ``noise-floor``, ``exact`` (equality with a kernel set) or ``tolerance``.
        data_sha256: of all inputs and labels that were run, 64 hexadecimal digits; '' without any.
    """

    reference: RunSummary
    targets: tuple[TargetResult, ...]
    data: str
    samples: int
    seed: int | None
    started: datetime
    per_layer: bool = False
    notes: tuple[str, ...] = ()
    failure: AiRunnerError | None = None
    judged_by: str = "tolerance"
    data_sha256: str = ""

    @property
    def verdict(self) -> Verdict:
        """`pass` when there are targets and all of them pass."""
        passed = self.targets and all(target.verdict is Verdict.PASS for target in self.targets)
        return Verdict.PASS if passed else Verdict.FAIL

    @property
    def error(self) -> AiRunnerError | None:
        """The first error that kept a runtime from being judged."""
        if self.failure is not None:
            return self.failure
        runs = [self.reference, *(target.run for target in self.targets)]
        return next((run.error for run in runs if run.error is not None), None)


def reasons_against(
    outputs: Sequence[OutputComparison],
    layers: Sequence[LayerComparison] = (),
    missing: Sequence[str] = (),
    error: AiRunnerError | None = None,
    reference_error: AiRunnerError | None = None,
) -> tuple[str, ...]:
    """Why a target fails, one line each; empty when it passes.

    Args:
        outputs: the comparisons of all outputs that could be paired.
        layers: the paired layers; one that introduces an error fails, whatever comes out in the end.
        missing: names of the reference's outputs that the target does not have.
        error: what kept the target from going on.
        reference_error: what kept the reference from going on.
    """
    reasons = []
    if reference_error is not None:
        reasons.append(f"the reference failed: {one_line(reference_error)}")
    if error is not None:
        reasons.append(one_line(error))
    reasons += [f"output '{name}' has no counterpart in the target" for name in missing]
    compared = [output for output in outputs if output.tensor.count or not (error or reference_error)]
    reasons += [
        f"layer {layer.index} {layer.name} ({layer.type}): {layer.introduced.reason}"
        for layer in layers
        if layer.introduced is not None and layer.introduced.diverges
    ]
    reasons += [f"output '{output.tensor.name}': {output.reason}" for output in compared if not output.within]
    if not reasons and not outputs:
        reasons.append("no output was compared")
    return tuple(reasons)


def one_line(error: AiRunnerError) -> str:
    """An error for a list of reasons."""
    return " ".join(str(error).split())
