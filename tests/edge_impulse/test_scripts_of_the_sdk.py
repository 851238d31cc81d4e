"""Scripts as people write them for the SDK print the same when nothing but the package's name is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Engine = Callable[..., Path]
Model = dict[str, Any]

# What the SDK imports and its package does not bring; a microphone of each library that hears the same ramp.
MODULES = {
    "six.py": "import sys, types, queue\nmoves = types.ModuleType('six.moves')\nmoves.queue = queue\n"
    "sys.modules['six.moves'] = moves\n",
    "pyaudio.py": """
import array

paInt16, paContinue = 8, 0


class Stream:
    def stop_stream(self):
        pass

    close = stop_stream


class PyAudio:
    def is_format_supported(self, rate, **settings):
        return True

    def open(self, stream_callback, frames_per_buffer, **settings):
        for number in range(3):
            ramp = array.array("h", range(1 + number * frames_per_buffer, 1 + (number + 1) * frames_per_buffer))
            stream_callback(ramp.tobytes(), frames_per_buffer, None, None)
        return Stream()

    def terminate(self):
        pass
""",
    "sounddevice.py": """
import array


class PortAudioError(Exception):
    pass


def check_input_settings(**settings):
    pass


class RawInputStream:
    def __init__(self, blocksize, callback, **settings):
        self.blocksize, self.callback = blocksize, callback

    def start(self):
        for number in range(3):
            ramp = array.array("h", range(1 + number * self.blocksize, 1 + (number + 1) * self.blocksize))
            self.callback(memoryview(ramp).cast("B"), self.blocksize, None, None)

    def close(self):
        pass
""",
}

RAW = """
import sys
from edge_impulse_linux.runner import ImpulseRunner

runner = ImpulseRunner(sys.argv[1])
try:
    model_info = runner.init()
    print(model_info["project"]["owner"] + " / " + model_info["project"]["name"])
    print(model_info["model_parameters"]["labels"])
    print(runner.set_threshold({"id": 6, "min_score": 0.7}))
    res = runner.classify([0.5, 1, 2, 3, 4, 5, 6, 7])
    print(res["result"], res["timing"]["dsp"])
    try:
        runner.set_threshold({"min_score": 0.7})
    except Exception:
        print("refused")
finally:
    if runner:
        runner.stop()
"""

PICTURE = """
import os, sys
import cv2
from edge_impulse_linux.image import ImageImpulseRunner

with ImageImpulseRunner(sys.argv[1]) as runner:
    try:
        model_info = runner.init()
        labels = model_info["model_parameters"]["labels"]
        img = cv2.cvtColor(cv2.imread(sys.argv[2]), cv2.COLOR_BGR2RGB)
        for features, cropped in (
            runner.get_features_from_image_auto_studio_settings(img),
            runner.get_features_from_image(img),
            runner.get_features_from_image(img, crop_direction_x="left", crop_direction_y="top"),
        ):
            res = runner.classify(features)
            for label in labels:
                print("%s: %.2f" % (label, res["result"]["classification"][label]))
            cropped = cv2.rectangle(cropped, (1, 1), (3, 3), (255, 0, 0), 1)
            print(cropped.sum(), runner.dim, runner.isGrayscale, runner.resizeMode, runner.closed)
    finally:
        if runner:
            runner.stop()
"""

VIDEO = """
import sys
import edge_impulse_linux.image

with edge_impulse_linux.image.ImageImpulseRunner(sys.argv[1]) as runner:
    try:
        runner.init()
        for number, (res, img) in enumerate(runner.classifier(sys.argv[2])):
            print(res["result"]["classification"], img.shape, img.sum())
            if number == 4:
                break
        for number, img in enumerate(runner.get_frames(sys.argv[2])):
            print(img.shape, img.sum())
            if number == 4:
                break
    finally:
        runner.stop()
"""

AUDIO = """
import sys
from edge_impulse_linux.audio import AudioImpulseRunner, Microphone

with AudioImpulseRunner(sys.argv[1]) as runner:
    try:
        runner.init()
        print("listening", runner.window_size, runner.sampling_rate, runner.labels)
        for number, (res, audio) in enumerate(runner.classifier(device_id=1)):
            print(res["result"]["classification"], len(audio))
            if number == 30:
                break
    finally:
        runner.stop()
"""


@pytest.fixture
def printed(tmp_path: Path) -> Callable[..., str]:
    """Standard output of a script that succeeds, without what the SDK says of its own."""
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(script: str, *arguments: object) -> str:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
        return "".join(line for line in done.stdout.splitlines(True) if "selected Audio device" not in line)

    return run


def same(printed: Callable[..., str], script: str, *arguments: object) -> str:
    """What both print, which has to be equal."""
    pytest.importorskip("cv2")
    expected = printed(script, *arguments)
    found = printed(script.replace("edge_impulse_linux", "ai_runner.edge_impulse"), *arguments)
    assert found == expected
    return found


def test_raw_features(scripted_engine: Engine, printed: Callable[..., str]) -> None:
    blocks = {"thresholds": [{"id": 6, "type": "object_detection", "min_score": 0.5}]}
    found = same(printed, RAW, scripted_engine({"hello": {"model_parameters": blocks}}))
    assert found.startswith("Tests / Scripted\n")
    assert found.endswith("refused\n")


def test_a_picture(scripted_engine: Engine, image_model: Model, printed: Callable[..., str], tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    square = {**image_model, "image_input_height": 8, "input_features_count": 64, "image_resize_mode": "fit-shortest"}
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    found = same(printed, PICTURE, scripted_engine({"hello": {"model_parameters": square}}), picture)
    assert found.count("low: ") == 3
    assert found.endswith("(8, 8) False fit-shortest False\n")


def test_a_video(scripted_engine: Engine, image_model: Model, printed: Callable[..., str], video: Path) -> None:
    square = {**image_model, "image_input_height": 8, "input_features_count": 64}
    found = same(printed, VIDEO, scripted_engine({"hello": {"model_parameters": square}}), video)
    assert len(found.splitlines()) == 10


def test_a_microphone(scripted_engine: Engine, audio_model: Model, printed: Callable[..., str]) -> None:
    found = same(printed, AUDIO, scripted_engine({"hello": {"model_parameters": audio_model}}))
    assert len(found.splitlines()) == 32
