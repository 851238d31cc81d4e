"""The answer to the question of ``pytest --ai-runner``: connections, validation, judgement, made when asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai_runner.errors import AiRunnerError, InvalidParamError

if TYPE_CHECKING:
    from ai_runner import AiRunner
    from ai_runner.bundle.writer import BundleWriter
    from ai_runner.compare.verdict import TargetResult, Validation
    from ai_runner.data import Source
    from ai_runner.journal import Journal
    from ai_runner.policy.judgement import Judgement, RuleResult
    from ai_runner.policy.policy import Policy
    from ai_runner.pytest_plugin.options import Question


class Gate:
    """One question and what came of it.

    Every runtime is connected to once, when it is first needed, and stays so until `close`: tests go on where the
    validation has ended, and a recording of both is one session.

    Args:
        question: what is asked.
        report: of a validation that another process has made, JSON; None to make it here.

    Attributes:
        refusal: why the target must not be connected to just now; '' when it may.
    """

    def __init__(self, question: Question, report: str | None = None) -> None:
        self.question = question
        self._report = report
        self._connections = ExitStack()
        self._opened: dict[str, AiRunner | AiRunnerError] = {}
        self._bundle: BundleWriter | None = None
        self._reproducers: list[str] = []
        self.refusal = ""

    def close(self) -> None:
        """Ends the connections; they are made again when they are asked for."""
        self._opened.clear()
        self._connections.close()

    # -- connections ------------------------------------------------------------------------------------------------

    @property
    def target(self) -> AiRunner:
        """The first target, connected; raises what kept it from being so."""
        return self._open("target 0", self.question.targets[0])

    @property
    def reference(self) -> AiRunner:
        """The reference, connected; raises what kept it from being so."""
        return self._reference_with_notes()[0]

    def _reference_with_notes(self) -> tuple[AiRunner, list[str]]:
        from ai_runner.compare.reference_kernels import open_reference

        return open_reference(self.question.reference, lambda text: self._open(f"reference {text}", text))

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

    # -- validation -------------------------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        """What is demanded; raises InvalidParamError for a file that is no policy."""
        return self._policy_and_file[0]

    @cached_property
    def _policy_and_file(self) -> tuple[Policy, bytes]:
        from ai_runner.policy.policy import named_policy

        return named_policy(self.question.policy or None)

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
        from ai_runner.bundle.demands import noise_floor, tolerance_rule
        from ai_runner.compare.alignment.layer_map import LayerMap
        from ai_runner.compare.task.class_names import labels_of
        from ai_runner.compare.task.task import Task
        from ai_runner.compare.validation import validate
        from ai_runner.pytest_plugin.data import source_of
        from ai_runner.raw_features import load_features

        question = self.question
        layer_map = LayerMap.read(question.map) if question.map else None
        if layer_map is not None:
            layer_map.check(question.targets, question.per_layer)
        reference, notes = self._reference_with_notes()
        info = reference.model_info()
        source = source_of(question, info.inputs)
        labels, class_names = labels_of(source.labels, info, question.label_names or None)
        features = load_features(question.features) if question.features else None
        targets, failed = self._open_targets()
        if self._bundle is not None:
            self._bundle.places = tuple(targets)
        trained = self._open("float", question.float) if question.float else None
        with self._journal(source) as journal:
            kept = journal.session if journal is not None else lambda runner, _: runner
            found = validate(
                kept(reference, "reference"),
                [kept(target, f"target-{place}") for place, target in targets.items()],
                source,
                labels=labels,
                task=Task(question.task) if question.task else None,
                class_names=class_names,
                per_layer=question.per_layer,
                tolerance=tolerance_rule(self.policy),
                noise_floor=noise_floor(self.policy, reference, thorough=bool(question.bundle)),
                layer_map=layer_map,
                float_reference=None if trained is None else kept(trained, "float"),
                features=features,
                recorder=self._bundle,
            )
        judged = iter(found.targets)
        results = tuple(failed.get(place) or next(judged) for place in range(len(question.targets)))
        return replace(found, targets=results, notes=tuple(notes))

    def _journal(self, source: Source) -> AbstractContextManager[Journal | None]:
        """That of `validate --journal` for the same question: either goes on where the other was killed."""
        from ai_runner.journal import Journal, validation_question

        question = self.question
        if not question.journal:
            return nullcontext()
        asked = validation_question(len(question.targets), question.float or None, source, question.per_layer)
        return Journal(question.journal, asked)

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

    # -- judgement --------------------------------------------------------------------------------------------------

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """The report, schema ``ai-runner/validation/1``: that of another process, or of the validation made here."""
        from ai_runner.report.json import plain_report

        return plain_report(self.validation) if self._report is None else json.loads(self._report)

    @cached_property
    def judgement(self) -> Judgement:
        """One result a rule.

        Raises:
            InvalidParamError: as `validation`; or a policy or baseline cannot be read, or the report not be written.
            InvalidModelError: the baseline is no report and no bundle.
        """
        from ai_runner.policy.rules import judge, with_judgement
        from ai_runner.pytest_plugin import report_files
        from ai_runner.report.reproducer import reproducer_line, write_reproducers
        from ai_runner.result_bundle.report_file import read_report

        question, is_mine = self.question, self._report is None
        if is_mine:  # mistakes in files show before a board runs for minutes
            report_files.check_report_files(question)
        policy, policy_file = self._policy_and_file
        baseline = read_report(question.baseline) if question.baseline else None
        with self._recording(question.bundle if is_mine else "") as bundle:
            judgement = judge(self.report, policy, baseline)
            if baseline is not None and not policy.sha256:  # no rule of a file compares with it
                not_worse = _not_worse(baseline, with_judgement(self.report, judgement))
                judgement = replace(judgement, results=(*judgement.results, not_worse))
            judged = with_judgement(self.report, judgement)
            if is_mine:
                report_files.write_report_files(question, judged)
            if bundle is not None:
                bundle.finish_validation(judged, self.validation, policy_file)
        if is_mine and question.reproducer:
            written = write_reproducers(self.validation.targets, question.reproducer)
            self._reproducers = [reproducer_line(folder) for folder in written if folder is not None]
        return judgement

    @contextmanager
    def _recording(self, path: str) -> Iterator[BundleWriter | None]:
        """A bundle that looks on while the validation runs; None without a path."""
        from ai_runner.bundle.writer import BundleWriter

        with BundleWriter(path) if path else nullcontext() as bundle:
            self._bundle = bundle
            yield bundle
        self._bundle = None

    @property
    def has_validated(self) -> bool:
        """Whether this process has made the validation, and judged it."""
        return "validation" in vars(self) and "judgement" in vars(self)

    def lines(self, width: int) -> list[str]:
        """The validation as text, judged, and the rules of a policy file."""
        from ai_runner.policy.rules import with_judgement
        from ai_runner.report.judgement_text import policy_lines
        from ai_runner.report.text import validation_lines

        found, judgement = self.validation, self.judgement
        judged = [replace(x, reasons=judgement.reasons(place)) for place, x in enumerate(found.targets)]
        lines = validation_lines(replace(found, targets=tuple(judged)), width) + self._reproducers
        return [*lines, "", *policy_lines(with_judgement(self.report, judgement))] if self.policy.sha256 else lines


def _not_worse(old: Mapping[str, Any], new: Mapping[str, Any]) -> RuleResult:
    """The one rule of a baseline without a policy file: that nothing which a verdict stands on has become worse."""
    from ai_runner.policy.changes import changes
    from ai_runner.policy.judgement import RuleResult, Status

    worse = [change for change in changes(old, new) if change.worse]
    reason = "; ".join(f"{x.target or 'all'}: {x.what} {x.old or 'none'}, now {x.new or 'none'}" for x in worse)
    status = Status.FAIL if worse else Status.PASS
    return RuleResult(None, "baseline", "not-worse", status, len(worse), 0, reason)
