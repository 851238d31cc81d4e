"""``ai-runner validate``: a reference, its targets, one verdict."""

from __future__ import annotations

import argparse
import logging
import shutil
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ai_runner.cli.inputs import add_input_arguments, natural, open_inputs, tolerance
from ai_runner.cli.judging import (
    add_baseline_argument,
    add_output_arguments,
    check_outputs,
    foreseen,
    policy_argument,
    worse_than,
    write_outputs,
)
from ai_runner.cli.task import add_task_arguments, failing_samples, save_failing
from ai_runner.errors import AiRunnerError, ExitCode, HwIOError

if TYPE_CHECKING:
    from ai_runner import AiRunner
    from ai_runner.bundle.writer import BundleWriter
    from ai_runner.compare.target_judge import NoiseFloor
    from ai_runner.compare.tolerance import ToleranceRule
    from ai_runner.compare.verdict import TargetResult, Validation
    from ai_runner.data import Source
    from ai_runner.journal import Journal
    from ai_runner.policy.policy import Policy

HELP = "compare what targets compute with what the model computes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``-m MODEL -d DESC [-d DESC ...]``, inputs, labels, tolerances, report."""
    parser.add_argument(
        "-m", "--model", metavar="DESC", required=True, help="the reference: tflite:MODEL or any other descriptor"
    )
    parser.add_argument(
        "-d", "--desc", metavar="DESC", required=True, action="append", help="a target; may be given several times"
    )
    add_input_arguments(parser)
    parser.add_argument(
        "--features",
        metavar="F",
        help="raw features of the same samples, for impulses with signal processing: .npy, or a window a line",
    )
    add_task_arguments(parser)
    parser.add_argument(
        "--float", metavar="DESC", help="the model before its quantisation: also tell the share of quantisation"
    )
    parser.add_argument("--per-layer", action="store_true", help="compare layers, find where a difference begins")
    parser.add_argument(
        "--map", metavar="F.toml", help="with --per-layer: pairs of layers, before all evidence (docs/validate.md)"
    )
    parser.add_argument(
        "--policy",
        metavar="P",
        type=policy_argument,
        help="noise-floor: a layer may do what any of LiteRT's kernel sets does with its inputs (default for a tflite: "
        "reference); exact: it has to equal one of them; tolerance: outputs are held to tolerances (default "
        "otherwise); F.toml: what the file says (docs/policy.md)",
    )
    parser.add_argument("--atol", metavar="A", type=tolerance, help="of real-valued outputs (default: 1e-5)")
    parser.add_argument("--rtol", metavar="R", type=tolerance, help="of real-valued outputs (default: 1e-4)")
    parser.add_argument("--max-lsb", metavar="N", type=natural, help="of integer outputs (default: 1)")
    parser.add_argument(
        "--journal",
        metavar="DIR",
        help="keep every result there at once: a run that was killed or unplugged resumes when it is started again",
    )
    add_output_arguments(parser)
    parser.add_argument(
        "--bundle",
        metavar="PATH",
        help="write report, outputs and the worst samples to a folder, or a .zip, that can be judged again",
    )
    add_baseline_argument(parser)
    parser.add_argument("--save-baseline", metavar="F", help="write the report as a baseline for later runs")
    parser.add_argument(
        "--reproducer",
        metavar="DIR",
        help="write the first operator that diverges as a .tflite of its own, with its tensors and a script",
    )


def run(args: argparse.Namespace) -> int:
    """Validates, prints the report, writes the JSON; an error of a runtime is raised after both."""
    from ai_runner.compare.validation import failed_validation
    from ai_runner.policy.policy import named_policy
    from ai_runner.policy.rules import judge, with_judgement
    from ai_runner.report.json import plain_report
    from ai_runner.result_bundle.report_file import read_report

    check_outputs(args)
    policy, policy_file = named_policy(args.policy)
    baseline = read_report(args.baseline) if args.baseline else None
    with _bundle(args.bundle) as bundle:
        try:
            validation = _validate(args, policy, bundle)
        except Exception as error:
            if isinstance(error, AiRunnerError) or not isinstance(error, OSError):  # a full disk takes no report either
                report = plain_report(failed_validation(args.model, args.desc, foreseen(error)))
                write_outputs(args, with_judgement(report, judge(report, policy)))
            raise
        report = plain_report(validation)
        judgement = judge(report, policy, baseline)
        report = with_judgement(report, judgement)
        judged = [replace(x, reasons=judgement.reasons(place)) for place, x in enumerate(validation.targets)]
        validation = replace(validation, targets=tuple(judged))
        _print(validation, report, bool(policy_file))
        write_outputs(args, report)
        if bundle is not None:
            bundle.finish_validation(report, validation, policy_file)
    if args.reproducer:
        _write_reproducers(validation, args.reproducer)
    if validation.error is not None:
        raise _resumable(validation.error, args.journal)
    code = judgement.exit_code
    if baseline is not None:
        lines, worse = worse_than(baseline, report)
        print("\n".join(["", f"since      {args.baseline}", *lines]))
        code = code or (ExitCode.PASS if policy_file else worse)
    return code


def _bundle(path: str | None) -> AbstractContextManager[BundleWriter | None]:
    from ai_runner.bundle.writer import BundleWriter

    return BundleWriter(path) if path else nullcontext()


def _print(validation: Validation, report: dict[str, Any], with_policy: bool) -> None:
    from ai_runner.report.judgement_text import policy_lines
    from ai_runner.report.text import validation_lines

    lines = validation_lines(validation, shutil.get_terminal_size((120, 24)).columns)
    for line in [*lines, *(["", *policy_lines(report)] if with_policy else [])]:
        print(line)


def _validate(args: argparse.Namespace, policy: Policy, bundle: BundleWriter | None) -> Validation:
    from ai_runner.cli.console import ProgressBar, foretell
    from ai_runner.compare.alignment.layer_map import LayerMap
    from ai_runner.compare.reference_kernels import open_reference
    from ai_runner.compare.task.class_names import labels_of
    from ai_runner.compare.task.task import Task
    from ai_runner.compare.validation import validate
    from ai_runner.raw_features import load_features

    layer_map = LayerMap.read(args.map) if args.map else None
    if layer_map is not None:
        layer_map.check(args.desc, args.per_layer)
    with ExitStack() as stack:
        reference, notes = open_reference(args.model, lambda text: stack.enter_context(_open(text)))
        if args.inputs is None and args.random is None:
            notes.append("inputs are random: --inputs takes real ones, and real ones find more")
        info = reference.model_info()
        failing = failing_samples(args)
        source = open_inputs(args, info.inputs)
        labels, class_names = labels_of(source.labels, info, args.label_names)
        features = load_features(args.features) if args.features else None
        targets, failed = _open_targets(args.desc, stack)
        if bundle is not None:
            bundle.places = tuple(targets)
        trained = stack.enter_context(_open(args.float)) if args.float else None
        journal = _journal(args, source)
        stack.enter_context(journal or nullcontext())
        for target in targets.values():
            foretell(target, source.samples)
        with ProgressBar("validate") as progress:
            validation = validate(
                _kept(journal, reference, "reference"),
                [_kept(journal, target, f"target-{place}") for place, target in targets.items()],
                source,
                labels=labels,
                task=Task(args.task) if args.task else None,
                class_names=class_names,
                failing=failing,
                per_layer=args.per_layer,
                tolerance=_tolerances(args, policy),
                noise_floor=_noise_floor(args, policy, reference),
                layer_map=layer_map,
                float_reference=None if trained is None else _kept(journal, trained, "float"),
                features=features,
                progress=progress,
                recorder=bundle,
            )
        if failing is not None:
            notes.append(save_failing(args.save_failing, failing, source, info.inputs))
    if journal is not None and journal.resumed:
        notes.append(f"{journal.resumed} runs of samples were taken from the journal {args.journal}")
    if journal is not None and journal.damaged:
        notes.append(f"damaged pieces of the journal {args.journal}, run again: {journal.damaged}")
    judged = iter(validation.targets)
    results = tuple(failed.get(place) or next(judged) for place in range(len(args.desc)))
    return replace(validation, targets=results, notes=tuple(notes))


def _write_reproducers(validation: Validation, folder: str) -> None:
    """One for each target that has a divergence."""
    from ai_runner.report.reproducer import reproducer_line, write_reproducers

    for target, written in zip(validation.targets, write_reproducers(validation.targets, folder), strict=True):
        if target.first_divergence is not None:
            print(reproducer_line(written))


def _tolerances(args: argparse.Namespace, policy: Policy) -> ToleranceRule:
    """What outputs are held to; options and a policy file exclude each other."""
    from ai_runner.bundle.demands import tolerance_rule
    from ai_runner.compare.tolerance import ToleranceRule
    from ai_runner.errors import InvalidParamError

    given = _given_tolerances(args)
    if given and policy.sha256:
        raise InvalidParamError(
            f"--policy {args.policy} and --{given[0].replace('_', '-')} exclude each other",
            hint="say it in the policy, under [tolerance]",
        )
    return ToleranceRule(args.max_lsb, args.atol, args.rtol) if given else tolerance_rule(policy)


def _noise_floor(args: argparse.Namespace, policy: Policy, reference: AiRunner) -> NoiseFloor | None:
    """How layers are judged; None for tolerances."""
    from ai_runner.bundle.demands import noise_floor
    from ai_runner.errors import InvalidParamError
    from ai_runner.policy.policy import Base

    tolerances = _given_tolerances(args)
    if not tolerances:
        # A bundle is to be judged by equality as well.
        return noise_floor(policy, reference, thorough=bool(args.bundle))
    if policy.base in (None, Base.TOLERANCE):
        return None
    raise InvalidParamError(f"--policy {policy.base} and --{tolerances[0].replace('_', '-')} exclude each other")


def _given_tolerances(args: argparse.Namespace) -> list[str]:
    return [option for option in ("max_lsb", "atol", "rtol") if getattr(args, option) is not None]


def _open(text: str) -> AiRunner:
    from ai_runner import AiRunner

    return AiRunner.open(text, logger=logging.getLogger("ai_runner.cli"))


def _open_targets(texts: list[str], stack: ExitStack) -> tuple[dict[int, AiRunner], dict[int, TargetResult]]:
    """By their place: the targets that could be opened, and the results of the others."""
    from ai_runner.compare.validation import failed_target

    opened, failed = {}, {}
    for place, text in enumerate(texts):
        try:
            opened[place] = stack.enter_context(_open(text))
        except AiRunnerError as error:
            failed[place] = failed_target(text, error)
    return opened, failed


def _journal(args: argparse.Namespace, source: Source) -> Journal | None:
    """The journal of this question, new or to be resumed."""
    from ai_runner.journal import Journal, validation_question

    if not args.journal:
        return None
    return Journal(args.journal, validation_question(len(args.desc), args.float, source, args.per_layer))


def _resumable(error: AiRunnerError, journal: str | None) -> AiRunnerError:
    """The error of a runtime; where the bench is at fault and a journal was kept, it says how to go on."""
    if journal and isinstance(error, HwIOError):
        go_on = f"the same command resumes: {journal} has what was run"
        error.hint = f"{error.hint}; {go_on}" if error.hint else go_on
    return error


def _kept(journal: Journal | None, runner: AiRunner, place: str) -> Any:
    """`runner`, with its results in the journal where there is one."""
    return runner if journal is None else journal.session(runner, place)
