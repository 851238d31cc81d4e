"""The same classes on a compiled C++ library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ai_runner.edge_impulse import AudioImpulseRunner, ImageImpulseRunner, ImpulseRunner
from ai_runner.errors import InvalidParamError

Library = Callable[..., Path]


@pytest.mark.parametrize("options", ["", "?isolate=process"])
def test_a_library_runs_like_an_executable(options: str, stub_library: Library) -> None:
    with ImpulseRunner(f"ei:{stub_library()}{options}", timeout=5) as runner:
        info = runner.init()
        parameters = info["model_parameters"]
        assert runner.get_input_frame_size() == parameters["input_features_count"]
        reply = runner.classify(np.zeros(runner.get_input_frame_size()))
        assert set(reply["result"]["classification"]) == set(parameters["labels"])
        assert "timing" in reply
        with pytest.raises(InvalidParamError, match="has no command 'request'"):
            runner.send_msg({"hello": 1})
        with pytest.raises(InvalidParamError):
            runner.classify([np.nan])


def test_pictures_and_thresholds(stub_library: Library) -> None:
    with ImageImpulseRunner(f"ei:{stub_library('fomo')}") as runner:
        picture = np.full((50, 40, 3), 200, np.uint8)
        features, _ = runner.get_features_from_image_auto_studio_settings(picture)
        found = runner.boxes_in_picture(runner.classify(features)["result"]["bounding_boxes"], picture)
        assert all(0 <= box["x"] <= 40 and 0 <= box["y"] <= 50 for box in found)
        (block,) = [threshold for threshold in runner.parameters().thresholds if "min_score" in threshold.values]
        assert runner.set_threshold({"id": block.id, "min_score": 0.125}) == {}
        assert any(entry.get("min_score") == 0.125 for entry in runner.get_model_parameters()["thresholds"])


def test_visual_anomaly(stub_library: Library) -> None:
    with ImageImpulseRunner(f"ei:{stub_library('visual_anomaly')}") as runner:
        features, _ = runner.get_features_from_image(np.full((50, 40, 3), 200, np.uint8))
        result = runner.classify(features)["result"]
        _, highest, mean, cells = runner.normalize_visual_anomaly(
            result.get("anomaly"),
            result["visual_anomaly_max"],
            result["visual_anomaly_mean"],
            result["visual_anomaly_grid"],
        )
        assert highest is not None
        assert mean is not None
        assert mean <= highest <= 1
        assert len(cells) == len(result["visual_anomaly_grid"])


def test_a_library_that_is_not_there() -> None:
    for kind in (ImpulseRunner, AudioImpulseRunner):
        with pytest.raises(InvalidParamError, match=r"none\.so"):
            kind("ei:none.so").init()
