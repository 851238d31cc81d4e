"""The answer to the question of ``pytest --ai-runner``: connections, validation, judgement, made when asked for."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai_runner.errors import AiRunnerError, InvalidParamError

if TYPE_CHECKING:
    from ai_runner import AiRunner
    from ai_runner.compare.target_judge import NoiseFloor
    from ai_runner.compare.tolerance import ToleranceRule
    from ai_runner.compare.validation import Source
    from ai_runner.compare.verdict import TargetResult, Validation
    from ai_runner.policy.judgement import Judgement
    from ai_runner.policy.policy import Policy
    from ai_runner.pytest_plugin.options import Question


class Gate:
    """One question and what came of it.

    Every runtime is connected to once, when it is first needed, and stays so until `close`: tests go on where the
    validation has ended, and a recording of both is one session.

    Args:
        question: what is asked.
        report: of a validation that another process has made, JSON; None to make it here.
    """

    def __init__(self, question: Question, report: str | None = None) -> None:
        self.question = question
        self._report = report
        self._connections = ExitStack()
        self._opened: dict[str, AiRunner | AiRunnerError] = {}
        self._claim: Path | None = None

    def close(self) -> None:
        """Ends the connections; they are made again when they are asked for."""
        self._opened.clear()
        self._connections.close()
        if self._claim is not None:
            self._claim.unlink(missing_ok=True)
            self._claim = None

    # -- connections ------------------------------------------------------------------------------------------------

    @property
    def target(self) -> AiRunner:
        """The first target, connected; raises what kept it from being so."""
        return self._open("target 0", self.question.targets[0])

    @property
    def reference(self) -> AiRunner:
        """The reference, connected; raises what kept it from being so."""
        from ai_runner.compare.reference_kernels import with_reference_kernels

        return self._open("reference", with_reference_kernels(self.question.reference)[0])

    def _open(self, place: str, descriptor: str) -> AiRunner:
        if place not in self._opened:
            from ai_runner import AiRunner

            try:
                runner = AiRunner.open(descriptor, logger=logging.getLogger("ai_runner.pytest_plugin"))
                self._opened[place] = self._connections.enter_context(runner)
            except AiRunnerError as error:  # a board that does not answer is not asked again by every test
                self._opened[place] = error
        found = self._opened[place]
        if isinstance(found, AiRunnerError):
            raise found
        return found

    def claim(self, run: str, worker: str) -> str:
        """Who may open the target in a run of several workers on this machine: the first that asks, until its `close`.

        Args:
            run: of xdist, the same for all workers.
            worker: who asks.
        """
        claim = Path(tempfile.gettempdir()) / f"ai-runner-{run}"
        try:
            with claim.open("x", encoding="utf-8") as file:
                file.write(worker)
            self._claim = claim
        except FileExistsError:
            return claim.read_text(encoding="utf-8")
        return worker

    # -- validation -------------------------------------------------------------------------------------------------

    @cached_property
    def policy(self) -> Policy:
        """What is demanded; raises InvalidParamError for a file that is no policy."""
        from ai_runner.policy.policy import Policy, read_policy

        return read_policy(self.question.policy) if self.question.policy else Policy()

    @cached_property
    def validation(self) -> Validation:
        """The validation, run here.

        Raises:
            InvalidParamError: inputs or labels do not fit, or a path names nothing.
        """
        from ai_runner.compare.validation import failed_validation

        try:
            return self._validate()
        except InvalidParamError:
            raise
        except AiRunnerError as error:  # the reference cannot be connected to or described
            return failed_validation(self.question.reference, self.question.targets, error)

    def _validate(self) -> Validation:
        from ai_runner.compare.reference_kernels import with_reference_kernels
        from ai_runner.compare.validation import validate

        policy = self.policy
        reference = self.reference
        source = self._source(reference)
        targets, failed = self._open_targets()
        found = validate(
            reference,
            list(targets.values()),
            source,
            labels=self._labels(source.samples),
            per_layer=self.question.per_layer,
            tolerance=_tolerance(policy),
            noise_floor=_noise_floor(reference, policy),
        )
        judged = iter(found.targets)
        results = tuple(failed.get(place) or next(judged) for place in range(len(self.question.targets)))
        return replace(found, targets=results, notes=tuple(with_reference_kernels(self.question.reference)[1]))

    def _open_targets(self) -> tuple[dict[int, AiRunner], dict[int, TargetResult]]:
        from ai_runner.compare.validation import failed_target

        opened, failed = {}, {}
        for place, text in enumerate(self.question.targets):
            try:
                opened[place] = self._open(f"target {place}", text)
            except InvalidParamError:
                raise
            except AiRunnerError as error:
                failed[place] = failed_target(text, error)
        return opened, failed

    def _source(self, reference: AiRunner) -> Source:
        from ai_runner.data import DEFAULT_SAMPLES, DEFAULT_SEED, FileInputs, RandomInputs, split_labels

        inputs = reference.model_info().inputs
        if not self.question.inputs:
            seed = DEFAULT_SEED if self.question.seed is None else self.question.seed
            return RandomInputs(inputs, self.question.random or DEFAULT_SAMPLES, seed)
        path, key = split_labels(self.question.labels) if self.question.labels else (None, None)
        return FileInputs(self.question.inputs, inputs, key if str(path) == self.question.inputs else None)

    def _labels(self, samples: int) -> Any:
        from ai_runner.data import load_labels

        return load_labels(self.question.labels, samples) if self.question.labels else None

    # -- judgement --------------------------------------------------------------------------------------------------

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """The report, schema ``ai-runner/validation/1``: that of another process, or of the validation made here."""
        from ai_runner.report.json import validation_dict

        return validation_dict(self.validation) if self._report is None else json.loads(self._report)

    @cached_property
    def judgement(self) -> Judgement:
        """One result a rule; raises as `validation`, and InvalidParamError for a policy or baseline that is none."""
        from ai_runner.policy.rules import judge, with_judgement
        from ai_runner.report.json import write_report

        policy, baseline = self.policy, self._baseline()  # a mistake in a file shows before a board runs for minutes
        judgement = judge(self.report, policy, baseline)
        if self.question.json and self._report is None:
            write_report(with_judgement(self.report, judgement), self.question.json)
        return judgement

    def _baseline(self) -> Mapping[str, Any] | None:
        return None

    @property
    def has_validated(self) -> bool:
        """Whether this process has made the validation, and judged it."""
        return "validation" in vars(self) and "judgement" in vars(self)

    def lines(self, width: int) -> list[str]:
        """The validation as text."""
        from ai_runner.report.text import validation_lines

        return validation_lines(self.validation, width)


def _noise_floor(reference: AiRunner, policy: Policy) -> NoiseFloor | None:
    """Layers and outputs are run again where the reference can, unless the policy wants tolerances everywhere."""
    from ai_runner.compare.target_judge import NoiseFloor
    from ai_runner.policy.policy import Base

    if reference.descriptor.scheme != "tflite" or policy.base is Base.TOLERANCE:
        return None
    return NoiseFloor(reference.rerun, exact=policy.base is Base.EXACT)


def _tolerance(policy: Policy) -> ToleranceRule:
    from ai_runner.compare.tolerance import ToleranceRule

    wanted = policy.tolerance
    return ToleranceRule(wanted.max_lsb, wanted.atol, wanted.rtol)
