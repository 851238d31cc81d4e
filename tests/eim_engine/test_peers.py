"""The official client and ours drive the same engines, and get the same as the model gives."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.compare.tensor_pair import real_values
from ai_runner.edge_impulse import AudioImpulseRunner, ImageImpulseRunner, ImpulseRunner
from ai_runner.errors import InvalidParamError

LABELS = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def features(digits_test: Path) -> list[float]:
    image: np.ndarray = np.load(digits_test)["m_inputs_1"][3]
    return [float(value) for value in image.reshape(-1)]


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """As much sound as the window of `digits_audio_eim` needs three times, and a beginning that is not silent."""
    return np.random.default_rng(5).integers(-2, 3, 160)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A green and a dark blue patch."""
    image = np.zeros((24, 32, 3), np.uint8)
    image[0:8, 8:24] = (0, 255, 0)
    image[16:24, 0:8] = (0, 0, 102)
    return image


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One frame of 12 x 8 pixels in gray patches, which a lossy codec hardly changes."""
    cv2 = pytest.importorskip("cv2", reason="the official client needs OpenCV")
    path = tmp_path_factory.mktemp("video") / "digits.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64))
    if not writer.isOpened():
        pytest.skip("OpenCV cannot write a video here")
    patches = np.random.default_rng(1).integers(0, 256, (8, 12), np.uint8)
    for _ in range(3):
        writer.write(np.repeat(np.kron(patches, np.ones((8, 8), np.uint8))[..., np.newaxis], 3, axis=2))
    writer.release()
    return path


@pytest.fixture(scope="module")
def official(
    features: list[float],
    samples: np.ndarray,
    video: Path,
    digits_eim: Path,
    digits_camera_eim: Path,
    digits_audio_eim: Path,
    digits_freeform_eim: Path,
    colours_eim: Path,
    picture: np.ndarray,
) -> Any:
    """What the official client returned, call by call."""
    if find_spec("edge_impulse_linux") is None:
        pytest.skip("the official client is not installed (pip install edge-impulse-linux==1.2.2)")
    task = {
        "plain": str(digits_eim),
        "camera": str(digits_camera_eim),
        "audio": str(digits_audio_eim),
        "freeform": str(digits_freeform_eim),
        "features": features,
        "samples": samples.tolist(),
        "video": str(video),
        "colours": str(colours_eim),
        "picture": picture.tolist(),
    }
    script = Path(__file__).with_name("official_client.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script], input=json.dumps(task), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def by_model(path: Path, real: Any) -> list[float]:
    """What the .tflite gives for real values of its input, on its default kernels."""
    with AiRunner.open(f"tflite:{path}") as runner:
        info = runner.model_info()
        values = np.asarray(real, np.float32).reshape(1, *info.inputs[0].sample_shape)
        assert info.inputs[0].quantization is not None
        raw = info.inputs[0].quantization.quantize(values, info.inputs[0].dtype)
        scores: list[float] = real_values(info.outputs[0], runner.run([raw]).outputs[0]).reshape(-1).tolist()
        return scores


def scores(reply: Any) -> list[float]:
    result = reply.get("result", reply)
    return [result["classification"][label] for label in LABELS]


def test_official_runner(official: Any, features: list[float], digits_int8: Path) -> None:
    for way in ("shm", "json"):
        answers = official["plain"][way]
        assert answers["hello"]["model_parameters"]["labels"] == LABELS
        assert {"id", "success"}.isdisjoint(answers["hello"])
        assert scores(answers["reply"]) == by_model(digits_int8, features)
        assert answers["reply"].keys() == {"result", "timing"}
        assert answers["threshold"] == {}
        assert answers["sent"] == answers["reply"]["result"]
    assert official["plain"]["errors"][:4] == [
        "Invalid message 'hello', already initialized",
        "set_threshold: cannot find learn block with id 7",
        "Invalid number of features in 'classify', expected 64 but got 1",
        "Failed to handle message",
    ]


def test_official_image_runner(official: Any, digits_int8: Path) -> None:
    image = official["image"]
    assert (image["dim"], image["labels"], image["grayscale"]) == ([8, 8], LABELS, True)
    assert (image["resize_mode"], image["cropped"], image["shown"]) == ("fit-shortest", [8, 8], [8, 8])
    for which, reply in (("features", "reply"), ("old_features", "old_reply"), ("old_features", "classifier")):
        pixels = np.array(image[which]) & 255
        assert scores(image[reply]) == by_model(digits_int8, pixels / np.float32(255))


def test_official_image_runner_with_boxes(official: Any, colours_eim: Path, picture: np.ndarray) -> None:
    green = {"label": "green", "value": 1.0, "x": 8, "y": 0, "width": 16, "height": 8}
    before, after = official["boxes"]
    assert before == {"bounding_boxes": [green]}
    assert [box["label"] for box in after["bounding_boxes"]] == ["green", "blue"]
    with ImageImpulseRunner(colours_eim) as runner:
        features, _ = runner.get_features_from_image_auto_studio_settings(picture)
        assert runner.classify(features)["result"] == before
        runner.set_threshold({"id": 1, "min_score": 0.2})
        assert runner.classify(features)["result"] == after


def test_official_audio_runner(official: Any, samples: np.ndarray, digits_int8: Path) -> None:
    audio = official["audio"]
    assert (audio["window_size"], audio["sampling_rate"], audio["labels"]) == (64, 16000, LABELS)
    for k, reply in enumerate(audio["replies"]):
        assert scores(reply) == by_model(digits_int8, samples[16 * k : 16 * k + 64])


def test_official_runner_with_freeform_outputs(official: Any, features: list[float], digits_int8: Path) -> None:
    assert official["freeform"]["result"]["freeform"] == [by_model(digits_int8, features)]


@pytest.mark.parametrize("shm", ["always", "never"])
def test_our_runner_gets_the_same(shm: str, official: Any, features: list[float], digits_eim: Path) -> None:
    with ImpulseRunner(digits_eim, shm=shm) as runner:
        theirs = official["plain"]["shm"]
        assert runner.classify(features)["result"] == theirs["reply"]["result"]
        assert runner.set_threshold({"id": 1}) == {}
        hello = runner.init()
        assert hello["model_parameters"] == theirs["hello"]["model_parameters"]
        assert hello["project"] == theirs["hello"]["project"]


def test_our_image_runner_gets_the_same(official: Any, digits_camera_eim: Path) -> None:
    with ImageImpulseRunner(digits_camera_eim) as runner:
        frame = np.array(official["image"]["frame"], np.uint8)
        ours, cropped = runner.get_features_from_image_auto_studio_settings(frame)
        assert cropped.shape == (8, 8)
        # The official client weighs red as blue; on a gray image the two agree to rounding.
        difference = (np.asarray(ours).astype(int) & 255) - (np.array(official["image"]["features"]) & 255)
        assert np.abs(difference).max() <= 1
        assert runner.classify(official["image"]["features"])["result"] == official["image"]["reply"]["result"]


def test_our_audio_runner_gets_the_same(official: Any, samples: np.ndarray, digits_audio_eim: Path) -> None:
    with AudioImpulseRunner(digits_audio_eim) as runner:
        assert (runner.window_size, runner.sampling_rate, runner.labels) == (64, 16000, LABELS)
        for k, reply in enumerate(official["audio"]["replies"]):
            assert runner.classify(samples[16 * k : 16 * k + 64])["result"] == reply
        slices = [runner.classify_continuous(samples[16 * k : 16 * k + 16])["result"] for k in range(5)]
        assert [set(scores(reply)) for reply in slices[:3]] == [{0.0}] * 3
        assert slices[3:] == official["audio"]["replies"][:2]


def test_our_runner_with_freeform_outputs(official: Any, features: list[float], digits_freeform_eim: Path) -> None:
    for shm in ("always", "never"):
        with ImpulseRunner(digits_freeform_eim, shm=shm) as runner:
            assert runner.classify(features)["result"] == official["freeform"]["result"]


def test_our_driver_gets_what_the_model_gives(features: list[float], digits_eim: Path, digits_int8: Path) -> None:
    with AiRunner.open(f"eim:{digits_eim}") as runner:
        info = runner.model_info()
        assert info.outputs[0].labels == tuple(LABELS)
        outputs = runner.run([np.array([features], np.float32)]).outputs
        assert outputs[0].reshape(-1).tolist() == by_model(digits_int8, features)
        with pytest.raises(InvalidParamError):
            runner.run([np.full((1, 64), np.nan, np.float32)])
