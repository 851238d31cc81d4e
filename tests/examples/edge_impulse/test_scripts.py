"""Every Edge Impulse example runs: on engines that play scenarios, on files, and against a local server."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "examples" / "edge_impulse"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py"))
Engine = Callable[..., Path]

IMAGE = {
    "image_input_width": 8,
    "image_input_height": 4,
    "image_channel_count": 3,
    "image_resize_mode": "fit-longest",
    "input_features_count": 32,
    "sensor": 3,
}
AUDIO = {"input_features_count": 100, "slice_size": 25, "frequency": 1000, "sensor": 1}
KEYS = {"EI_API_KEY": "ei_0123456789", "EI_HMAC_KEY": "fed53116f20684c067774ebf9e7bcbdc"}

SOUND_DEVICE = """
import array
from types import SimpleNamespace

default = SimpleNamespace(device=[0, 0])


class PortAudioError(Exception):
    pass


def query_devices():
    return [{"name": "stand-in", "max_input_channels": 1}]


def check_input_settings(**settings):
    assert settings["channels"] == 1 and settings["dtype"] == "int16"


class RawInputStream:
    def __init__(self, blocksize, callback, **settings):
        self.blocksize, self.callback = blocksize, callback

    def start(self):
        for number in range(3):
            samples = array.array("h", range(number * self.blocksize, (number + 1) * self.blocksize))
            self.callback(samples.tobytes(), self.blocksize, None, None)

    def close(self):
        pass
"""


def run(name: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def shown(name: str, *arguments: object, **options: Any) -> list[str]:
    """Lines of a script that succeeds."""
    done = run(name, *arguments, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def engine_of(make: Engine, parameters: dict[str, Any], result: dict[str, Any] | None = None) -> Path:
    replies = {"classify": {"result": result}} if result else {}
    return make({"hello": {"model_parameters": parameters}, "replies": replies})


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """80x20: fit-longest puts it into rows 1 and 2 of 8x4."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.full((20, 80, 3), (3, 2, 1), np.uint8))
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "audio.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 1000, 0, "NONE", "not compressed"))
        file.writeframes(np.arange(200, dtype="<i2").tobytes())
    return path


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name: str) -> None:
    assert shown(name, "--help")[0].startswith(f"usage: {name}")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "collect.py"])
def test_what_cannot_be_opened_is_one_line(name: str) -> None:
    done = run(name, "no.eim", *([] if name == "microphone.py" else ["1,2"]))
    assert done.returncode == 1
    assert re.fullmatch(r"E80\d\(\w+\): .*no\.eim.*\n", done.stderr)


def test_classify(scripted_engine: Engine, tmp_path: Path) -> None:
    features = tmp_path / "features.txt"
    features.write_text("1, 2, 3, 4,\n5, 6, 7, 0.5")
    lines = shown("classify.py", scripted_engine(), features)
    assert lines[0] == "Tests / Scripted, accelerometer"
    assert {"low: 1.0000", "high: 2.0000", "a lot: 3.0000"} <= set(lines)
    assert lines[-1].startswith("1 ms DSP, 2 ms classification")
    assert shown("classify.py", scripted_engine(), "1,2,3,4,5,6,7,0.5") == lines
    assert "low: 255.0000" in shown("classify.py", scripted_engine(), "0xff, 2, 3, 4, 5, 6, 7, 0x10")
    assert "output 0: 2 values, [1.0, 2.0]" in shown("classify.py", scripted_engine({"freeform": [2]}), features)
    wrong = run("classify.py", scripted_engine(), "1,2")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "2 features, and the model takes 8" in wrong.stderr
    assert "could not convert" in run("classify.py", scripted_engine(), "one,two").stderr


def test_classify_image(scripted_engine: Engine, picture: Path, tmp_path: Path) -> None:
    lines = shown("classify_image.py", engine_of(scripted_engine, IMAGE), picture, picture, "--debug", tmp_path)
    assert len(lines) == 2
    assert re.search(r"picture\.png: .* low=\d+\.000 high=\d+\.000 a lot=\d+\.000$", lines[0])
    assert (tmp_path / "picture_seen.png").is_file()
    detector = engine_of(scripted_engine, IMAGE, {"bounding_boxes": []})
    assert "is no classifier" in run("classify_image.py", detector, picture).stderr
    done = run("classify_image.py", engine_of(scripted_engine, IMAGE), __file__)
    assert "no picture that OpenCV can read" in done.stderr


def test_object_detection(scripted_engine: Engine, picture: Path, tmp_path: Path) -> None:
    box = {"label": "a lot", "value": 0.75, "x": 4, "y": 1, "width": 4, "height": 2}
    blocks = {"thresholds": [{"id": 6, "type": "object_detection", "min_score": 0.5}]}
    engine = engine_of(scripted_engine, {**IMAGE, **blocks}, {"bounding_boxes": [box]})
    lines = shown("object_detection.py", engine, picture, "--min-score", 0.2, "--out", tmp_path / "drawn.png")
    assert lines == ["picture 0: 1 objects", "  a lot 0.75 at 40,0 size 40x20"]
    assert (tmp_path / "drawn.png").is_file()
    tracked = {"bounding_boxes": [box], "object_tracking": [{**box, "object_id": 7}]}
    engine = engine_of(scripted_engine, IMAGE, tracked)
    assert shown("object_detection.py", engine, picture)[1].startswith("  a lot #7 0.75")


def test_object_detection_in_a_video(scripted_engine: Engine, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    video = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(5):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    engine = engine_of(scripted_engine, IMAGE, {"bounding_boxes": []})
    done = run("object_detection.py", engine, video)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"picture {k}: 0 objects" for k in range(5)]
    assert len(run("object_detection.py", engine, video, "--frames", 2).stdout.splitlines()) == 2


def test_visual_anomaly(scripted_engine: Engine, picture: Path) -> None:
    cell = {"label": "anomaly", "value": 6.0, "x": 0, "y": 1, "width": 2, "height": 2}
    blocks = {"thresholds": [{"id": 4, "type": "anomaly_gmm", "min_anomaly_score": 4.0}], "has_anomaly": 3}
    result = {"visual_anomaly_grid": [cell], "visual_anomaly_max": 6.0, "visual_anomaly_mean": 1.0, "anomaly": 6.0}
    engine = engine_of(scripted_engine, {**IMAGE, **blocks}, result)
    lines = shown("visual_anomaly.py", engine, picture)
    assert lines[0].endswith("max 1.000 mean 0.250, 1 cells over the threshold")
    assert lines[1] == "  1.000 at 0,0 size 20x20"
    assert shown("visual_anomaly.py", engine, picture, "--raw")[0].endswith(
        "max 6.000 mean 1.000, 1 cells over the threshold"
    )
    nothing = {**result, "visual_anomaly_grid": [], "visual_anomaly_max": 0.0, "visual_anomaly_mean": 0.0}
    engine = engine_of(scripted_engine, {**IMAGE, **blocks}, nothing)
    assert shown("visual_anomaly.py", engine, picture)[0].endswith("max 0.000 mean 0.000, 0 cells over the threshold")


@pytest.mark.parametrize("name", ["object_detection.py", "visual_anomaly.py"])
def test_a_model_of_another_kind(name: str, scripted_engine: Engine, picture: Path) -> None:
    done = run(name, engine_of(scripted_engine, IMAGE), picture)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "its replies have classification" in done.stderr


def test_audio_file(scripted_engine: Engine, recording: Path) -> None:
    engine = engine_of(scripted_engine, AUDIO)
    lines = shown("audio_file.py", engine, recording)
    assert [line.split()[0] for line in lines] == ["0.000", "0.025", "0.050", "0.075", "0.100"]
    assert lines[4].endswith("low=100.000 high=101.000 a lot=102.000")
    assert len(shown("audio_file.py", engine, recording, "--step", 1)) == 2


def test_continuous(scripted_engine: Engine, recording: Path) -> None:
    lines = shown("continuous.py", engine_of(scripted_engine, AUDIO), recording, "--min-score", 100)
    assert lines[0] == "until 0.125 s: a lot 102.000"
    assert len(lines) == 4


def test_microphone(scripted_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(SOUND_DEVICE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    arguments = (engine_of(scripted_engine, AUDIO), "--windows", 3)
    for device in ((), ("--device", "0"), ("--device", "stand-in")):
        lines = shown("microphone.py", *arguments, *device, env=environment, stdin=subprocess.DEVNULL)
        assert [line.split()[0] for line in lines] == ["low=0.000", "low=25.000", "low=50.000"]


class Ingestion(BaseHTTPRequestHandler):
    """Keeps what is uploaded, and accepts it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.uploads.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        names = re.findall(rb'filename="([^"]+)"', body)
        files = [{"success": True, "fileName": name.decode(), "sampleId": k} for k, name in enumerate(names)]
        reply = json.dumps({"success": True, "files": files}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


def test_collect() -> None:
    pytest.importorskip("httpx")
    server = HTTPServer(("127.0.0.1", 0), Ingestion)
    server.uploads = []  # type: ignore[attr-defined]
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        arguments = ["--label", "idle", "--sensors", "accX:m/s2,accY", "--frequency", "100"]
        address = f"http://127.0.0.1:{server.server_port}"
        lines = shown(
            "collect.py", *arguments, "--address", address, input="1,2.5\n\n-3,4\n", env={**os.environ, **KEYS}
        )
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert lines == ["idle.json: 2 samples of 2 sensors accepted"]
    ((path, headers, body),) = server.uploads  # type: ignore[attr-defined]
    assert path == "/api/training/files"
    assert headers["x-api-key"] == KEYS["EI_API_KEY"]
    assert headers["x-label"] == "idle"
    document = body[body.index(b"{") : body.rindex(b"}") + 1]
    message = json.loads(document)
    assert message["payload"]["values"] == [[1, 2.5], [-3, 4]]
    assert message["payload"]["interval_ms"] == 10
    assert message["payload"]["sensors"] == [{"name": "accX", "units": "m/s2"}, {"name": "accY", "units": ""}]
    assert type(message["protected"]["iat"]) is int
    zeroed = document.replace(message["signature"].encode(), b"0" * 64)
    assert message["signature"] == hmac.new(KEYS["EI_HMAC_KEY"].encode(), zeroed, hashlib.sha256).hexdigest()


def test_collect_without_a_key() -> None:
    pytest.importorskip("httpx")
    environment = {key: value for key, value in os.environ.items() if key not in KEYS}
    done = run("collect.py", "--label", "idle", "--sensors", "a,b", input="1,2\n", env=environment)
    assert done.returncode == 1
    assert "EI_API_KEY" in done.stderr
    assert run("collect.py", "--label", "idle", "--sensors", "a", input="x\n", env=environment).returncode == 1
