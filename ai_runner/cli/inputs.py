"""The arguments that choose inputs, the same for every verb that runs a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_runner.data import Source
    from ai_runner.model import TensorInfo


def add_input_arguments(parser: argparse.ArgumentParser, raw_features: bool = False) -> None:
    """``--inputs F | --random N``, ``--seed S``, ``--preprocess``; with `raw_features` also ``--features F``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--inputs",
        metavar="F",
        help="inputs: a .npy, .npz or .csv file, a folder of images or WAV files, or py:MODULE:FUNCTION (docs/data.md)",
    )
    where.add_argument("--random", metavar="N", type=positive, help="N random samples (default: 16)")
    if raw_features:
        where.add_argument(
            "--features",
            metavar="F",
            dest="feature_inputs",
            help="raw features of an impulse: .npy, or text with a window a line, as Studio copies them",
        )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=positive,
        help="only the first N samples of --inputs, of a loader without end too",
    )
    parser.add_argument("--seed", metavar="S", type=natural, help="of random samples (default: 42)")
    parser.add_argument(
        "--preprocess",
        metavar="STEP",
        nargs="+",
        action="extend",
        help="what becomes of pixels, sound and values: resize=stretch grayscale scale=0..1 mean=M std=S layout=nchw "
        "window=first mono ..., or a .toml file that says so (docs/data.md)",
    )
    parser.add_argument("--columns", metavar="A,B,3-9", help="columns of a .csv file that hold values (default: all)")


def open_inputs(args: argparse.Namespace, inputs: Sequence[TensorInfo]) -> Source:
    """The source that the arguments choose, with the labels of ``--labels`` where the verb has it.

    Raises:
        InvalidParamError: it cannot be read, or does not fit the inputs.
    """
    from ai_runner.cli.console import ProgressBar
    from ai_runner.data import DEFAULT_SAMPLES, DEFAULT_SEED, Preprocessing, RandomInputs, open_source, with_labels
    from ai_runner.data import parse_preprocessing as parse
    from ai_runner.errors import InvalidParamError
    from ai_runner.raw_features import FeatureInputs

    features = getattr(args, "feature_inputs", None)
    for option, given in (("--inputs", args.inputs), ("--features", features)):
        if given is not None and args.seed is not None:
            raise InvalidParamError(f"--seed belongs to --random, but {option} is given")
    for option, given in (
        ("--preprocess", args.preprocess),
        ("--columns", args.columns),
        ("--samples", args.samples),
    ):
        if given is not None and args.inputs is None:
            raise InvalidParamError(
                f"{option} belongs to --inputs", hint="random values and raw features are taken as they are"
            )
    labels = getattr(args, "labels", None)
    if args.inputs is not None:
        steps = parse(args.preprocess) if args.preprocess else Preprocessing()
        with ProgressBar("read") as progress:
            return open_source(
                args.inputs,
                inputs,
                labels=labels,
                columns=args.columns,
                preprocessing=steps,
                samples=args.samples,
                progress=progress,
            )
    if features is not None:
        return FeatureInputs(features, inputs)
    seed = DEFAULT_SEED if args.seed is None else args.seed
    source = RandomInputs(inputs, args.random or DEFAULT_SAMPLES, seed)
    return with_labels(source, labels) if labels else source


def positive(text: str) -> int:
    """An argparse type: a whole number from 1."""
    return _number(text, 1)


def natural(text: str) -> int:
    """An argparse type: a whole number from 0."""
    return _number(text, 0)


def tolerance(text: str) -> float:
    """An argparse type: a finite number from 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return value


def _number(text: str, lowest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= lowest):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest}")
    return int(text)
