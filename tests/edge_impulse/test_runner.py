"""ImpulseRunner on engines that play scenarios."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.edge_impulse.runner import ImpulseRunner
from ai_runner.errors import InvalidParamError, NotInitializedMsgError
from ai_runner.impulse.hello import Hello

Engine = Callable[..., Path]
VALUES = [0.5, -1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
RESULT = {"classification": {"low": 0.5, "high": -1.0, "a lot": 2.0}}
TIMING = {"anomaly": 0, "classification": 2, "dsp": 1, "json": 0, "msg_handler": 3, "stdin": 0}
BLOCKS = {
    "model_parameters": {
        "thresholds": [
            {"id": 6, "type": "object_detection", "min_score": 0.5},
            {"id": 7, "type": "anomaly_gmm", "min_anomaly_score": 4.0},
        ]
    }
}


@pytest.mark.parametrize("shm", ["auto", "always", "never"])
def test_the_life_of_a_script(scripted_engine: Engine, shm: str) -> None:
    runner = ImpulseRunner(str(scripted_engine()), shm=shm)
    info = runner.init()
    assert info["model_parameters"]["labels"] == ["low", "high", "a lot"]
    assert info["project"]["name"] == "Scripted"
    assert not {"id", "success"} & info.keys()
    assert runner.classify(VALUES) == {"result": RESULT, "timing": TIMING}
    assert runner.classify(np.array(VALUES, np.float32)) == {"result": RESULT, "timing": TIMING}
    assert runner.classify(np.array(VALUES[::-1])[::-1].reshape(2, 4))["result"] == RESULT
    runner.stop()
    runner.stop()


def test_replies_are_those_of_the_official_client(scripted_engine: Engine, official: ModuleType) -> None:
    engine = str(scripted_engine({"hello": BLOCKS}))
    for allow_shm in (True, False):
        theirs = official.runner.ImpulseRunner(engine, allow_shm=allow_shm)
        expected = theirs.init()
        with ImpulseRunner(engine, allow_shm=allow_shm) as ours:
            found = ours.init()
            for info in (found, expected):
                info.pop("features_shm")["name"]
            assert found == expected
            assert ours.classify(VALUES) == theirs.classify(VALUES)
            threshold = {"id": 6, "min_score": 0.25}
            assert ours.set_threshold(threshold) == theirs.set_threshold(threshold) == {}
            assert ours.send_msg({"classify": VALUES}) == theirs.send_msg({"classify": VALUES})
        process = theirs._runner
        theirs.stop()
        process.wait(10)


def test_freeform_outputs_are_lists_as_the_official_client_has_them(
    scripted_engine: Engine, official: ModuleType
) -> None:
    engine = str(scripted_engine({"freeform": [4, 2]}))
    theirs = official.runner.ImpulseRunner(engine)
    theirs.init()
    with ImpulseRunner(engine) as ours:
        reply = ours.classify(VALUES)
        assert reply == theirs.classify(VALUES)
        assert reply["result"]["freeform"] == [VALUES[:4], VALUES[:2]]
    process = theirs._runner
    theirs.stop()
    process.wait(10)


def test_with_starts_and_stops_and_init_returns_what_is_kept(scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine()) as runner:
        info = runner.init()
        assert info == runner.hello() == runner.init()
        info["project"]["name"] = "changed"
        assert runner.hello()["project"]["name"] == "Scripted"
    with pytest.raises(NotInitializedMsgError):
        runner.classify(VALUES)


def test_it_can_be_started_again(scripted_engine: Engine) -> None:
    runner = ImpulseRunner(scripted_engine())
    for _ in range(2):
        with runner:
            assert runner.classify(VALUES)["result"] == RESULT


@pytest.mark.parametrize("call", ["hello", "get_model_parameters", "parameters", "sensor_type"])
def test_before_init(call: str, scripted_engine: Engine) -> None:
    runner = ImpulseRunner(scripted_engine())
    with pytest.raises(RuntimeError, match="not initialized") as caught:
        getattr(runner, call)()
    assert "init()" in caught.value.hint
    with pytest.raises(NotInitializedMsgError):
        runner.classify([0.0])
    runner.stop()


def test_thresholds_are_kept(scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine({"hello": BLOCKS})) as runner:
        assert runner.set_threshold({"id": 6, "min_score": 0.3}) == {}
        assert runner.get_model_parameters()["thresholds"][0] == {"id": 6, "type": "object_detection", "min_score": 0.3}
        assert runner.parameters().thresholds[0].values == {"min_score": 0.3}
        with pytest.raises(InvalidParamError, match="needs the id of a block") as caught:
            runner.set_threshold({"min_score": 0.3})
        assert "6 object_detection; 7 anomaly_gmm" in caught.value.hint
        with pytest.raises(InvalidParamError, match="cannot find learn block with id 9"):
            runner.set_threshold({"id": 9, "min_score": 0.3})
        with pytest.raises(InvalidParamError, match="setting key 'max_score' failed"):
            runner.set_threshold({"id": 6, "max_score": 0.3})


def test_visual_anomaly_is_relative_to_the_threshold_as_it_is_now(scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine({"hello": BLOCKS})) as runner:
        cells = [{"x": 0, "y": 8, "width": 8, "height": 8, "value": 2.0}]
        assert runner.normalize_visual_anomaly(1.0, 8.0, 0.5, cells) == (0.25, 1.0, 0.125, [{**cells[0], "value": 0.5}])
        runner.set_threshold({"id": 7, "min_anomaly_score": 2.0})
        assert runner.normalize_visual_anomaly(1.0, 8.0, 0.5, [])[:3] == (0.5, 1.0, 0.25)
        assert runner.normalize_visual_anomaly(1.0, 8.0, 0.5, [], form="raw")[:3] == (1.0, 8.0, 0.5)


def test_continuous(scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine()) as runner:
        reply = runner.classify_continuous([1.0, 2.0])
        assert reply["result"]["classification"] == {"low": 1.0, "high": 2.0, "a lot": 1.0}
        with pytest.raises(InvalidParamError, match="8 features, and the model takes 2"):
            runner.classify_continuous(VALUES)


def test_what_the_handbook_asks_for(scripted_engine: Engine) -> None:
    parameters = {"image_input_width": 4, "image_input_height": 2, "image_channel_count": 3}
    with ImpulseRunner(scripted_engine({"hello": {"model_parameters": parameters}})) as runner:
        assert runner.get_input_frame_size() == 8
        assert (runner.get_input_width(), runner.get_input_height(), runner.get_input_channels()) == (4, 2, 3)
        assert runner.get_sample_frequency() == 62.5
        assert runner.get_sample_length_ms() == 128.0
        assert runner.get_model_parameters()["model_type"] == "classification"
        assert runner.sensor_type() == "accelerometer"
        assert isinstance(runner.parameters(), Hello)


def test_the_length_of_a_window_of_several_axes(scripted_engine: Engine) -> None:
    parameters = {"axis_count": 4, "frequency": 100}
    with ImpulseRunner(scripted_engine({"hello": {"model_parameters": parameters}})) as runner:
        assert runner.get_sample_length_ms() == 20.0
    with ImpulseRunner(scripted_engine({"hello": {"model_parameters": {"frequency": 0}}})) as runner:
        assert runner.get_sample_length_ms() == 0.0


def test_debug_shows_what_the_engine_prints(scripted_engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine = scripted_engine({"faults": {"classify": {"stdout": "Features (1 ms.)\n"}}})
    caplog.set_level(logging.DEBUG, "ai_runner")
    with ImpulseRunner(engine) as runner:
        runner.classify(VALUES)
        assert "Features" not in caplog.text
        runner.init(debug=True)
        runner.classify(VALUES)
        assert "Features (1 ms.)" in caplog.text


def test_a_descriptor_brings_its_options(scripted_engine: Engine) -> None:
    engine = scripted_engine({"faults": {"classify": {"silent": True}}})
    with (
        ImpulseRunner(f"eim:{engine}?timeout=0.2") as runner,
        pytest.raises(TimeoutError, match=r"within 0\.2 s"),
    ):
        runner.classify(VALUES)


@pytest.mark.parametrize(
    "arguments",
    [{"timeout": 0}, {"timeout": "soon"}, {"shm": "sometimes"}, {"first_timeout": -1}, {"start_timeout": 1e9}],
)
def test_impossible_arguments(arguments: dict[str, Any], scripted_engine: Engine) -> None:
    with pytest.raises(InvalidParamError, match=next(iter(arguments))):
        ImpulseRunner(scripted_engine(), **arguments).init()


def test_the_first_classification_has_a_time_of_its_own(scripted_engine: Engine) -> None:
    engine = scripted_engine({"faults": {"classify": [{"wait": 0.4}, {"silent": True}]}})
    with ImpulseRunner(engine, timeout=0.2, first_timeout=30) as runner:
        assert runner.classify(VALUES)["result"] == RESULT
        with pytest.raises(TimeoutError):
            runner.classify(VALUES)


def test_an_engine_that_does_not_greet(scripted_engine: Engine) -> None:
    engine = scripted_engine({"faults": {"hello": {"silent": True}}})
    with pytest.raises(TimeoutError, match="hello"):
        ImpulseRunner(engine, start_timeout=0.3).init()


def test_a_path_may_look_like_a_descriptor(scripted_engine: Engine) -> None:
    engine = scripted_engine({}, "what?is=this.eim")
    with ImpulseRunner(engine) as runner:
        assert runner.classify(VALUES)["result"] == RESULT


def test_no_time_limit(scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine(), timeout=None) as runner:
        assert runner.classify(VALUES)["result"] == RESULT


def test_any_request(scripted_engine: Engine) -> None:
    with ImpulseRunner(scripted_engine()) as runner:
        message = {"classify": VALUES, "id": 99}
        assert runner.send_msg(message)["result"] == RESULT
        assert message["id"] == 99
        with pytest.raises(InvalidParamError, match="Failed to handle message"):
            runner.send_msg({"dance": 1})


def test_names_of_the_package_are_imported_when_asked_for() -> None:
    code = """
import sys
import ai_runner.edge_impulse as package
heavy = {"cv2", "sounddevice", "httpx"}
assert not heavy & sys.modules.keys()
assert package.runner.ImpulseRunner is package.ImpulseRunner
for name in package.__all__:
    getattr(package, name)
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
from ai_runner.edge_impulse.image import ImageImpulseRunner
from ai_runner.edge_impulse.audio import AudioImpulseRunner, Microphone
try:
    package.nothing
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nothing" in done.stdout


def test_the_package_offers_every_name_of_the_official_one(official: ModuleType) -> None:
    from importlib import import_module

    imported = {"ImpulseRunner", "annotations"}
    for module in ("runner", "image", "audio"):
        theirs, ours = getattr(official, module), import_module(f"ai_runner.edge_impulse.{module}")
        own = {name for name, value in vars(theirs).items() if getattr(value, "__module__", "") == theirs.__name__}
        assert own - imported - {"now"} <= vars(ours).keys()
        for name in own:
            if isinstance(getattr(theirs, name), type):
                methods = {method for method in vars(getattr(theirs, name)) if not method.startswith("_")}
                for method in methods - {"fill_buffer"} | {"__init__"}:
                    expected = signature(getattr(getattr(theirs, name), method)).parameters
                    found = signature(getattr(getattr(ours, name), method)).parameters
                    assert list(found)[: len(expected)] == list(expected), (name, method)


def test_a_runner_that_is_forgotten_ends_its_engine(
    scripted_engine: Engine, running: Callable[[Path], list[int]]
) -> None:
    engine = scripted_engine()
    runner = ImpulseRunner(engine)
    runner.init()
    assert len(running(engine)) == 1
    del runner
    assert running(engine) == []


def test_a_recorded_session_is_played(scripted_engine: Engine, tmp_path: Path) -> None:
    recording = tmp_path / "session.cassette"
    with AiRunner.open(f"eim:{scripted_engine()}?record={recording}") as runner:
        runner.run([np.array([VALUES], np.float32)])
    with ImpulseRunner(f"replay:{recording}") as played:
        assert played.init()["project"]["name"] == "Scripted"
        assert played.classify(VALUES)["result"] == RESULT
