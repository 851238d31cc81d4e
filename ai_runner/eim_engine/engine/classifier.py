"""Features to results: preprocessing, network, and what the network's outputs mean."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner.eim_engine.engine.boxes import bounding_boxes
from ai_runner.eim_engine.engine.features import Features, PixelUnpacker, SlidingWindow
from ai_runner.eim_engine.engine.impulse import BOXES, FREEFORM, Impulse
from ai_runner.eim_engine.engine.network import Network, Values


@dataclass(frozen=True)
class Classification:
    """What one window gave.

    Attributes:
        result: the reply's ``result``.
        outputs: the model's outputs, flat; zeros while continuous classification has too few slices.
        dsp_ms, classification_ms: time of preprocessing and of the network.
        inputs: what preprocessing made of the features; None when the network did not run.
    """

    result: dict[str, Any]
    outputs: list[Values]
    dsp_ms: float = 0.0
    classification_ms: float = 0.0
    inputs: Features | None = None


class Classifier:
    """A model that takes features.

    Raises:
        NoRuntime: no installed runtime loads the model.
    """

    def __init__(self, impulse: Impulse, model: bytes) -> None:
        self._impulse = impulse
        self._network = Network(model, impulse.stateful)
        channels = int(impulse.model_parameters["image_channel_count"])
        self._unpack = None if impulse.scale is None else PixelUnpacker(impulse.features_count, channels, impulse.scale)
        self._window = SlidingWindow(impulse.features_count, max(1, impulse.slice_size))

    def classify(self, features: Features, min_score: float) -> Classification:
        """Runs one full window, ``(features_count,)``.

        Raises:
            RuntimeError, ValueError: the runtime failed.
        """
        start = perf_counter()
        inputs = features if self._unpack is None else self._unpack(features)
        prepared = perf_counter()
        outputs = self._network.run(inputs)
        done = perf_counter()
        return Classification(
            self._result(outputs, min_score), outputs, (prepared - start) * 1e3, (done - prepared) * 1e3, inputs
        )

    def classify_slice(self, features: Features, min_score: float) -> Classification:
        """Adds one slice, ``(slice_size,)``, and runs the window that it completes; zeros before the first one."""
        window = self._window.push(features)
        if window is not None:
            return self.classify(window, min_score)
        outputs = [np.zeros(count, np.float32) for count in self._impulse.outputs]
        return Classification(self._result(outputs, min_score), outputs)

    def _result(self, outputs: list[Values], min_score: float) -> dict[str, Any]:
        if self._impulse.kind == FREEFORM:
            return {"freeform": [json_numbers(values) for values in outputs]}
        if self._impulse.kind == BOXES:
            scores = outputs[0].reshape((*self._impulse.grid, -1))
            return {"bounding_boxes": bounding_boxes(scores, self._impulse.labels, min_score)}
        return {"classification": dict(zip(self._impulse.labels, json_numbers(outputs[0]), strict=True))}


def json_numbers(values: Values) -> list[float | None]:
    """The values as JSON has them: None for what is no finite number."""
    numbers: list[float | None] = values.tolist()
    if np.isfinite(values).all():
        return numbers
    return [number if finite else None for number, finite in zip(numbers, np.isfinite(values), strict=True)]
