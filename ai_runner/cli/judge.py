"""``ai-runner judge``: a bundle or a report under another policy, without running anything."""

from __future__ import annotations

import argparse
from typing import Any

from ai_runner.cli.judging import (
    add_baseline_argument,
    add_output_arguments,
    check_outputs,
    exit_code,
    policy_argument,
    worse_than,
    write_outputs,
)

HELP = "judge a bundle or a report again, by another policy, without running anything"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``PATH [--policy P] [--baseline F] [--json F] [--junit F] [--markdown F]``."""
    parser.add_argument("path", metavar="PATH", help="a bundle (validate --bundle) or a report (validate --json)")
    parser.add_argument(
        "--policy",
        metavar="P",
        type=policy_argument,
        help="noise-floor, exact, tolerance or a policy file (default: the policy in the bundle, else that of the run)",
    )
    add_baseline_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Judges, prints, writes; the exit code is that which the run would have had."""
    from ai_runner.policy.rules import judge, with_judgement
    from ai_runner.report.judgement_text import judged_lines
    from ai_runner.result_bundle.report_file import read_report

    check_outputs(args)
    report, policy = _report_and_policy(args)
    baseline = read_report(args.baseline) if args.baseline else None
    report = with_judgement(report, judge(report, policy, baseline))
    for line in judged_lines(report):
        print(line)
    write_outputs(args, report)
    code = exit_code(report)
    if baseline is not None:
        lines, worse = worse_than(baseline, report)
        print("\n".join(["", f"since      {args.baseline}", *lines]))
        code = code or (0 if policy.sha256 else worse)
    return code


def _report_and_policy(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from ai_runner.bundle.demands import tolerance_rule
    from ai_runner.bundle.measure_again import measured_again
    from ai_runner.policy.policy import Policy, named_policy, parse_policy
    from ai_runner.result_bundle.bundle import POLICY, Bundle
    from ai_runner.result_bundle.report_file import is_bundle, read_report, verified_report

    policy, _ = named_policy(args.policy)
    if not is_bundle(args.path):
        return read_report(args.path), policy
    with Bundle(args.path) as bundle:
        report = verified_report(bundle)
        if args.policy is None and bundle.has(POLICY):
            policy = parse_policy(bundle.read(POLICY), f"{args.path}: {POLICY}")
        return (report if policy == Policy() else measured_again(bundle, tolerance_rule(policy))), policy
