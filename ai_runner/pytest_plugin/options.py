"""What ``pytest --ai-runner`` is asked: its options, and the question they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

ON = "--ai-runner"
DESC = "--ai-runner-desc"
_TASKS = ("classification", "regression", "none")
# Name behind ``--ai-runner-``, what stands for its value, and what it does.
_TEXTS = (
    ("reference", "DESC", "What is believed: tflite:MODEL or another descriptor. Without it: fixtures, and no rules."),
    ("inputs", "F", "Inputs, as validate's --inputs."),
    ("columns", "A,B,3-9", "Columns of a .csv file that hold values."),
    ("labels", "F", "Labels, as validate's --labels."),
    ("label-names", "F|A,B,...", "Names of the classes in order, as validate's --label-names."),
    ("features", "F", "Raw features of the same samples, as validate's --features."),
    ("float", "DESC", "The model before its quantisation: also tell the share of quantisation."),
    ("map", "F.toml", "Pairs of layers that are not found by themselves."),
    ("policy", "P", "What is demanded, as validate's --policy."),
    ("baseline", "F", "An earlier report or bundle."),
    ("journal", "DIR", "Keep every result there at once: a session that was killed resumes."),
    ("json", "F", "Write the report as JSON, whatever the verdict."),
    ("html", "F", "Write the report as one HTML page."),
    ("markdown", "F", "Write a summary as Markdown, for a pull request."),
    ("bundle", "PATH", "Write everything to a folder or .zip that can be judged again."),
    ("reproducer", "DIR", "Write the first operator that diverges as a model of its own."),
)


@dataclass(frozen=True)
class Question:
    """What is to be validated and how; paths and descriptors as they were given, '' for those that were not.

    Attributes:
        targets: descriptors, at least one.
        reference: a descriptor; without one nothing is validated.
        inputs: a file, folder or loader; without one inputs are random.
        labels: where the labels are; without it those that the inputs have themselves.
        preprocess: what is done with the inputs, step by step.
        columns: of a .csv file that hold values.
        samples: how many of the inputs; None for all.
        random: how many random samples; None for the default.
        seed: of random samples; None for the default.
        label_names: of the classes, a file or separated by commas.
        task: classification, regression or none; without it as the labels are.
        features: raw features of the same samples, a file.
        float: descriptor of the model before its quantisation.
        per_layer: compare layers as well.
        map: pairs of layers, a file.
        policy: noise-floor, exact, tolerance or a TOML file; without it the default rules.
        baseline: an earlier report or bundle.
        journal: a folder that keeps results as they come.
        json, html, markdown, bundle: where the report goes.
        reproducer: a folder for operators that diverge.
    """

    targets: tuple[str, ...]
    reference: str = ""
    inputs: str = ""
    labels: str = ""
    preprocess: tuple[str, ...] = ()
    columns: str = ""
    samples: int | None = None
    random: int | None = None
    seed: int | None = None
    label_names: str = ""
    task: str = ""
    features: str = ""
    float: str = ""
    per_layer: bool = False
    map: str = ""
    policy: str = ""
    baseline: str = ""
    journal: str = ""
    json: str = ""
    html: str = ""
    markdown: str = ""
    bundle: str = ""
    reproducer: str = ""

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
    for name, metavar, said in _TEXTS:
        group.addoption(f"{ON}-{name}", metavar=metavar, default="", help=said)
    group.addoption(f"{ON}-task", choices=_TASKS, default="", help="What the first output is, as validate's --task.")
    group.addoption(f"{ON}-samples", metavar="N", type=_positive, help="Only the first N samples of the inputs.")
    group.addoption(f"{ON}-random", metavar="N", type=_positive, help="N random samples.\nDefault: 16.")
    group.addoption(f"{ON}-seed", metavar="S", type=_natural, help="Of random samples.\nDefault: 42.")
    group.addoption(
        f"{ON}-preprocess",
        metavar="STEP",
        action="append",
        default=[],
        help="What is done with the inputs, as validate's --preprocess. May be given several times.",
    )
    group.addoption(f"{ON}-per-layer", action="store_true", help="Compare layers, one test a layer.")


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
    for name in ("columns", "preprocess", "samples"):
        if option(f"ai_runner_{name}") and not option("ai_runner_inputs"):
            raise pytest.UsageError(f"--ai-runner-{name} belongs to --ai-runner-inputs")
    return Question(
        targets=tuple(option("ai_runner_desc")),
        preprocess=tuple(option("ai_runner_preprocess")),
        samples=option("ai_runner_samples"),
        random=option("ai_runner_random"),
        seed=option("ai_runner_seed"),
        task=option("ai_runner_task"),
        per_layer=option("ai_runner_per_layer"),
        **{name.replace("-", "_"): option(f"ai_runner_{name.replace('-', '_')}") for name, _, _ in _TEXTS},
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
