"""What an engine gives through the driver: every kind of model, both ways of passing features, commands, recording."""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor, parse_descriptor
from ai_runner.driver import AiRunnerCallback, Driver
from ai_runner.errors import HwIOError, InvalidParamError, LinkTimeoutError
from ai_runner.impulse.result import MAX_BOXES
from ai_runner.model import Mode
from ai_runner.profile import TimeSource
from ai_runner.registry import create_driver
from ai_runner.transport.recorder import Recording

FEATURES = np.arange(8, dtype=np.float32)
BOX = {"label": "pen", "value": 0.5, "x": 8, "y": 16, "width": 24, "height": 32}
DETECTOR = {"model_parameters": {"model_type": "constrained_object_detection", "labels": ["cup", "pen"]}}


def invoke(driver: Driver, count: int = 1, mode: Mode = Mode.IO_ONLY) -> Any:
    return driver.invoke(driver.names()[0], [np.tile(FEATURES, (count, 1))], mode)


@pytest.fixture
def stand_in(repository: Path, compiler: str, tmp_path: Path) -> Path:
    """The engine of the benchmarks, in C."""
    path = tmp_path / "stand_in.eim"
    source = repository / "benchmarks" / "eim_stand_in.c"
    subprocess.run([*compiler.split(), "-std=gnu11", "-O1", "-o", str(path), str(source), "-lrt"], check=True)
    return path


class TestKinds:
    def test_a_detector(self, open_engine: Callable[..., Driver]) -> None:
        replies = [{"result": {"bounding_boxes": [BOX]}}, {"result": {"bounding_boxes": []}}]
        driver = open_engine({"hello": DETECTOR, "replies": {"classify": replies}})
        result = invoke(driver, 2)
        boxes, count = result.outputs
        assert [t.name for t in result.info.outputs] == ["bounding_boxes", "bounding_boxes_count"]
        assert count.tolist() == [[1], [0]]
        assert boxes[0, 0].tolist() == (1, 0.5, 8, 16, 24, 32)
        assert result.warnings == ()

    def test_more_boxes_than_fit_are_said(self, open_engine: Callable[..., Driver]) -> None:
        boxes = {"result": {"bounding_boxes": [BOX] * (MAX_BOXES + 1)}}
        result = invoke(open_engine({"hello": DETECTOR, "replies": {"classify": boxes}}))
        assert result.outputs[1].item() == MAX_BOXES + 1
        assert result.warnings == ("bounding_boxes: a reply has 1025 entries, the first 1024 are kept",)

    @pytest.mark.parametrize("options", ["", "shm=never", "mode=stdin"])
    @pytest.mark.parametrize("shm", [True, False])
    def test_freeform(self, open_engine: Callable[..., Driver], options: str, shm: bool) -> None:
        driver = open_engine({"freeform": [3, 9], "shm": shm}, options)
        first, second = invoke(driver, 2).outputs
        np.testing.assert_array_equal(first, [[0, 1, 2]] * 2)
        np.testing.assert_array_equal(second, [[*range(8), 0]] * 2)
        reply = driver.extension(None, cmd="classify", features=FEATURES)
        assert reply["result"] == {"freeform": [[0.0, 1.0, 2.0], [float(i % 8) for i in range(9)]]}

    def test_what_the_engine_is(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({"hello": {"model_parameters": {"sensor": 1}}})
        info = driver.info("scripted")
        assert info.inputs[0].shape == (1, 8)
        assert info.runtime.attributes["sensor"] == "microphone"
        assert info.runtime.attributes["project"] == "Scripted (7)"
        assert info.runtime.attributes["features"] == "in shared memory"
        assert "scripted.eim (process" in driver.describe()


class TestTimes:
    def test_stages(self, open_engine: Callable[..., Driver]) -> None:
        timing = [{"timing": {"dsp": 3, "classification": 0, "anomaly": 1}}, {"timing": {"dsp": 4, "anomaly": 2}}]
        hello = {"model_parameters": {"has_anomaly": 1}}
        driver = open_engine({"hello": hello, "replies": {"classify": [*timing, {"timing": 5}]}})
        result = invoke(driver, 2, Mode.PER_LAYER)
        assert [node.info.name for node in result.nodes] == ["dsp", "classification", "anomaly"]
        assert list(result.nodes[0].durations) == [3.0, 4.0]
        assert [node.source for node in result.nodes] == [TimeSource.DEVICE, None, TimeSource.DEVICE]
        # 2 is what the engine says where the scenario says nothing
        assert result.nodes[1].extra == {"resolution_ms": 1, "reported_ms": [0.0, 2.0]}
        assert list(result.nodes[1].durations) == []
        assert "no time of classification" in result.warnings[0]
        assert result.source is TimeSource.HOST
        assert all(duration > 0 for duration in result.durations)

    def test_none_without_being_asked(self, open_engine: Callable[..., Driver]) -> None:
        result = invoke(open_engine({"replies": {"classify": {"timing": None}}}), 2, Mode.PERF_ONLY)
        assert (result.outputs, result.nodes, len(result.durations)) == ((), (), 2)

    def test_a_callback_gets_stages_with_their_times(self, open_engine: Callable[..., Driver]) -> None:
        seen: list[Any] = []

        class Callback(AiRunnerCallback):
            def on_node_end(self, idx: int, data: list[Any], logs: Any = None) -> None:
                seen.append((idx, logs.get("dur")))

        driver = open_engine({"replies": {"classify": {"timing": {"dsp": 0}}}})
        driver.invoke("scripted", [FEATURES[np.newaxis]], Mode.PER_LAYER, Callback())
        assert seen == [(0, None), (1, 2.0)]


class TestFeatures:
    @pytest.mark.parametrize("options", ["shm=always", "shm=never", "mode=stdin&shm=never"])
    def test_every_value_arrives(self, open_engine: Callable[..., Driver], options: str) -> None:
        driver = open_engine({}, options)
        values = np.array([[0.1, -3.4e38, 1e-38, 1, 2, 3, 4, 5]], np.float32)
        np.testing.assert_array_equal(driver.invoke("scripted", [values]).outputs[0], values[:, :3])

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_not_sent(self, open_engine: Callable[..., Driver], value: float) -> None:
        driver = open_engine({})
        features = FEATURES.copy()
        features[3] = value
        with pytest.raises(InvalidParamError, match="finite"):
            driver.invoke("scripted", [features[np.newaxis]])
        with pytest.raises(InvalidParamError, match="finite"):
            driver.extension(None, cmd="classify", features=features)
        assert driver.extension(None, cmd="request", request={"x": 1})["id"] == 2

    @pytest.mark.parametrize(
        "features", [[1], np.zeros((2, 8)), [*range(7), "x"], None, [[1, 2], [3]], [10**400] * 8], ids=str
    )
    def test_what_are_no_features(self, open_engine: Callable[..., Driver], features: Any) -> None:
        driver = open_engine({})
        with pytest.raises(InvalidParamError):
            driver.extension(None, cmd="classify", features=features)
        assert driver.extension(None, cmd="request", request={"x": 1})["id"] == 2

    def test_any_shape_of_the_right_size(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({})
        for features in (FEATURES.reshape(2, 4), FEATURES.astype(np.float64), list(range(8)), tuple(range(8))):
            reply = driver.extension(None, cmd="classify", features=features)
            assert reply["result"]["classification"]["a lot"] == 2

    def test_a_message_that_is_too_long(self, open_engine: Callable[..., Driver]) -> None:
        hello = {"model_parameters": {"input_features_count": 600_000}}
        driver = open_engine({"hello": hello, "shm": False}, "max_message=1")
        with pytest.raises(InvalidParamError, match="more than an engine reads"):
            driver.extension(None, cmd="classify", features=np.zeros(600_000))
        assert driver.extension(None, cmd="request", request={"x": 1})["error"]

    def test_shared_memory_that_is_a_must(self, open_engine: Callable[..., Driver]) -> None:
        with pytest.raises(HwIOError, match="no shared memory here"):
            open_engine({"shm": False}, "shm=always")

    @pytest.mark.parametrize(
        "block",
        [
            {"name": "/shm-that-is-not-there", "elements": 8},
            {"name": "../../etc/passwd", "elements": 8},
            {"name": "/etc/passwd", "elements": 8},
            {"name": "", "elements": 8},
            {"name": "/x", "elements": 3},
        ],
        ids=str,
    )
    def test_shared_memory_that_cannot_be_had(self, open_engine: Callable[..., Driver], block: Any) -> None:
        driver = open_engine({"hello": {"features_shm": block}})
        assert driver.info("scripted").runtime.attributes["features"].startswith("as JSON: ")
        assert invoke(driver).outputs[0][0, 1] == 1
        with pytest.raises(HwIOError, match="no shared memory"):
            open_engine({"hello": {"features_shm": block}}, "shm=always")


class TestCommands:
    def test_hello_is_kept_and_the_callers_own(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({})
        hello = driver.extension("scripted", cmd="hello")
        assert not {"id", "success"} & hello.keys()
        hello["project"]["name"] = "changed"
        assert driver.extension(None, cmd="hello")["project"]["name"] == "Scripted"

    @pytest.mark.parametrize("options", ["", "shm=never"])
    def test_continuous(self, open_engine: Callable[..., Driver], options: str) -> None:
        driver = open_engine({}, options)
        reply = driver.extension(None, cmd="classify_continuous", features=[5, 6])
        assert reply["result"]["classification"] == {"low": 5, "high": 6, "a lot": 5}
        with pytest.raises(InvalidParamError, match="takes 2"):
            driver.extension(None, cmd="classify_continuous", features=FEATURES)

    def test_continuous_where_there_is_none(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({"hello": {"model_parameters": {"slice_size": None}}})
        with pytest.raises(InvalidParamError, match="no continuous"):
            driver.extension(None, cmd="classify_continuous", features=[5, 6])

    def test_thresholds(self, open_engine: Callable[..., Driver]) -> None:
        entries = [{"id": 6, "type": "object_detection", "min_score": 0.5}]
        driver = open_engine({"hello": {"model_parameters": {**DETECTOR["model_parameters"], "thresholds": entries}}})
        assert driver.extension(None, cmd="set_threshold", threshold={"id": 6, "min_score": 0.25}) == {}
        assert driver.extension(None, cmd="hello")["model_parameters"]["thresholds"][0]["min_score"] == 0.25
        for threshold, reason in [
            ({"id": 7, "min_score": 1}, "cannot find learn block with id 7"),
            ({"id": 6, "foo": 1}, "'foo' failed with error -34"),
            ({"id": 6, "min_score": "x"}, "should be numeric"),
            ({"min_score": 1}, "id=None"),
        ]:
            with pytest.raises(InvalidParamError, match=reason):
                driver.extension(None, cmd="set_threshold", threshold=threshold)
        assert driver.extension(None, cmd="hello")["model_parameters"]["thresholds"][0]["min_score"] == 0.25

    def test_any_request(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({})
        refused = {"id": 2, "success": False, "error": "Failed to handle message"}
        assert driver.extension(None, cmd="request", request={"x": 1}) == refused
        reply = driver.extension(None, cmd="request", request={"classify": list(range(8))})
        assert (reply["id"], reply["success"]) == (3, True)
        for wrong in (None, {}, {"id": 1}, {"x": "}"}):
            with pytest.raises(InvalidParamError):
                driver.extension(None, cmd="request", request=wrong)

    def test_output_and_debug(self, open_engine: Callable[..., Driver], caplog: pytest.LogCaptureFixture) -> None:
        printed = {"faults": {"classify": [{"stdout": "Features (0 ms.): 1 2\n"}, {"stderr": "Running\n"}]}}
        driver = open_engine(printed, "debug=1")
        with caplog.at_level("DEBUG"):
            invoke(driver)
            assert "[ENGINE] Features (0 ms.): 1 2" in caplog.messages
            caplog.clear()
            invoke(driver)
            assert caplog.messages == ["[ENGINE] Running"]
        assert driver.extension(None, cmd="output")[-2:] == ["Features (0 ms.): 1 2", "Running"]

    def test_what_it_does_not_have(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({})
        assert driver.extension(None, cmd="read-in-memory") is False
        assert driver.extension(None) is False


@pytest.mark.parametrize(
    "options", ["timeout=0", "timeout=x", "first_timeout=-1", "shm=maybe", "mode=pipe", "debug=yes", "max_message=33"]
)
def test_options_that_are_not_possible(options: str) -> None:
    with pytest.raises(InvalidParamError, match=options.split("=")[0]):
        create_driver(parse_descriptor(f"eim:m.eim?{options}"))


class TestSocketOfSomebodyElse:
    @pytest.fixture
    def listening(self, scripted_engine: Callable[..., Path], tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "engine.sock"
        with subprocess.Popen([scripted_engine({}), path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            yield path
            process.terminate()  # killed, it would leave its shared memory

    def test_it_is_used_and_left(self, listening: Path) -> None:
        driver = create_driver(parse_descriptor(f"eim:{listening}"))
        driver.open(Deadline(20))
        assert driver.names() == ("engine",)
        assert driver.invoke("engine", [FEATURES[np.newaxis]]).outputs[0].tolist() == [[0, 1, 2]]
        assert driver.extension(None, cmd="output") == []
        driver.close()
        assert listening.exists()

    def test_a_second_client_gets_no_answer(self, listening: Path) -> None:
        first, second = (create_driver(parse_descriptor(f"eim:{listening}?start_timeout={s}")) for s in ("20", "0.2"))
        first.open(Deadline(20))
        with pytest.raises(LinkTimeoutError, match="did not answer hello"):
            second.open(Deadline(20))
        first.close()

    def test_nobody_listens(self, tmp_path: Path) -> None:
        path = tmp_path / "left.sock"
        with socket.socket(socket.AF_UNIX) as stream:
            stream.bind(str(path))
        with pytest.raises(HwIOError, match="refused"):
            create_driver(parse_descriptor(f"eim:{path}")).open(Deadline(1))
        with pytest.raises(InvalidParamError, match="no stdin"):
            create_driver(parse_descriptor(f"eim:{path}?mode=stdin")).open(Deadline(1))


class TestLifeCycle:
    def test_25_starts_and_stops_leave_nothing(self, stand_in: Path) -> None:
        driver = create_driver(parse_descriptor(f"eim:{stand_in}"))

        def left() -> tuple[Any, ...]:
            gc.collect()
            folders = [entry for entry in os.listdir("/tmp") if entry.startswith("ai_runner_")]  # noqa: PTH208
            return len(os.listdir("/proc/self/fd")), threading.active_count(), sorted(folders)  # noqa: PTH208

        driver.open(Deadline(20))
        driver.close()
        fds, threads, _ = left()
        memory = []
        for _ in range(25):
            driver.open(Deadline(20))
            driver.invoke("stand_in", [np.zeros((1, 16000), np.float32)])
            memory.append(driver.extension(None, cmd="hello")["features_shm"]["name"][1:])
            folder = Path(driver._execution.engine.link.transport._folder.name)  # type: ignore[attr-defined]
            assert folder.stat().st_mode & 0o777 == 0o700
            pid = int(driver.describe().split("process ")[1].split(")")[0])
            driver.close()
            assert not folder.exists()
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert left()[:2] == (fds, threads)
        assert not [name for name in memory if Path("/dev/shm", name).exists()]

    def test_a_failed_start_leaves_nothing(self, open_engine: Callable[..., Driver]) -> None:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        for scenario in ({"faults": {"start": {"exit": 1}}}, {"replies": {"hello": {"raw": "\0"}}}):
            with pytest.raises((HwIOError, ValueError)):
                open_engine(scenario)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    def test_a_long_temporary_folder(self, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        long = tmp_path / ("x" * 100)
        long.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(long))
        driver = create_driver(parse_descriptor(f"eim:{stand_in}"))
        driver.open(Deadline(20))
        driver.close()
        assert list(long.iterdir()) == []

    def test_a_relative_path(self, stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(stand_in.parent)
        driver = create_driver(Descriptor("eim", stand_in.name))
        driver.open(Deadline(20))
        driver.close()


class TestRecording:
    @pytest.mark.parametrize("options", ["", "?mode=stdin"])
    def test_a_session_is_replayed(self, scripted_engine: Callable[..., Path], tmp_path: Path, options: str) -> None:
        descriptor = f"eim:{scripted_engine({'freeform': [2, 3]})}{options}"
        path = tmp_path / "run.cassette"
        recording = Recording(path, descriptor)
        driver = create_driver(parse_descriptor(descriptor), wrap=recording.wrap)
        driver.open(Deadline(20))
        inputs = [np.arange(16, dtype=np.float32).reshape(2, 8)]
        recorded = driver.invoke("scripted", inputs)
        driver.close()
        recording.finish()
        player = create_driver(parse_descriptor(f"replay:{path}"))
        player.open(Deadline(20))
        name = player.names()[0]
        for now, then in zip(player.invoke(name, inputs).outputs, recorded.outputs, strict=True):
            np.testing.assert_array_equal(now, then)
        assert player.extension(None, cmd="output") == []
        player.close()

    def test_a_recorder_that_fails_leaves_no_engine(self, scripted_engine: Callable[..., Path]) -> None:
        started: list[Any] = []

        def wrap(transport: Any) -> Any:
            started.append(transport)
            raise InvalidParamError("disk full")

        with pytest.raises(InvalidParamError, match="disk full"):
            create_driver(parse_descriptor(f"eim:{scripted_engine({})}"), wrap=wrap).open(Deadline(20))
        assert started[0].child.returncode is not None

    def test_shared_memory_cannot_be_recorded(self, scripted_engine: Callable[..., Path]) -> None:
        with pytest.raises(InvalidParamError, match="cannot be recorded"):
            create_driver(parse_descriptor(f"eim:{scripted_engine({})}?shm=always"), wrap=lambda transport: transport)


def test_captures_of_real_engines_as_arrays(capture: list[dict[str, Any]]) -> None:
    """The replies of the captures, read as the driver reads them."""
    from ai_runner.impulse.hello import parse_hello
    from ai_runner.impulse.result import ResultReader, output_tensors

    texts = [line.get("reply") or "" for line in capture]
    replies = [json.loads(text.replace("\0", "")) for text in texts if '"result"' in text]
    described = [text for text in texts if "model_parameters" in text]
    tensors = output_tensors(parse_hello(json.loads(described[0].rstrip("\0"))))
    reader = ResultReader(tensors)
    for reply in replies:
        outputs = reader.empty(1)
        reader.read(reply["result"], outputs, 0)
        if "classification" in reply["result"]:
            expected = [reply["result"]["classification"][label] for label in ("helloworld", "noise", "unknown")]
            np.testing.assert_array_equal(outputs[0][0], np.array(expected, np.float32))
        else:
            boxes = reply["result"]["bounding_boxes"]
            assert outputs[1].item() == len(boxes)
            for box, row in zip(boxes, outputs[0][0], strict=False):
                assert row.tolist() == (0, box["value"], box["x"], box["y"], box["width"], box["height"])
    assert len(replies) >= 2
