"""The arguments that choose inputs, the same for every verb that runs a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_runner.data import FileInputs, RandomInputs
    from ai_runner.model import TensorInfo
    from ai_runner.raw_features import FeatureInputs


def add_input_arguments(parser: argparse.ArgumentParser, raw_features: bool = False) -> None:
    """``--inputs F | --random N``, ``--seed S``; with `raw_features` also ``--features F`` instead of the first two."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--inputs", metavar="F", help="inputs: a .npy file, or a .npz with an array an input")
    where.add_argument("--random", metavar="N", type=positive, help="N random samples (default: 16)")
    if raw_features:
        where.add_argument(
            "--features",
            metavar="F",
            dest="feature_inputs",
            help="raw features of an impulse: .npy, or text with a window a line, as Studio copies them",
        )
    parser.add_argument("--seed", metavar="S", type=natural, help="of random samples (default: 42)")


def open_inputs(
    args: argparse.Namespace, inputs: Sequence[TensorInfo], labels_key: str | None = None
) -> RandomInputs | FileInputs | FeatureInputs:
    """The source that the arguments choose; raises InvalidParamError when it does not fit the inputs."""
    from ai_runner.data import DEFAULT_SAMPLES, DEFAULT_SEED, FileInputs, RandomInputs
    from ai_runner.errors import InvalidParamError
    from ai_runner.raw_features import FeatureInputs

    features = getattr(args, "feature_inputs", None)
    for option, given in (("--inputs", args.inputs), ("--features", features)):
        if given is not None and args.seed is not None:
            raise InvalidParamError(f"--seed belongs to --random, but {option} is given")
    if args.inputs is not None:
        return FileInputs(args.inputs, inputs, labels_key)
    if features is not None:
        return FeatureInputs(features, inputs)
    seed = DEFAULT_SEED if args.seed is None else args.seed
    return RandomInputs(inputs, args.random or DEFAULT_SAMPLES, seed)


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
