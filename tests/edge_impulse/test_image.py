"""ImageImpulseRunner on engines that play scenarios, with pictures and videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ai_runner.edge_impulse.image import ImageImpulseRunner, get_features_from_image_with_studio_mode
from ai_runner.errors import (
    HwIOError,
    InvalidModelError,
    InvalidParamError,
    LinkLostError,
    MissingRuntimeError,
    NotInitializedMsgError,
)

Engine = Callable[..., Path]
Model = dict[str, Any]


def engine_of(make: Engine, parameters: Model, **scenario: Any) -> Path:
    return make({"hello": {"model_parameters": parameters}, **scenario})


@pytest.fixture
def picture() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_attributes_as_the_official_client(scripted_engine: Engine, image_model: Model, official: ModuleType) -> None:
    engine = str(engine_of(scripted_engine, {**image_model, "image_channel_count": 1}))
    theirs = official.image.ImageImpulseRunner(engine)
    ours = ImageImpulseRunner(engine)
    names = ("dim", "labels", "isGrayscale", "resizeMode", "closed")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    theirs.init()
    with ours:
        assert (ours.dim, ours.isGrayscale, ours.resizeMode, ours.closed) == ((8, 4), True, "squash", False)
        assert [getattr(ours, name) for name in names[:-1]] == [getattr(theirs, name) for name in names[:-1]]
    assert ours.closed
    process = theirs._runner
    theirs.stop()
    process.wait(10)


@pytest.mark.parametrize("mode", ["fit-shortest", "fit-longest", "squash", None])
def test_studio_settings_are_the_models(
    mode: str | None, scripted_engine: Engine, image_model: Model, picture: np.ndarray[Any, Any]
) -> None:
    with ImageImpulseRunner(engine_of(scripted_engine, {**image_model, "image_resize_mode": mode})) as runner:
        assert runner.resizeMode == (mode or "not-reported")
        features, resized = runner.get_features_from_image_auto_studio_settings(picture)
        expected, shown = get_features_from_image_with_studio_mode(picture, mode or "squash", 8, 4, False)
        np.testing.assert_array_equal(features, expected)
        np.testing.assert_array_equal(resized, shown)
        assert runner.resizeMode == (mode or "squash")
        reply = runner.classify(features)
        assert [reply["result"]["classification"][label] for label in runner.labels] == features[:3].tolist()


def test_before_init(scripted_engine: Engine, picture: np.ndarray[Any, Any]) -> None:
    runner = ImageImpulseRunner(scripted_engine())
    with pytest.raises(NotInitializedMsgError, match="not known yet"):
        runner.get_features_from_image_auto_studio_settings(picture)
    with pytest.raises(NotInitializedMsgError):
        runner.get_features_from_image(picture)


def test_a_model_of_something_else_is_refused_and_stopped(
    scripted_engine: Engine, running: Callable[[Path], list[int]]
) -> None:
    monstrous = {"image_input_width": 1 << 40, "image_input_height": 1 << 20}
    for parameters in ({}, monstrous, {"image_input_width": -4, "image_input_height": -4}):
        engine = engine_of(scripted_engine, parameters)
        with pytest.raises(InvalidModelError, match="is not suitable for image recognition"):
            ImageImpulseRunner(engine).init()
        assert running(engine) == []


def test_boxes_in_the_original_picture(
    scripted_engine: Engine, image_model: Model, picture: np.ndarray[Any, Any]
) -> None:
    boxes = [{"label": "a lot", "value": 0.9, "x": 4, "y": 2, "width": 4, "height": 2}]
    scenario = {"replies": {"classify": {"result": {"bounding_boxes": boxes}}}}
    with ImageImpulseRunner(engine_of(scripted_engine, image_model, **scenario)) as runner:
        features, _ = runner.get_features_from_image_auto_studio_settings(picture)
        found = runner.boxes_in_picture(runner.classify(features)["result"]["bounding_boxes"], picture)
    assert found == [{"label": "a lot", "value": 0.9, "x": 32, "y": 24, "width": 32, "height": 24}]


def test_frames_of_a_video_are_rgb(scripted_engine: Engine, image_model: Model, video: Path) -> None:
    with ImageImpulseRunner(engine_of(scripted_engine, image_model)) as runner:
        frames = list(runner.get_frames(str(video)))
    assert len(frames) == 12
    for k, frame in enumerate(frames):
        assert (frame.shape, frame.dtype) == ((48, 64, 3), np.uint8)
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), (20 * k, 100, 250 - 20 * k), atol=6)


@pytest.mark.parametrize("studio_settings", [False, True])
def test_a_video_is_classified(studio_settings: bool, scripted_engine: Engine, image_model: Model, video: Path) -> None:
    with ImageImpulseRunner(engine_of(scripted_engine, image_model)) as runner:
        found = list(runner.classifier(video, studio_settings=studio_settings))
    assert len(found) == 12
    for reply, cropped in found:
        assert cropped.shape == (4, 8, 3)
        red, green, blue = (int(channel) for channel in cropped[0, 0])
        assert reply["result"]["classification"]["low"] == red << 16 | green << 8 | blue


def test_classifier_as_the_official_client(
    scripted_engine: Engine, image_model: Model, video: Path, official: ModuleType
) -> None:
    engine = str(engine_of(scripted_engine, {**image_model, "image_input_height": 8, "input_features_count": 64}))
    theirs = official.image.ImageImpulseRunner(engine)
    with theirs, ImageImpulseRunner(engine) as ours:
        theirs.init()
        pairs = zip(ours.classifier(str(video)), theirs.classifier(str(video)), strict=False)
        for k, ((reply, cropped), (expected, shown)) in enumerate(pairs):
            assert reply == expected
            np.testing.assert_array_equal(cropped, shown)
            if k == 5:  # it would wait for ever at the end
                break
    process = theirs._runner
    theirs.stop()
    process.wait(10)


def test_closed_ends_the_frames(scripted_engine: Engine, image_model: Model, video: Path) -> None:
    with ImageImpulseRunner(engine_of(scripted_engine, image_model)) as runner:
        frames = runner.get_frames(str(video))
        next(frames)
        runner.closed = True
        assert list(frames) == []
        assert not runner.videoCapture.isOpened()
        runner.closed = False
        next(runner.get_frames(str(video)))
    assert not runner.videoCapture.isOpened()


def test_what_cannot_be_opened(scripted_engine: Engine, image_model: Model, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    (tmp_path / "text.avi").write_text("not a video")
    with ImageImpulseRunner(engine_of(scripted_engine, image_model)) as runner:
        with pytest.raises(HwIOError, match="camera 97: cannot be opened"):
            next(runner.get_frames(97))
        with pytest.raises(InvalidParamError, match="no such file"):
            next(runner.get_frames(tmp_path / "none.avi"))
        with pytest.raises(InvalidParamError, match="is no video"):
            next(runner.classifier(tmp_path / "text.avi"))


def test_a_camera_that_falls_silent(
    scripted_engine: Engine, image_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2 = pytest.importorskip("cv2")
    released = []

    class Camera:
        def __init__(self, source: object) -> None:
            self.frames = [np.zeros((8, 8, 3), np.uint8)]

        def isOpened(self) -> bool:
            return True

        def read(self) -> tuple[bool, Any]:
            return (True, self.frames.pop()) if self.frames else (False, None)

        def release(self) -> None:
            released.append(self)

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with ImageImpulseRunner(engine_of(scripted_engine, image_model)) as runner:
        frames = runner.get_frames(0)
        next(frames)
        with pytest.raises(LinkLostError, match="camera 0: no frame"):
            next(frames)
        assert released


@pytest.mark.usefixtures("without_opencv")
def test_without_opencv_pictures_work_and_cameras_name_the_extra(
    scripted_engine: Engine, image_model: Model, picture: np.ndarray[Any, Any]
) -> None:
    with ImageImpulseRunner(engine_of(scripted_engine, image_model)) as runner:
        features, resized = runner.get_features_from_image_auto_studio_settings(picture)
        assert features.shape == (32,)
        assert resized.shape == (4, 8, 3)
        with pytest.raises(MissingRuntimeError) as caught:
            next(runner.get_frames(0))
    assert "ai-runner[vision]" in caught.value.hint
