"""Models of every kind through the C interface, on stand-ins for SDKs of several years."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.driver import Driver
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.impulse.hello import parse_hello
from ai_runner.model import Mode
from ai_runner.profile import TimeSource

OpenDriver = Callable[..., Driver]
Library = Callable[..., Path]

YEARS = (2023, 2024, 2025, 2026)
# A score of 0.75 at (8, 0), 0.5 at (16, 8) and 0.25, below the threshold, at (0, 24).
IMAGE = np.zeros(16, np.float32)
IMAGE[[1, 6, 12]] = 0.75, 0.5, 0.25


def outputs_of(driver: Driver, *rows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    (name,) = driver.names()
    info = driver.info(name)
    arrays = driver.invoke(name, [np.array(rows, np.float32)]).outputs
    return {tensor.name: array for tensor, array in zip(info.outputs, arrays, strict=True)}


@pytest.mark.parametrize("sdk", YEARS)
def test_a_classifier(sdk: int, stub_library: Library, open_driver: OpenDriver) -> None:
    features = np.linspace(-1, 3, 16, dtype=np.float32)
    outputs = outputs_of(open_driver(stub_library("classifier", sdk)), features, -features)
    expected = 2 * features[0:3] + features[1:4]
    np.testing.assert_array_equal(outputs["classification"], [expected, -expected])


@pytest.mark.parametrize("kind", ["pointer", "c_function_signal"])
def test_other_configurations_of_the_sdk(kind: str, stub_library: Library, open_driver: OpenDriver) -> None:
    features = np.arange(16, dtype=np.float32)
    outputs = outputs_of(open_driver(stub_library(kind)), features)
    np.testing.assert_array_equal(outputs["classification"], [[1, 4, 7]])


@pytest.mark.parametrize("sdk", YEARS)
def test_a_detector(sdk: int, stub_library: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(stub_library("fomo", sdk))
    outputs = outputs_of(driver, IMAGE, np.zeros(16))
    assert outputs["bounding_boxes_count"].tolist() == [[2], [0]]
    first, second = outputs["bounding_boxes"][0][:2].tolist()
    assert first == (1, 0.75, 8, 0, 8, 8)
    assert second == (0, 0.5, 16, 8, 8, 8)
    assert not any(outputs["bounding_boxes"][0][2:].tobytes())
    assert driver.info(driver.names()[0]).outputs[0].labels == ("cat", "dog")


def test_a_label_that_the_model_does_not_list(stub_library: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(stub_library("fomo"))
    image = np.zeros(16, np.float32)
    image[15] = 1
    assert outputs_of(driver, image)["bounding_boxes"][0][0]["label"] == -1
    (box,) = driver.extension(None, cmd="classify", features=image)["result"]["bounding_boxes"]
    assert box == {"label": "out of the ordinary", "value": 1.0, "x": 24, "y": 24, "width": 8, "height": 8}


@pytest.mark.parametrize("sdk", YEARS[1:])
def test_object_tracking(sdk: int, stub_library: Library, open_driver: OpenDriver) -> None:
    outputs = outputs_of(open_driver(stub_library("tracking", sdk)), IMAGE, IMAGE)
    assert outputs["bounding_boxes_count"].tolist() == outputs["object_tracking_count"].tolist() == [[2], [2]]
    # The stand-in numbers traces 100, 200, ... and adds keep_grace, which is 5; the first is one without a value.
    traces = outputs["object_tracking"]
    assert traces["object_id"][:, :2].tolist() == [[105, 205], [305, 405]]
    assert traces["value"][0, :2].tolist() == [1.0, 0.5]
    assert traces["x"][0, :2].tolist() == [8, 16]


@pytest.mark.parametrize("sdk", YEARS)
def test_visual_anomaly(sdk: int, stub_library: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(stub_library("visual_anomaly", sdk))
    outputs = outputs_of(driver, IMAGE)
    assert outputs["visual_anomaly_grid_count"].tolist() == [[2]]
    assert outputs["visual_anomaly_grid"]["value"][0, :2].tolist() == [0.75, 0.5]
    assert outputs["visual_anomaly_max"].tolist() == [[0.75]]
    assert outputs["visual_anomaly_mean"].tolist() == [[1.5 / 16]]
    assert outputs["anomaly"].tolist() == [[-1.0]]
    result = driver.extension(None, cmd="classify", features=IMAGE)["result"]
    assert [cell["label"] for cell in result["visual_anomaly_grid"]] == ["anomaly", "anomaly"]
    assert (result["visual_anomaly_max"], result["visual_anomaly_mean"]) == (0.75, 1.5 / 16)


def test_anomaly_beside_a_classifier(stub_library: Library, open_driver: OpenDriver) -> None:
    outputs = outputs_of(open_driver(stub_library("anomaly")), np.full(16, 0.25))
    assert outputs["classification"].tolist() == [[0.75] * 3]
    assert outputs["anomaly"].tolist() == [[-0.75]]


def test_freeform(stub_library: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(stub_library("freeform"))
    features = np.arange(16, dtype=np.float32)
    outputs = outputs_of(driver, features, features + 1)
    np.testing.assert_array_equal(outputs["freeform_0"], [[0, 1, 2, 3], [1, 2, 3, 4]])
    np.testing.assert_array_equal(outputs["freeform_1"], [[10, 11], [11, 12]])
    result = driver.extension(None, cmd="classify", features=features)["result"]
    assert result == {"freeform": [[0.0, 1.0, 2.0, 3.0], [10.0, 11.0]]}


@pytest.mark.parametrize("sdk", YEARS)
def test_the_description_is_an_eims(sdk: int, stub_library: Library, open_driver: OpenDriver) -> None:
    reply = open_driver(stub_library("classifier", sdk)).extension(None, cmd="hello")
    hello = parse_hello(reply)
    assert (hello.project_id, hello.deploy_version) == (42, 7)
    assert hello.owner == 'someone {at} "work"'
    assert hello.project_name == "stub project\twith \\"
    assert hello.labels == ("no", "other", 'ye"s')
    assert (hello.features, hello.slice_size, hello.continuous) == (16, 4, True)
    assert (hello.frequency, hello.interval_ms, hello.sensor_name) == (16000, 0.0625, "microphone")
    assert (hello.model_type, hello.engine) == ("classification", 2)
    assert hello.impulse_name == ("Impulse #1" if sdk >= 2025 else "")
    assert hello.resize_mode == ("fit-shortest" if sdk >= 2025 else "squash")
    assert hello.thresholds == ()
    assert reply["model_parameters"]["label_count"] == 3


@pytest.mark.parametrize(
    ("kind", "model_type", "channels"),
    [
        ("fomo", "constrained_object_detection", 1),
        ("tracking", "object_detection", 1),
        ("visual_anomaly", "classification", 1),
        ("freeform", "freeform", 0),
    ],
)
def test_kinds_are_told_apart(
    kind: str, model_type: str, channels: int, stub_library: Library, open_driver: OpenDriver
) -> None:
    hello = parse_hello(open_driver(stub_library(kind)).extension(None, cmd="hello"))
    assert (hello.model_type, hello.image_channels) == (model_type, channels)
    assert hello.has_object_tracking == (kind == "tracking")
    assert hello.is_visual_anomaly == (kind == "visual_anomaly")


class TestThresholds:
    @pytest.mark.parametrize(
        ("kind", "sdk", "block", "name"),
        [
            ("fomo", 2024, 4, "min_score"),
            ("fomo", 2025, 4, "min_score"),
            ("fomo", 2026, 4, "min_score"),
            ("visual_anomaly", 2024, 6, "min_anomaly_score"),
            ("visual_anomaly", 2025, 4, "min_anomaly_score"),
            ("visual_anomaly", 2026, 4, "min_anomaly_score"),
        ],
    )
    def test_they_are_told_and_take_effect(
        self, kind: str, sdk: int, block: int, name: str, stub_library: Library, open_driver: OpenDriver
    ) -> None:
        driver = open_driver(stub_library(kind, sdk))
        kind_of_block = "object_detection" if kind == "fomo" else "anomaly_gmm"
        described = driver.extension(None, cmd="hello")["model_parameters"]["thresholds"]
        assert described == [{"id": block, "type": kind_of_block, name: 0.5}]
        assert driver.extension(None, cmd="set_threshold", threshold={"id": block, name: 0.75}) == {}
        entries = "bounding_boxes" if kind == "fomo" else "visual_anomaly_grid"
        assert outputs_of(driver, IMAGE)[f"{entries}_count"].tolist() == [[1]]
        described = driver.extension(None, cmd="hello")["model_parameters"]["thresholds"]
        assert described == [{"id": block, "type": kind_of_block, name: 0.75}]

    @pytest.mark.parametrize("sdk", [2024, 2025, 2026])
    def test_those_of_tracking_reach_the_tracker(
        self, sdk: int, stub_library: Library, open_driver: OpenDriver
    ) -> None:
        driver = open_driver(stub_library("tracking", sdk))
        described = driver.extension(None, cmd="hello")["model_parameters"]["thresholds"]
        tracking = {"id": 8, "type": "object_tracking", "keep_grace": 5, "max_observations": 4}
        assert tracking | ({"threshold": 0.25} if sdk >= 2025 else {}) in described
        driver.extension(None, cmd="set_threshold", threshold={"id": 8, "keep_grace": 7, "max_observations": 9})
        described = driver.extension(None, cmd="hello")["model_parameters"]["thresholds"]
        changed = {**tracking, "keep_grace": 7, "max_observations": 9}
        assert changed | ({"threshold": 0.25} if sdk >= 2025 else {}) in described
        assert outputs_of(driver, IMAGE)["object_tracking"]["object_id"][0, 0] == 107

    @pytest.mark.parametrize(
        ("threshold", "message"),
        [
            ({"id": 4, "nonsense": 1.0}, r"no threshold of this name \(-34\)"),
            ({"id": 5, "min_score": 1.0}, "no block of this number"),
            ({"id": 4, "min_score": float("nan")}, "min_score is 'nan', not a number"),
            ({"id": 4, "min_score": "0.5"}, "not a number"),
            ({"id": 4, "min_score": True}, "not a number"),
            ({"id": -1, "min_score": 0.5}, "not the number of a block"),
            ({"id": 8, "keep_grace": -1}, "impossible argument"),
            ({"min_score": 0.5}, "the id of a block"),
            (None, "the id of a block"),
        ],
    )
    def test_what_cannot_be_set(
        self, threshold: Any, message: str, stub_library: Library, open_driver: OpenDriver
    ) -> None:
        driver = open_driver(stub_library("tracking"))
        with pytest.raises(InvalidParamError, match=message):
            driver.extension(None, cmd="set_threshold", threshold=threshold)
        assert outputs_of(driver, IMAGE)["bounding_boxes_count"].tolist() == [[2]]

    def test_a_classifier_has_none(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        with pytest.raises(InvalidParamError, match="-34"):
            driver.extension(None, cmd="set_threshold", threshold={"id": 4, "min_score": 0.5})
        assert driver.extension(None, cmd="set_threshold", threshold={"id": 4}) == {}

    def test_two_connections_have_their_own(self, stub_library: Library, open_driver: OpenDriver) -> None:
        one, other = (open_driver(stub_library("fomo")) for _ in range(2))
        one.extension(None, cmd="set_threshold", threshold={"id": 4, "min_score": 0.75})
        assert outputs_of(one, IMAGE)["bounding_boxes_count"].tolist() == [[1]]
        assert outputs_of(other, IMAGE)["bounding_boxes_count"].tolist() == [[2]]


class TestContinuous:
    def test_the_first_three_slices_only_fill_the_window(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        results = [
            driver.extension(None, cmd="classify_continuous", features=[1, 2, 3, 4])["result"]["classification"]
            for _ in range(4)
        ]
        assert [set(result.values()) for result in results[:3]] == [{0.0}] * 3
        assert results[3] == {"no": 4.0, "other": 7.0, 'ye"s': 10.0}

    def test_reset_begins_anew(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library())
        for _ in range(4):
            driver.extension(None, cmd="classify_continuous", features=[1, 2, 3, 4])
        assert driver.extension(None, cmd="reset") == {}
        result = driver.extension(None, cmd="classify_continuous", features=[1, 2, 3, 4])["result"]
        assert set(result["classification"].values()) == {0.0}

    def test_a_whole_window_is_no_slice(self, stub_library: Library, open_driver: OpenDriver) -> None:
        with pytest.raises(InvalidParamError, match="16 features, and the model takes 4"):
            open_driver(stub_library()).extension(None, cmd="classify_continuous", features=np.zeros(16))


class TestTimes:
    def test_stages_are_in_microseconds(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library("anomaly"))
        (name,) = driver.names()
        result = driver.invoke(name, [np.zeros((2, 16), np.float32)], Mode.PER_LAYER)
        durations = {node.info.name: list(node.durations) for node in result.nodes}
        # The stand-in says 1500, 250, 7 and, for post-processing, nothing.
        assert durations == {
            "dsp": [1.5, 1.5],
            "classification": [0.25, 0.25],
            "anomaly": [0.007, 0.007],
            "postprocessing": [],
        }
        assert [node.source for node in result.nodes] == [TimeSource.DEVICE] * 3 + [None]
        timing = driver.extension(None, cmd="classify", features=np.zeros(16))["timing"]
        assert (timing["dsp"], timing["dsp_us"], timing["anomaly_us"]) == (2, 1500, 7)

    def test_engines_that_count_milliseconds(self, stub_library: Library, open_driver: OpenDriver) -> None:
        timing = open_driver(stub_library("pointer")).extension(None, cmd="classify", features=np.zeros(16))["timing"]
        assert timing["classification_us"] == 3000

    def test_older_sdks_have_no_time_of_post_processing(self, stub_library: Library, open_driver: OpenDriver) -> None:
        driver = open_driver(stub_library("classifier", 2025))
        (name,) = driver.names()
        result = driver.invoke(name, [np.zeros((1, 16), np.float32)], Mode.PER_LAYER)
        assert [node.info.name for node in result.nodes] == ["dsp", "classification"]


class TestFailures:
    @pytest.mark.parametrize(
        ("first", "message"),
        [(666, r"error of TensorFlow Lite \(-3\)"), (667, "its C\\+\\+ code threw an exception")],
    )
    def test_they_are_typed_and_the_library_lives_on(
        self, first: float, message: str, stub_library: Library, open_driver: OpenDriver
    ) -> None:
        driver = open_driver(stub_library())
        bad = np.zeros(16)
        bad[0] = first
        with pytest.raises(InvalidModelError, match=message):
            outputs_of(driver, bad)
        with pytest.raises(InvalidModelError, match=message):
            driver.extension(None, cmd="classify", features=bad)
        assert outputs_of(driver, np.ones(16))["classification"].tolist() == [[3.0] * 3]

    def test_the_interface_checks_what_it_is_given(self, stub_library: Library) -> None:
        """In a process of its own, as C code would call it."""
        done = subprocess.run(
            [sys.executable, "-c", RAW_CALLS, str(stub_library())], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        not_initialised, wrong_length, argument = "-10002", "-10001", "-10003"
        expected = [not_initialised, *["0"] * 4, *[wrong_length] * 2, *[argument] * 4, not_initialised]
        assert done.stdout.split() == expected


RAW_CALLS = """
import sys
from ctypes import *
library = CDLL(sys.argv[1])
library.ai_runner_ei_run.argtypes = [c_void_p, c_uint64, c_uint32, c_void_p, c_void_p]
library.ai_runner_ei_boxes.argtypes = [c_uint32, c_void_p, c_uint32]
features, summary, boxes = (c_float * 17)(), (c_int64 * 7)(), (c_char * 24)()
run = lambda n, flags=0, f=features, s=summary: library.ai_runner_ei_run(f, n, flags, None, s)
assert library.ai_runner_ei_abi() & 0xffffffff == 0xE1A10001
print(run(16))                                             # before init
print(library.ai_runner_ei_init(), library.ai_runner_ei_init())
print(run(16), run(4, 1))
print(run(15), run(17))
print(run(16, 0, None), run(16, 0, features, None))
print(library.ai_runner_ei_boxes(3, boxes, 1), library.ai_runner_ei_boxes(0, None, 1))
library.ai_runner_ei_deinit(), library.ai_runner_ei_deinit()
print(run(16))
"""
