"""The driver: what it opens, refuses, checks and survives."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import AiRunnerCallback, Driver
from ai_runner.errors import (
    HwIOError,
    InvalidModelError,
    InvalidParamError,
    NotConnectedError,
    TargetCrashError,
)
from ai_runner.model import Mode
from ai_runner.registry import create_driver

OpenDriver = Callable[..., Driver]
Library = Callable[..., Path]


def shared_object(path: Path, code: str, compiler: str) -> Path:
    command = [*compiler.split(), "-shared", "-fPIC", "-xc", "-", "-o", str(path)]
    subprocess.run(command, input=code.encode(), check=True)
    return path


class TestOpening:
    def test_the_runner_runs_it(self, stub_library: Library) -> None:
        with AiRunner.open(f"ei:{stub_library()}") as runner:
            outputs, profiler = runner.invoke(np.ones((3, 16), np.float32))
            assert outputs[0].reshape(3, 3).tolist() == [[3.0] * 3] * 3
            assert len(profiler["c_durations"]) == 3

    def test_the_extension_may_be_left_out(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library().with_suffix(""))
        assert "classifier.so, ei_c_api 1, project stub project" in driver.describe()

    @pytest.mark.parametrize(
        ("code", "message", "hint"),
        [
            ("int other_function(void) { return 1; }", "no Edge Impulse library: exports other_function", "ei-library"),
            ("int stai_network_run(void) { return 1; }", "exports stai_network_run", "use file:"),
            ("int run_classifier(void) { return 1; }", "exports run_classifier", "without an interface"),
            ("static int nothing;", "exports nothing", "ei-library"),
        ],
    )
    def test_what_is_no_edge_impulse_library(
        self, code: str, message: str, hint: str, compiler: str, tmp_path: Path, open_driver: OpenDriver
    ) -> None:
        path = shared_object(tmp_path / "other.so", code, compiler)
        with pytest.raises(InvalidModelError, match=message) as caught:
            open_driver(path)
        assert hint in caught.value.hint
        assert "\n" not in caught.value.message

    def test_another_version_of_the_interface(self, compiler: str, tmp_path: Path, open_driver: OpenDriver) -> None:
        code = "unsigned ai_runner_ei_abi(void) { return 0xE1A10002u; }"
        with pytest.raises(InvalidModelError, match="has interface 0xe1a10002, this version speaks 0xe1a10001"):
            open_driver(shared_object(tmp_path / "newer.so", code, compiler))

    def test_a_folder_and_a_file_that_is_not_there(
        self, stub_export: Callable[..., Path], tmp_path: Path, open_driver: OpenDriver
    ) -> None:
        with pytest.raises(InvalidParamError, match="is a folder") as caught:
            open_driver(stub_export())
        assert "compile it first" in caught.value.hint
        with pytest.raises(InvalidParamError, match="no such file"):
            open_driver(tmp_path / "missing.so")
        with pytest.raises(InvalidParamError, match="names no library"):
            open_driver("")

    def test_a_text_a_truncated_library_and_an_eim(
        self, stub_library: Library, tmp_path: Path, open_driver: OpenDriver
    ) -> None:
        path = tmp_path / "library.so"
        path.write_text("#!/usr/bin/env python\n")
        with pytest.raises(InvalidModelError, match="it is text that starts with"):
            open_driver(path)
        path.write_bytes(stub_library().read_bytes()[:-4096])
        with pytest.raises(InvalidModelError, match="broken"):
            open_driver(path)

    def test_options_are_checked_at_once(self, stub_library: Library) -> None:
        for options in ("?debug=2", "?isolate=maybe", "?nothing=1"):
            with pytest.raises(InvalidParamError):
                create_driver(parse_descriptor(f"ei:{stub_library()}{options}"))

    def test_the_file_can_be_rebuilt_while_it_is_open(
        self, stub_library: Library, tmp_path: Path, open_driver: OpenDriver
    ) -> None:
        path = tmp_path / "model.so"
        path.write_bytes(stub_library().read_bytes())
        driver = open_driver(path)
        path.write_bytes(b"")
        assert driver.invoke("model", [np.ones((1, 16), np.float32)]).outputs[0].tolist() == [[3.0] * 3]

    def test_without_a_copy_the_file_itself_is_loaded(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library(), reload=False)
        assert driver.invoke("classifier", [np.ones((1, 16), np.float32)]).outputs[0].tolist() == [[3.0] * 3]

    def test_no_room_for_a_copy(self, stub_library: Library, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        driver = create_driver(parse_descriptor(f"ei:{stub_library()}"))
        with pytest.raises(HwIOError, match="no private copy"):
            driver.open(Deadline(10))


class TestFeatures:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_they_have_to_be_finite(self, value: float, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        features = np.zeros((2, 16), np.float32)
        features[1, 7] = value
        with pytest.raises(InvalidParamError, match="finite"):
            driver.invoke("classifier", [features])
        with pytest.raises(InvalidParamError, match="finite"):
            driver.extension(None, cmd="classify", features=features[1])

    @pytest.mark.parametrize("count", [0, 15, 17])
    def test_there_have_to_be_enough(self, count: int, stub_library: Library, open_driver: OpenDriver) -> None:
        with pytest.raises(InvalidParamError, match=f"{count} features, and the model takes 16"):
            open_driver(stub_library()).extension(None, cmd="classify", features=[1.0] * count)

    @pytest.mark.parametrize("features", [None, "text", [[1, 2], [3]], {"a": 1}, object()])
    def test_they_have_to_be_numbers(self, features: Any, stub_library: Library, open_driver: OpenDriver) -> None:
        with pytest.raises(InvalidParamError):
            open_driver(stub_library()).extension(None, cmd="classify", features=features)

    @pytest.mark.parametrize(
        "features",
        [
            *(list(range(16)), range(16), np.arange(16), np.arange(16.0).reshape(4, 4)),
            np.repeat(np.arange(16, dtype=np.float32), 3)[::3],
            np.arange(16, dtype=np.float32)[::-1][::-1],
        ],
    )
    def test_whatever_numpy_takes(self, features: Any, stub_library: Library, open_driver: OpenDriver) -> None:
        reply = open_driver(stub_library()).extension(None, cmd="classify", features=features)
        assert list(reply["result"]["classification"].values()) == [1.0, 4.0, 7.0]


class TestCommands:
    def test_there_is_none_of_this_name(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        assert driver.extension(None, cmd="output") is False
        assert driver.extension(None, fly=True) is False

    def test_a_reply_is_the_callers_own(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        driver.extension(None, cmd="hello")["model_parameters"].clear()
        assert driver.extension(None, cmd="hello")["model_parameters"]["label_count"] == 3

    def test_debug_prints(self, stub_library: Library, open_driver: OpenDriver, capfd: Any) -> None:
        driver = open_driver(stub_library())
        driver.extension(None, cmd="classify", features=np.full(16, 5), debug=True)
        assert capfd.readouterr().out == "Features: 5\n"
        driver.extension(None, cmd="classify", features=np.full(16, 5))
        assert capfd.readouterr().out == ""
        open_driver(stub_library(), "?debug=1").invoke("classifier", [np.zeros((2, 16), np.float32)])
        assert capfd.readouterr().out == "Features: 0\n" * 2

    def test_closed_and_reopened(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        driver.close()
        with pytest.raises(NotConnectedError):
            driver.extension(None, cmd="hello")
        driver.open(Deadline(10))
        assert driver.extension(None, cmd="hello")["project"]["id"] == 42


class TestRuns:
    def test_performance_only_moves_no_tensor(self, stub_library: Library, open_driver: OpenDriver) -> None:
        result = open_driver(stub_library()).invoke("classifier", [np.zeros((2, 16), np.float32)], Mode.PERF_ONLY)
        assert result.outputs == ()
        assert len(result.durations) == 2

    def test_an_empty_batch(self, stub_library: Library, open_driver: OpenDriver) -> None:
        result = open_driver(stub_library("fomo")).invoke("fomo", [np.zeros((0, 16), np.float32)], Mode.PER_LAYER)
        assert [len(output) for output in result.outputs] == [0, 0]

    def test_other_threads_are_refused_while_it_runs(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        refused: list[Exception] = []

        class Ask(AiRunnerCallback):
            def on_sample_begin(self, idx: int) -> None:
                def ask() -> None:
                    try:
                        driver.extension(None, cmd="hello")
                    except InvalidParamError as error:
                        refused.append(error)

                thread = threading.Thread(target=ask)
                thread.start()
                thread.join()

        driver.invoke("classifier", [np.zeros((1, 16), np.float32)], callback=Ask())
        assert "while a run is going on" in str(refused[0])

    def test_detectors_show_a_callback_each_samples_boxes(self, stub_library: Library, open_driver: OpenDriver) -> None:
        seen: list[int] = []

        class Count(AiRunnerCallback):
            def on_sample_end(self, idx: int, data: Any, logs: Any = None) -> None:
                seen.append(int(data[1][0]))

        images = np.zeros((3, 16), np.float32)
        images[1, :5] = 1
        open_driver(stub_library("fomo")).invoke("fomo", [images], callback=Count())
        assert seen == [0, 5, 0]


class TestIsolated:
    def test_a_crash_is_an_error_that_names_the_signal(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library(), "?isolate=process")
        bad = np.full((1, 16), 668, np.float32)
        with pytest.raises(TargetCrashError, match="SIGABRT"):
            driver.invoke("classifier", [bad])

    @pytest.mark.parametrize("kind", ["tracking", "visual_anomaly", "freeform"])
    def test_every_kind_of_output_crosses(self, kind: str, stub_library: Library, open_driver: OpenDriver) -> None:
        images = np.zeros((2, 16), np.float32)
        images[:, 5] = 0.75
        results = [
            open_driver(stub_library(kind), option).invoke(kind, [images], Mode.PER_LAYER)
            for option in ("", "?isolate=process")
        ]
        for here, there in zip(*(result.outputs for result in results), strict=True):
            np.testing.assert_array_equal(here, there, strict=True)
        infos = [result.info for result in results]
        assert infos[0].outputs == infos[1].outputs

    def test_commands_cross(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library("fomo"), "?isolate=process")
        driver.extension(None, cmd="set_threshold", threshold={"id": 4, "min_score": 0.75})
        reply = driver.extension(None, cmd="classify", features=np.full(16, 0.7))
        assert reply["result"]["bounding_boxes"] == []
