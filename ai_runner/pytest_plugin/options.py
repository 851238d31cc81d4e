"""What ``pytest --ai-runner`` is asked: its options, and the question they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

ON = "--ai-runner"
DESC = "--ai-runner-desc"


@dataclass(frozen=True)
class Question:
    """What is to be validated and how; paths and descriptors as they were given.

    Attributes:
        targets: descriptors, at least one.
        reference: a descriptor; '' where nothing is to be validated.
        inputs: a file, folder or loader; '' for random inputs.
        labels: where the labels are; '' for those that the inputs have themselves.
        preprocess: what is done with the inputs, step by step.
        random: how many random samples; None for the default.
        seed: of random samples; None for the default.
        per_layer: compare layers as well.
        policy: noise-floor, exact, tolerance or a TOML file; '' for the default rules.
        baseline: an earlier report or bundle; '' for none.
        json: where the report goes; '' for nowhere.
    """

    targets: tuple[str, ...]
    reference: str = ""
    inputs: str = ""
    labels: str = ""
    preprocess: tuple[str, ...] = ()
    random: int | None = None
    seed: int | None = None
    per_layer: bool = False
    policy: str = ""
    baseline: str = ""
    json: str = ""

    @property
    def scheme(self) -> str:
        """Of the first target; raises InvalidParamError where that is no descriptor."""
        from ai_runner.descriptor import parse_descriptor

        return parse_descriptor(self.targets[0]).scheme

    def lines(self) -> list[str]:
        """For the header of a run."""
        said = [("reference", self.reference), ("policy", self.policy), ("baseline", self.baseline)]
        words = [f"target {target}" for target in self.targets] + [f"{what} {text}" for what, text in said if text]
        return [f"ai-runner: {', '.join(words)}"]


def add_options(parser: pytest.Parser) -> None:
    """All begin with ``--ai-runner``: another plugin may have any other name."""
    group = parser.getgroup("ai-runner", "validation of models on devices (ai-runner)")
    group.addoption(ON, action="store_true", help="Validate a target, one test a rule of the policy.")
    group.addoption(
        DESC,
        metavar="DESC",
        action="append",
        default=[],
        help="A target, as ai-runner's -d. May be given several times. With --ai-runner also spelled -d.",
    )
    group.addoption(
        "--ai-runner-reference",
        metavar="DESC",
        default="",
        help="What is believed: tflite:MODEL or any other descriptor. Without it fixtures are there, and no rules.",
    )
    group.addoption("--ai-runner-inputs", metavar="F", default="", help="Inputs, as validate's --inputs.")
    group.addoption("--ai-runner-random", metavar="N", type=_positive, help="N random samples.\nDefault: 16.")
    group.addoption("--ai-runner-seed", metavar="S", type=_natural, help="Of random samples.\nDefault: 42.")
    group.addoption("--ai-runner-labels", metavar="F", default="", help="Labels, as validate's --labels.")
    group.addoption(
        "--ai-runner-preprocess",
        metavar="STEP",
        action="append",
        default=[],
        help="What is done with the inputs, as validate's --preprocess. May be given several times.",
    )
    group.addoption("--ai-runner-per-layer", action="store_true", help="Compare layers, one test a layer.")
    group.addoption("--ai-runner-policy", metavar="P", default="", help="What is demanded, as validate's --policy.")
    group.addoption("--ai-runner-baseline", metavar="F", default="", help="An earlier report or bundle.")
    group.addoption("--ai-runner-json", metavar="F", default="", help="Write the report as JSON, whatever the verdict.")


def question_of(config: pytest.Config) -> Question | None:
    """What is asked; None without ``--ai-runner``.

    Raises:
        pytest.UsageError: a target is missing, or options exclude each other.
    """
    option = config.getoption
    if not option("ai_runner"):
        return None
    if not option("ai_runner_desc"):
        raise pytest.UsageError("--ai-runner needs a target: -d DESC")
    if option("ai_runner_inputs") and (option("ai_runner_random") or option("ai_runner_seed") is not None):
        raise pytest.UsageError("--ai-runner-inputs excludes --ai-runner-random and --ai-runner-seed")
    if not option("ai_runner_inputs") and (option("ai_runner_labels") or option("ai_runner_preprocess")):
        raise pytest.UsageError("--ai-runner-labels and --ai-runner-preprocess belong to --ai-runner-inputs")
    return Question(
        targets=tuple(option("ai_runner_desc")),
        reference=option("ai_runner_reference"),
        inputs=option("ai_runner_inputs"),
        labels=option("ai_runner_labels"),
        preprocess=tuple(option("ai_runner_preprocess")),
        random=option("ai_runner_random"),
        seed=option("ai_runner_seed"),
        per_layer=option("ai_runner_per_layer"),
        policy=option("ai_runner_policy"),
        baseline=option("ai_runner_baseline"),
        json=option("ai_runner_json"),
    )


def with_long_names(args: Sequence[str]) -> list[str]:
    """The command line with ``-d`` spelled out, where ``--ai-runner`` is in it.

    ``-dDESC`` in one word is none of it: pytest has taken that apart, as flags, before any plugin is asked.
    """
    options = list(args)[: args.index("--")] if "--" in args else list(args)
    if ON not in options:
        return list(args)
    return [DESC if word == "-d" else word for word in options] + list(args)[len(options) :]


def _positive(text: str) -> int:
    return _number(text, 1)


def _natural(text: str) -> int:
    return _number(text, 0)


def _number(text: str, lowest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= lowest):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest}")
    return int(text)
