"""A detector that a person can check: its grid is the mean colour of every 8 x 8 pixels, its classes are colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.edge_impulse import ImageImpulseRunner


@pytest.fixture
def picture() -> np.ndarray:
    """Green over four cells that touch, one of them at its corner; a pale blue cell by itself."""
    image = np.zeros((24, 32, 3), np.uint8)
    image[0:8, 0:16] = image[8:16, 8:16] = (0, 255, 0)
    image[16:24, 16:24] = (0, 200, 0)
    image[0:8, 24:32] = (0, 0, 160)
    return image


def packed(image: np.ndarray) -> list[int]:
    red, green, blue = image.astype(int).reshape(-1, 3).T
    packed_pixels: list[int] = (red << 16 | green << 8 | blue).tolist()
    return packed_pixels


GREEN = {"label": "green", "value": 1.0, "x": 0, "y": 0, "width": 24, "height": 24}
BLUE = {"label": "blue", "x": 24, "y": 0, "width": 8, "height": 8}


def test_boxes_of_neighbouring_cells(start: Callable[[Path], Any], colours_eim: Path, picture: np.ndarray) -> None:
    engine = start(colours_eim)
    parameters = engine.ask(hello=1)["model_parameters"]
    assert (parameters["model_type"], parameters["labels"]) == ("constrained_object_detection", ["green", "blue"])
    assert parameters["thresholds"] == [{"id": 1, "min_score": 0.6, "type": "object_detection"}]
    assert (parameters["image_input_width"], parameters["image_input_height"]) == (32, 24)
    green, blue = engine.ask(classify=packed(picture))["result"]["bounding_boxes"]
    assert green == GREEN
    assert blue.pop("value") == pytest.approx(160 / 255)
    assert blue == BLUE
    assert engine.ask(classify=[0] * 768)["result"] == {"bounding_boxes": []}


def test_a_threshold_set_by_our_runner(colours_eim: Path, picture: np.ndarray) -> None:
    with ImageImpulseRunner(colours_eim) as runner:
        features, cropped = runner.get_features_from_image_auto_studio_settings(picture)
        assert np.array_equal(cropped, picture)
        assert [box["label"] for box in runner.classify(features)["result"]["bounding_boxes"]] == ["green", "blue"]
        assert runner.set_threshold({"id": 1, "min_score": 0.9}) == {}
        (box,) = runner.classify(features)["result"]["bounding_boxes"]
        assert box == {**GREEN, "width": 16, "height": 16}
        assert runner.init()["model_parameters"]["thresholds"][0]["min_score"] == 0.9
