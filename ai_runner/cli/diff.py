"""``ai-runner diff``: what has changed from one validation to another."""

from __future__ import annotations

import argparse

from ai_runner.cli.judging import exit_code, policy_argument, worse_than

HELP = "show what has changed from one bundle or report to another; exit code 1 when it has become worse"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``OLD NEW [--policy P]``."""
    parser.add_argument("old", metavar="OLD", help="a bundle or a report (validate --bundle, --json, --save-baseline)")
    parser.add_argument("new", metavar="NEW", help="another one")
    parser.add_argument(
        "--policy",
        metavar="P",
        type=policy_argument,
        help="let a policy decide instead, NEW judged with OLD as its baseline",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the changes; 1 when a verdict or an output is worse, or what the policy says."""
    from ai_runner.policy.policy import named_policy
    from ai_runner.policy.rules import judge, with_judgement
    from ai_runner.report.judgement_text import judged_lines
    from ai_runner.result_bundle.report_file import read_report

    policy, _ = named_policy(args.policy)
    old, new = read_report(args.old), read_report(args.new)
    lines, code = worse_than(old, new)
    print("\n".join(lines))
    if args.policy is None:
        return code
    judged = with_judgement(new, judge(new, policy, old))
    print("\n".join(["", *judged_lines(judged)]))
    return exit_code(judged)
