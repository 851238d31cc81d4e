from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.eim_engine import EngineOptions
from ai_runner.eim_engine.description import describe, pixel_scale
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.quantization import Quantization
from ai_runner.tflite_model import TfliteModel, TfliteOperator, TfliteTensor

INT8 = Quantization((1 / 256,), (-128,))


def tensor(shape: tuple[int, ...], dtype: Any = np.float32, quantization: Quantization | None = None) -> TfliteTensor:
    plain = None if dtype is None else np.dtype(dtype)
    return TfliteTensor(0, "t", shape, str(dtype), plain, quantization, False, None)


def model(inputs: list[TfliteTensor], outputs: list[TfliteTensor], operators: tuple[Any, ...] = ()) -> TfliteModel:
    tensors = tuple(replace(one, index=k) for k, one in enumerate([*inputs, *outputs]))
    numbers = tuple(range(len(tensors)))
    ends = numbers[: len(inputs)], numbers[len(inputs) :]
    return TfliteModel("my {model}.tflite", b"", "", "", "", tensors, operators, *ends, 1)


def parameters(what: TfliteModel, **options: Any) -> Any:
    return describe(what, EngineOptions(**options)).model_parameters


VECTOR = model([tensor((1, 375))], [tensor((1, 4))])
IMAGE = model([tensor((1, 96, 64, 3))], [tensor((1, 2))])
FOMO = model([tensor((1, 96, 96, 3))], [tensor((1, 12, 12, 3), np.int8, INT8)])


def test_a_vector_of_motion() -> None:
    found = parameters(VECTOR, sensor="accelerometer")
    assert (found["input_features_count"], found["axis_count"], found["slice_size"]) == (375, 3, 31)
    assert (found["frequency"], found["interval_ms"], found["sensor"]) == (62.5, 16, 2)
    assert (found["labels"], found["label_count"]) == (["0", "1", "2", "3"], 4)
    assert (found["model_type"], found["thresholds"]) == ("classification", [])


def test_sound() -> None:
    found = parameters(model([tensor((1, 16000))], [tensor((1, 3))]), sensor="microphone", labels=("a", "b", "c"))
    assert (found["frequency"], found["interval_ms"], found["slice_size"]) == (16000, 0.0625, 4000)
    assert found["use_continuous_mode"] is True


def test_a_camera_has_one_feature_a_pixel() -> None:
    found = parameters(IMAGE, sensor="camera")
    assert (found["input_features_count"], found["image_input_height"], found["image_input_width"]) == (6144, 96, 64)
    assert (found["image_channel_count"], found["image_resize_mode"]) == (3, "fit-shortest")
    assert (found["frequency"], found["interval_ms"], found["sensor"]) == (0, 1, 3)


def test_a_grid_of_an_eighth_is_object_detection() -> None:
    impulse = describe(FOMO, EngineOptions(sensor="camera", labels=("a", "b"), threshold=0.25))
    assert impulse.model_parameters["model_type"] == "constrained_object_detection"
    assert impulse.model_parameters["thresholds"] == [{"id": 1, "type": "object_detection", "min_score": 0.25}]
    assert impulse.grid == (12, 12)


def test_everything_else_is_freeform() -> None:
    two = model([tensor((1, 8))], [tensor((1, 4)), tensor((1, 2, 3))])
    impulse = describe(two, EngineOptions())
    assert (impulse.kind, impulse.outputs, impulse.labels) == ("freeform", (4, 6), ())
    assert parameters(FOMO)["model_type"] == "freeform"


def test_regression_says_classification_and_has_a_value() -> None:
    found = parameters(model([tensor((1, 8))], [tensor((1, 1))]), model_type="regression")
    assert (found["model_type"], found["labels"]) == ("classification", ["value"])


def test_the_project_is_named_after_the_file() -> None:
    project = describe(VECTOR, EngineOptions(project_owner="me", deploy_version=7)).project
    assert (project["name"], project["owner"], project["deploy_version"]) == ("my model", "me", 7)


@pytest.mark.parametrize(
    ("scale", "zero_point", "name"),
    [(1 / 255, -128, "0..1"), (1 / 128, 0, "-1..1"), (1 / 127.5, -1, "-1..1"), (1.0, -128, "0..255")],
)
def test_pixels_are_scaled_as_the_quantization_says(scale: float, zero_point: int, name: str) -> None:
    assert pixel_scale(tensor((1, 8, 8, 1), np.int8, Quantization((scale,), (zero_point,)))) == name


def test_of_a_float_input_pixels_are_0_to_1() -> None:
    assert pixel_scale(tensor((1, 8, 8, 1))) == "0..1"
    assert describe(IMAGE, EngineOptions(sensor="camera", scale="-1..1")).scale == (-1.0, 1.0)


OPERATOR = TfliteOperator(0, "VAR_HANDLE", 1, (), (), {})


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        (model([tensor((1, 8))] * 2, [tensor((1, 2))]), {}, "2 inputs"),
        (model([], [tensor((1, 2))]), {}, "0 inputs"),
        (model([tensor((1, 8))], []), {}, "no output"),
        (model([tensor((1, 8))], [tensor((1, 2))], (OPERATOR,)), {}, "resource variables"),
        (model([tensor((1, 8), None)], [tensor((1, 2))]), {}, "cannot be real-valued"),
        (VECTOR, {"sensor": "camera"}, "no image"),
        (VECTOR, {"model_type": "constrained_object_detection"}, "no grid"),
        (FOMO, {"model_type": "classification"}, "no vector"),
    ],
)
def test_models_that_cannot_be_served(what: TfliteModel, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidModelError, match=says):
        describe(what, EngineOptions(**options))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sensor": "sonar"}, "sensor 'sonar' is none of microphone"),
        ({"model_type": "x"}, "model type 'x'"),
        ({"labels": ("a",)}, "1 labels given, the model has 4"),
        ({"labels": ("a", "b", "c", "}")}, "cannot be a label"),
        ({"labels": ("a", "b", "c", "")}, "cannot be a label"),
        ({"project_name": "a\nb"}, "cannot be a label or a name"),
        ({"scale": "0..1"}, "belongs to the sensor camera"),
        ({"resize_mode": "squash"}, "belongs to the sensor camera"),
        ({"threshold": 0.5}, "threshold belongs to object detection"),
        ({"threshold": 2.0}, "not in 0..1"),
        ({"axis_count": 4}, "no whole number of samples"),
        ({"axis_count": 0}, "no whole number of samples"),
        ({"frequency": float("nan")}, "frequency nan"),
        ({"interval_ms": -1.0}, "interval -1.0"),
        ({"model_type": "freeform", "labels": ("a",)}, "labels belong to"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidParamError, match=says):
        describe(VECTOR, EngineOptions(**options))


def test_every_shared_model_can_be_served(shared_models: Path) -> None:
    for path in shared_models.glob("*.tflite"):
        assert describe(TfliteModel.read(path), EngineOptions()).kind == "classification"
