"""Hello replies of every age, and what is none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import InvalidMsgError
from ai_runner.impulse.hello import Anomaly, Hello, SharedBlock, Threshold, parse_hello, with_threshold

SMALLEST = {"model_parameters": {"input_features_count": 33}}


def captured(shared: Path, name: str) -> dict[str, Any]:
    """The hello of a real engine."""
    for line in (shared / "captures" / "eim" / f"{name}.jsonl").read_text().splitlines():
        reply = json.loads(line).get("reply") or ""
        if "model_parameters" in reply:
            return json.loads(reply.rstrip("\0"))
    raise AssertionError(f"no hello in {name}")


def test_a_keyword_model_of_2026(shared: Path) -> None:
    hello = parse_hello(captured(shared, "kws-classifier"))
    assert hello == Hello(
        project_id=44,
        project_name="Demo: Keyword Spotting",
        owner="Edge Impulse Profiling",
        deploy_version=27,
        impulse_id=1,
        impulse_name="Impulse #1",
        features=16000,
        slice_size=4000,
        continuous=True,
        sensor=1,
        frequency=16000,
        interval_ms=0.0625,
        axis_count=1,
        image_frames=0,
        resize_mode="none",
        labels=("helloworld", "noise", "unknown"),
        engine=2,
        features_shm=SharedBlock("/shm-d589d8aeaa0b", 16000),
    )
    assert (hello.sensor_name, hello.engine_name) == ("microphone", "TensorFlow Lite Micro or EON")
    assert not (hello.is_detector)
    assert not (hello.is_freeform)
    assert not (hello.is_visual_anomaly)
    assert not (hello.starts_slowly)


def test_a_detector(shared: Path) -> None:
    hello = parse_hello(captured(shared, "fomo-detector"))
    assert hello.is_detector
    assert (hello.image_width, hello.image_height, hello.image_frames, hello.image_channels) == (96, 96, 1, 3)
    assert hello.resize_mode == "fit-shortest"
    assert hello.thresholds == (Threshold(6, "object_detection", {"min_score": 0.5}),)


def test_what_an_old_engine_leaves_out() -> None:
    hello = parse_hello(SMALLEST)
    assert hello == Hello(features=33)
    assert (hello.resize_mode, hello.model_type, hello.sensor_name) == ("squash", "classification", "unknown")
    image = {"input_features_count": 4, "image_input_width": 2, "image_input_height": 2}
    assert parse_hello({"model_parameters": image}).image_frames == 1


@pytest.mark.parametrize(
    ("value", "kind"), [(True, 1), (False, 0), (0, 0), (2, 2), (3.0, 3), (None, 0), (99, 99)], ids=str
)
def test_kinds_of_anomaly(value: Any, kind: int) -> None:
    hello = parse_hello({"model_parameters": {"input_features_count": 1, "has_anomaly": value}})
    assert hello.anomaly == kind
    assert hello.is_visual_anomaly == (kind in (3, 4, 6))


def test_thresholds_pass_through() -> None:
    parameters = {
        "input_features_count": 1,
        "thresholds": [{"id": 3, "type": "of tomorrow", "x": 1, "y": None}, {"id": 4.0, "type": "object_tracking"}],
    }
    first, second = parse_hello({"model_parameters": parameters}).thresholds
    assert (first.id, first.type, first.values["x"]) == (3, "of tomorrow", 1.0)
    assert math.isnan(first.values["y"])
    assert second == Threshold(4, "object_tracking", {})
    old = parse_hello({"model_parameters": {"input_features_count": 1, "threshold": 0.6}})
    assert old.thresholds == (Threshold(0, "object_detection", {"min_score": 0.6}),)


def test_shared_memory() -> None:
    blocks = [{"index": 1, "name": "/b", "elements": 5}, {"index": 0, "name": "/a", "elements": 2, "type": "float32"}]
    hello = parse_hello({**SMALLEST, "freeform_output_shm": blocks, "features_shm_error": "no room"})
    assert hello.freeform_shm == (SharedBlock("/a", 2), SharedBlock("/b", 5))
    assert (hello.features_shm, hello.features_shm_error) == (None, "no room")


@pytest.mark.parametrize("engine", [{"engine_type": 6}, {"engine_type": 4, "properties": ["gpu_delegates"]}], ids=str)
def test_engines_that_start_slowly(engine: dict[str, Any]) -> None:
    assert parse_hello({**SMALLEST, "inferencing_engine": engine}).starts_slowly


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"model_parameters": []},
        {"model_parameters": {"input_features_count": 0}},
        {"model_parameters": {"input_features_count": -1}},
        {"model_parameters": {"input_features_count": 1 << 40}},
        {"model_parameters": {"input_features_count": 1.5}},
        {"model_parameters": {"input_features_count": "8"}},
        {"model_parameters": {"input_features_count": 1, "labels": "ab"}},
        {"model_parameters": {"input_features_count": 1, "labels": [1]}},
        {"model_parameters": {"input_features_count": 1, "thresholds": [1]}},
        {"model_parameters": {"input_features_count": 1, "frequency": 10**400}},
        {"model_parameters": {"input_features_count": 1, "model_type": 3}},
        {**SMALLEST, "features_shm": {"name": "/x", "elements": 0}},
        {**SMALLEST, "features_shm": {"name": "/x", "elements": 33, "type": "int8"}},
        {**SMALLEST, "features_shm": "/x"},
    ],
    ids=str,
)
def test_what_is_no_hello(reply: dict[str, Any]) -> None:
    with pytest.raises(InvalidMsgError):
        parse_hello(reply)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KNOWN = ["input_features_count", "labels", "thresholds", "has_anomaly", "frequency", "sensor", "image_input_width"]


@given(
    st.fixed_dictionaries(
        {"model_parameters": st.dictionaries(st.sampled_from(KNOWN), JSON) | JSON},
        optional=dict.fromkeys(("project", "inferencing_engine", "features_shm", "freeform_output_shm"), JSON),
    )
)
def test_anything_is_a_hello_or_an_error(reply: dict[str, Any]) -> None:
    try:
        hello = parse_hello(reply)
    except InvalidMsgError:
        return
    assert hello.features > 0


class TestWithThreshold:
    REPLY = {
        "project": {"id": 1},
        "model_parameters": {
            "input_features_count": 1,
            "thresholds": [
                {"id": 6, "type": "object_detection", "min_score": 0.5},
                {"id": 6, "type": "object_tracking", "threshold": 0.5, "keep_grace": 5.0},
                {"id": 7, "type": "anomaly_gmm", "min_anomaly_score": 4.0},
            ],
        },
    }

    def test_it_changes_the_block_and_not_the_original(self) -> None:
        before = json.dumps(self.REPLY)
        changed = with_threshold(self.REPLY, {"id": 6, "type": "x", "min_score": 0.7, "keep_grace": 2, "new": 1})
        assert json.dumps(self.REPLY) == before
        assert changed["project"] == {"id": 1}
        assert changed["model_parameters"]["thresholds"] == [
            {"id": 6, "type": "object_detection", "min_score": 0.7, "new": 1},
            {"id": 6, "type": "object_tracking", "threshold": 0.5, "keep_grace": 2},
            {"id": 7, "type": "anomaly_gmm", "min_anomaly_score": 4.0},
        ]

    def test_a_block_that_is_not_there_changes_nothing(self) -> None:
        assert with_threshold(self.REPLY, {"id": 1, "min_score": 0.7}) == self.REPLY
        assert with_threshold(SMALLEST, {"id": 1, "min_score": 0.7}) == SMALLEST


def test_anomaly_has_the_numbers_of_the_protocol() -> None:
    assert [kind.value for kind in Anomaly] == [0, 1, 2, 3, 4, 5, 6]
