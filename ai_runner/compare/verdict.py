"""What a validation found, frozen, and how it is judged: outputs decide, layers tell where it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ai_runner.compare.layer_alignment import Unpaired
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
    """

    index: int
    name: str
    type: str
    target_name: str
    evidence: str
    tensor: TensorComparison | None
    c_duration_ms: float | None
    c_duration_source: str | None


@dataclass(frozen=True)
class Divergence:
    """The first layer beyond tolerance, in the reference's order."""

    layer: int
    name: str
    type: str
    reason: str


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
        warnings: what it warned of, each once.
        error: why it could not go on; None when it could.
    """

    descriptor: str
    info: ModelInfo | None = None
    samples: int = 0
    c_duration_ms: float | None = None
    c_duration_source: str | None = None
    accuracy: float | None = None
    warnings: tuple[str, ...] = ()
    error: AiRunnerError | None = None


@dataclass(frozen=True)
class TargetResult:
    """What was found about one target.

    Attributes:
        run: what it did.
        outputs: one comparison an output that could be paired, in the reference's order.
        layers: the paired layers, in the reference's order; empty unless they were asked for.
        unpaired: nodes and outputs without counterpart, on both sides.
        reasons: why the verdict is `fail`, one line each.
    """

    run: RunSummary
    outputs: tuple[TensorComparison, ...] = ()
    layers: tuple[LayerComparison, ...] = ()
    unpaired: tuple[Unpaired, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """`pass` when nothing speaks against it."""
        return Verdict.FAIL if self.reasons else Verdict.PASS

    @property
    def first_divergence(self) -> Divergence | None:
        """Where it began to differ; None when no layer is beyond tolerance."""
        for layer in self.layers:
            if layer.tensor is not None and not layer.tensor.within:
                return Divergence(layer.index, layer.name, layer.type, layer.tensor.reason)
        return None


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
    outputs: Sequence[TensorComparison],
    missing: Sequence[str] = (),
    error: AiRunnerError | None = None,
    reference_error: AiRunnerError | None = None,
) -> tuple[str, ...]:
    """Why a target fails, one line each; empty when it passes.

    Args:
        outputs: the comparisons of all outputs that could be paired.
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
    compared = [output for output in outputs if output.count or not (error or reference_error)]
    reasons += [f"output '{output.name}': {output.reason}" for output in compared if not output.within]
    if not reasons and not outputs:
        reasons.append("no output was compared")
    return tuple(reasons)


def one_line(error: AiRunnerError) -> str:
    """An error for a list of reasons."""
    return " ".join(str(error).split())
