"""What goes wrong with the official client 1.2.2, and not here: each defect provoked on an engine that plays it."""

from __future__ import annotations

import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.edge_impulse import AudioImpulseRunner, ImageImpulseRunner, ImpulseRunner, normalize_visual_anomaly
from ai_runner.errors import (
    InvalidModelError,
    InvalidMsgError,
    InvalidParamError,
    LinkTimeoutError,
    TargetCrashError,
)

Engine = Callable[..., Path]
Running = Callable[[Path], list[int]]
Model = dict[str, Any]
VALUES = [0.5, -1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
DYING = {"faults": {"start": {"stderr": "no model inside\n", "exit": 3}}}


def shared_memory() -> set[str]:
    folder = Path("/dev/shm")
    return {entry.name for entry in folder.glob("shm-*")} if folder.is_dir() else set()


def low(reply: dict[str, Any]) -> float:
    return float(reply["result"]["classification"]["low"])


def test_1_an_engine_that_dies_at_start_is_an_error_at_once(scripted_engine: Engine) -> None:
    with pytest.raises(TargetCrashError) as caught:
        ImpulseRunner(scripted_engine(DYING)).init()
    assert "exit" in caught.value.message
    assert "no model inside" in f"{caught.value.message} {caught.value.evidence}"


def test_2_stop_after_a_death_is_quiet(scripted_engine: Engine, running: Running) -> None:
    dead = ImpulseRunner(scripted_engine(DYING))
    with pytest.raises(TargetCrashError):
        dead.init()
    dead.stop()
    engine = scripted_engine({}, "killed.eim")
    killed = ImpulseRunner(engine)
    killed.init()
    os.kill(running(engine)[0], signal.SIGKILL)
    killed.stop()
    killed.stop()
    assert running(engine) == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"hello, I am a text\n", "neither an executable nor a script"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\xb7\0\1\0\0\0" + bytes(40), "aarch64"),
    ],
)
def test_3_a_file_that_cannot_run_says_what_it_is(content: bytes, named: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "model.eim"
    path.write_bytes(content)
    path.chmod(0o755)
    if platform.machine() == named:
        pytest.skip("this machine is of that architecture")
    with pytest.raises(InvalidModelError, match=named) as caught:
        ImpulseRunner(path).init()
    assert "Errno 8" not in caught.value.message
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("allow_shm", [True, False])
def test_4_the_timeout_counts_with_shared_memory_too(allow_shm: bool, scripted_engine: Engine) -> None:
    engine = scripted_engine({"faults": {"classify": {"silent": True}}})
    with (
        ImpulseRunner(engine, timeout=0.2, allow_shm=allow_shm) as runner,
        pytest.raises(TimeoutError) as caught,
    ):
        runner.classify(VALUES)
    assert isinstance(caught.value, LinkTimeoutError)


def test_5_a_long_request_is_sent_whole(scripted_engine: Engine) -> None:
    engine = scripted_engine({"hello": {"model_parameters": {"input_features_count": 16000}}})
    features = np.random.default_rng(0).standard_normal(16000)
    with ImpulseRunner(engine, allow_shm=False) as runner:
        for _ in range(3):
            assert low(runner.classify(features)) == pytest.approx(features[0])


@pytest.mark.parametrize("allow_shm", [True, False])
def test_6_an_engine_that_goes_is_a_connection_error(
    allow_shm: bool, scripted_engine: Engine, running: Running
) -> None:
    engine = scripted_engine({"faults": {"classify": {"stderr": "out of memory\n", "exit": 7}}})
    with ImpulseRunner(engine, allow_shm=allow_shm) as runner:
        with pytest.raises(ConnectionError) as while_waiting:
            runner.classify(VALUES)
        with pytest.raises(ConnectionError):
            runner.classify(VALUES)
    assert isinstance(while_waiting.value, TargetCrashError)
    assert "out of memory" in f"{while_waiting.value.message} {while_waiting.value.evidence}"
    assert running(engine) == []


def test_7_replies_without_an_id_or_with_another(scripted_engine: Engine) -> None:
    nameless = {"raw": '{"success": false, "error": "Missing \'id\' field in message"}\n\0'}
    with (
        ImpulseRunner(scripted_engine({"replies": {"classify": nameless}})) as runner,
        pytest.raises(ValueError, match="Missing 'id' field"),
    ):
        runner.classify(VALUES)
    with (
        ImpulseRunner(scripted_engine({"replies": {"classify": {"id": 77}}}, "other.eim"), timeout=0.5) as runner,
        pytest.raises((InvalidMsgError, LinkTimeoutError)) as caught,
    ):
        runner.classify(VALUES)
    assert isinstance(caught.value, ValueError | TimeoutError)


@pytest.mark.parametrize("split", [None, 1])
def test_8_braces_in_names(split: int | None, scripted_engine: Engine) -> None:
    labels = ["a}b", "{", '"}{\\']
    names = {"model_parameters": {"labels": labels}, "project": {"name": "}}} {"}}
    faults = {"hello": {"split": split}, "classify": {"split": split}} if split else {}
    with ImpulseRunner(scripted_engine({"hello": names, "faults": faults}), start_timeout=60) as runner:
        assert runner.init()["project"]["name"] == "}}} {"
        assert runner.classify(VALUES)["result"]["classification"] == dict(zip(labels, VALUES, strict=False))


@pytest.mark.parametrize("allow_shm", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_9_what_is_not_finite_is_refused(value: float, allow_shm: bool, scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine(), allow_shm=allow_shm) as runner:
        with pytest.raises(InvalidParamError, match="finite"):
            runner.classify([*VALUES[:-1], value])
        assert low(runner.classify(VALUES)) == 0.5


@pytest.mark.parametrize("allow_shm", [True, False])
def test_10_arrays_and_wrong_lengths(allow_shm: bool, scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine(), allow_shm=allow_shm) as runner:
        assert low(runner.classify(np.array(VALUES))) == 0.5
        assert low(runner.classify(np.array(VALUES[:4] * 2, np.int16))) == 0
        for features in ([1.0], [], VALUES * 2, np.zeros(7)):
            with pytest.raises(InvalidParamError, match=f"{len(features)} features, and the model takes 8"):
                runner.classify(features)
        assert low(runner.classify(VALUES)) == 0.5


def test_11_grey_has_the_weights_of_rgb(scripted_engine: Engine, image_model: Model) -> None:
    red = np.zeros((40, 80, 3), np.uint8)
    red[:, :, 0] = 255
    engine = scripted_engine({"hello": {"model_parameters": {**image_model, "image_channel_count": 1}}})
    with ImageImpulseRunner(engine) as runner:
        for features, grey in (
            runner.get_features_from_image_auto_studio_settings(red),
            runner.get_features_from_image(red),
        ):
            assert set(grey.ravel().tolist()) == {76}
            assert set(features.tolist()) == {76 * 0x010101}


def test_12_the_centre_of_a_picture_for_a_flat_model(scripted_engine: Engine, image_model: Model) -> None:
    picture = np.zeros((480, 360, 3), np.uint8)
    picture[230:250] = 255
    size = {"image_input_width": 96, "image_input_height": 64, "input_features_count": 6144}
    with ImageImpulseRunner(scripted_engine({"hello": {"model_parameters": {**image_model, **size}}})) as runner:
        _, cropped = runner.get_features_from_image(picture)
    rows = np.flatnonzero(cropped[:, 0, 0] > 100)
    assert cropped.shape == (64, 96, 3)
    assert rows.mean() == pytest.approx(31.5, abs=1)


def test_13_every_class_takes_the_choices_and_starts_and_stops_with_with(
    scripted_engine: Engine, running: Running, image_model: Model, audio_model: Model
) -> None:
    for kind, parameters in (
        (ImpulseRunner, {}),
        (ImageImpulseRunner, image_model),
        (AudioImpulseRunner, audio_model),
    ):
        scenario = {"hello": {"model_parameters": parameters}, "faults": {"classify": {"silent": True}}}
        engine = scripted_engine(scenario)
        for arguments in ({"allow_shm": False}, {"shm": "always"}, {"debug": True}):
            with kind(engine, 0.2, **arguments) as runner:
                assert len(running(engine)) == 1
                assert runner.init()["project"]["name"] == "Scripted"
                with pytest.raises(TimeoutError):
                    runner.classify(np.zeros(runner.get_input_frame_size()))
            assert running(engine) == []


def test_14_stop_waits_and_is_obeyed(scripted_engine: Engine, running: Running, scratch: Path) -> None:
    stubborn = scripted_engine({"ignore": ["SIGINT", "SIGTERM", "SIGHUP"], "outlive": True})
    runner = ImpulseRunner(stubborn)
    runner.init()
    assert len(running(stubborn)) == 1
    runner.stop()
    assert running(stubborn) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("module", ["", ".runner", ".image", ".audio"])
def test_15_modules_import_without_what_they_may_not_need(module: str) -> None:
    code = f"""
import sys
for name in ("cv2", "pyaudio", "sounddevice", "six", "httpx", "cbor2"):
    sys.modules[name] = None
import ai_runner.edge_impulse{module}
from ai_runner.edge_impulse import ImpulseRunner, ImageImpulseRunner, AudioImpulseRunner, Microphone
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_16_a_video_ends(scripted_engine: Engine, image_model: Model, video: Path) -> None:
    with ImageImpulseRunner(scripted_engine({"hello": {"model_parameters": image_model}})) as runner:
        assert len(list(runner.get_frames(str(video)))) == 12
        assert len(list(runner.classifier(str(video)))) == 12


def test_17_a_start_does_not_wait_for_a_round_number(scripted_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = time.sleep

    def watched(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", watched)
    with ImpulseRunner(scripted_engine()):
        pass
    assert max(slept, default=0.0) <= 0.01


def test_18_stripes_and_models_that_do_not_resize(scripted_engine: Engine, image_model: Model) -> None:
    stripe = np.full((4, 2000, 3), 9, np.uint8)
    modes = {**image_model, "image_resize_mode": "fit-longest"}
    with ImageImpulseRunner(scripted_engine({"hello": {"model_parameters": modes}})) as runner:
        features, _ = runner.get_features_from_image_auto_studio_settings(stripe)
        assert np.count_nonzero(features) == 8
    modes = {**image_model, "image_resize_mode": "none"}
    with ImageImpulseRunner(scripted_engine({"hello": {"model_parameters": modes}}, "none.eim")) as runner:
        features, _ = runner.get_features_from_image_auto_studio_settings(np.full((4, 8, 3), 9, np.uint8))
        assert set(features.tolist()) == {0x090909}
        with pytest.raises(InvalidParamError, match="2000x4 for an input of 8x4"):
            runner.get_features_from_image_auto_studio_settings(stripe)


def test_19_shared_memory_of_a_killed_engine_is_removed(
    scripted_engine: Engine, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = shared_memory()
    engine = scripted_engine()
    caplog.set_level(logging.INFO, "ai_runner")
    with ImpulseRunner(engine) as runner:
        assert len(shared_memory() - before) >= 1
        name = runner.init()["features_shm"]["name"]
        os.kill(running(engine)[0], signal.SIGKILL)
    assert not Path("/dev/shm", name.lstrip("/")).exists()


def test_20_no_cell_over_the_threshold_is_no_division_by_zero() -> None:
    assert normalize_visual_anomaly(0.0, 0.0, 0.0, [], min_anomaly_score=0.0) == (0.0, 0.0, 0.0, [])
