"""Raw features for targets that compute their model's input themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy.typing as npt

from ai_runner.compare.input_feed import InputFeed
from ai_runner.compare.participant import Participant
from ai_runner.errors import InvalidParamError
from ai_runner.impulse.description import takes_raw_features
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]


class Feed(Protocol):
    """Gives a target its inputs for those of the reference."""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Positions of the inputs that belong together, reference and target."""

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The target's inputs for the next samples, given as the reference's."""

    def nearest(self, inputs: Sequence[Array]) -> list[Array]:
        """Inputs of the reference near to `inputs` that the target can be given as they are; called before it is."""


class FeatureFeed:
    """Rows of raw features, in step with the samples of the reference."""

    def __init__(self, features: Array, tensor: TensorInfo, who: str) -> None:
        """Raises InvalidParamError when the rows are no windows of the target."""
        (count,) = tensor.sample_shape
        if features.shape[1] != count:
            raise InvalidParamError(
                f"{who}: takes {count} raw features, the rows that are given have {features.shape[1]}"
            )
        self._features = features
        self._next = 0

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """None: raw features are no counterpart of what was computed from them."""
        return []

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The next rows, as many as the reference has samples."""
        start, self._next = self._next, self._next + len(inputs[0])
        return [self._features[start : self._next]]

    def nearest(self, inputs: Sequence[Array]) -> list[Array]:
        """The same: they do not depend on the reference's."""
        return list(inputs)


def feed_of(reference: Sequence[TensorInfo], target: Participant, who: str, features: Array | None) -> Feed:
    """The feed of one target: raw features where there are some and it takes them, else the reference's values.

    Raises:
        InvalidModelError: the target has other inputs than the reference.
        InvalidParamError: the raw features are no windows of the target.
    """
    if features is None or not takes_raw_features(target.info.inputs):
        return InputFeed(reference, target.info.inputs, who, target.warn)
    target.warn("computes its input from raw features itself: only outputs are compared")
    return FeatureFeed(features, target.info.inputs[0], who)
