"""Requests and replies without a process: every exchange of the captures, and what they do not show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.eim_engine.engine.classifier import Classification, Classifier
from ai_runner.eim_engine.engine.framing import MessageSplitter
from ai_runner.eim_engine.engine.impulse import BOXES, CLASSIFICATION, FREEFORM, Impulse
from ai_runner.eim_engine.engine.session import Session
from ai_runner.eim_engine.engine.shared_memory import SharedMemory

PARAMETERS: dict[str, Any] = {
    "input_features_count": 8,
    "slice_size": 2,
    "labels": ["a", "b"],
    "use_continuous_mode": True,
    "image_channel_count": 0,
    "thresholds": [],
}


class FakeClassifier:
    """Answers with the first feature and the threshold, so that a reply tells which ones were used."""

    def __init__(self, impulse: Impulse) -> None:
        self._impulse = impulse

    def classify(self, features: Any, min_score: float) -> Classification:
        if features[0] == 666:
            raise RuntimeError("node 3 failed to invoke")
        if self._impulse.kind == BOXES:
            return Classification({"bounding_boxes": [{"value": min_score}]}, [])
        values = [float(features[0]), min_score]
        outputs = [np.array(values, np.float32)]
        if self._impulse.kind == FREEFORM:
            return Classification({"freeform": [values]}, outputs)
        labels = self._impulse.labels or ("a",)
        return Classification({"classification": dict.fromkeys(labels, values[0])}, outputs, 1.9, 2.9, features)

    classify_slice = classify


def impulse(kind: str = CLASSIFICATION, outputs: tuple[int, ...] = (2,), **parameters: Any) -> Impulse:
    return Impulse({"name": "p"}, {**PARAMETERS, **parameters}, 4, 6, kind, outputs)


class Talk:
    """A session with its text on stdout; closed by the fixture."""

    def __init__(self, what: Impulse) -> None:
        self.said: list[str] = []
        self.session = Session(what, lambda: cast(Classifier, FakeClassifier(what)), self.said.append)

    def ask(self, request: str | dict[str, Any]) -> Any:
        text = request if isinstance(request, str) else json.dumps(request)
        raw = self.session.handle(text.encode())
        assert raw.endswith(b"\n")
        return json.loads(raw)


@pytest.fixture
def talks() -> Iterator[Any]:
    opened: list[Talk] = []

    def talk(what: Impulse | None = None, hello: bool = True) -> Talk:
        opened.append(Talk(what or impulse()))
        if hello:
            assert opened[-1].ask({"id": 1, "hello": 1})["success"]
        return opened[-1]

    yield talk
    for one in opened:
        one.session.close()


def exchanges(shared: Path, name: str) -> list[dict[str, Any]]:
    lines = (shared / "captures" / "eim" / name).read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry.get("dir") == "exchange"]


def spelled_out(send: str) -> bytes:
    """What was sent, with zeros where the capture only describes the numbers."""
    return re.sub(r"\[(\d+) numbers.*\]", lambda found: json.dumps([0] * int(found[1])), send).encode()


@pytest.mark.parametrize("name", ["kws-classifier.jsonl", "fomo-detector.jsonl", "kws-stdin.jsonl"])
def test_every_captured_request_gets_the_captured_reply(shared: Path, name: str, talks: Any) -> None:
    recorded = exchanges(shared, name)
    hello = next(json.loads(entry["reply"].rstrip("\0")) for entry in recorded if '"project"' in entry["reply"])
    parameters = hello["model_parameters"]
    block = parameters["thresholds"][0]["id"] if parameters["thresholds"] else 13
    kind = BOXES if parameters["model_type"] == BOXES else CLASSIFICATION
    what = Impulse(hello["project"], parameters, 2, block, kind, (parameters["label_count"],))
    talk = talks(what, hello=False)
    splitter = MessageSplitter()
    for entry in recorded:
        replies = b"".join(talk.session.handle(raw) for raw in splitter.feed(spelled_out(entry["send"])))
        mine = [json.loads(line) for line in replies.decode().splitlines()]
        received = entry["reply"] if "reply" in entry else entry["stdout_tail"].partition("Running impulse...\n")[2]
        theirs = [json.loads(line) for line in (received or "").replace("\0", "").splitlines()]
        assert [without_values(reply) for reply in mine] == [without_values(reply) for reply in theirs], entry["send"]


def without_values(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply without what the model computed, what the clock said and random names."""
    if "result" in reply:
        result = {
            key: sorted(value) if isinstance(value, dict) else type(value).__name__
            for key, value in reply["result"].items()
        }
        assert all(isinstance(value, int) for value in reply["timing"].values())
        reply = {**reply, "result": result, "timing": sorted(reply["timing"])}
    if "features_shm" in reply:
        assert re.fullmatch(r"/shm-[0-9a-f]{12}", reply["features_shm"]["name"])
        reply = {**reply, "features_shm": {**reply["features_shm"], "name": ""}}
    return reply


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ('{"id": 2, "hello": true}', "Invalid message, should initialize first"),
        ('{"id": 2, "hello": 1.0}', "Invalid message, should initialize first"),
        ('{"id": 2, "hello": 2}', "Invalid value for 'hello', only 1 supported"),
        ('{"id": 2, "set_threshold": {"id": 6}}', "Invalid message, should initialize first"),
    ],
)
def test_before_hello(request_text: str, error: str, talks: Any) -> None:
    assert talks(hello=False).ask(request_text) == {"id": 2, "success": False, "error": error}


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ('{"id": 2, "hello": 2}', "Invalid message 'hello', already initialized"),
        ('{"id": 2, "classify": [true]}', "Failed to parse classify array, should contain all numbers"),
        ('{"id": 2, "classify": [null]}', "Failed to parse classify array, should contain all numbers"),
        ('{"id": 2, "classify": [[1]]}', "Failed to parse classify array, should contain all numbers"),
        ('{"id": 2, "classify": []}', "Invalid number of features in 'classify', expected 8 but got 0"),
        ('{"id": 2, "classify_continuous": ["a"]}', "Failed to parse classify array, should contain all numbers"),
        ('{"id": 2, "classify_shm": {"elements": "8"}}', "Missing 'elements' in 'classify_data_shm'"),
        ('{"id": 2, "classify_continuous_shm": {}}', "Missing 'elements' in 'classify_data_continuous_shm'"),
        ('{"id": 2, "classify": [666,0,0,0,0,0,0,0]}', "Classifying failed, error code was -3"),
        ('{"id": 2, "set_threshold": {"id": "6"}}', "set_threshold should have a numeric field 'id'"),
        ('{"id": 2, "set_threshold": {"id": 7}}', "set_threshold: cannot find learn block with id 7"),
        ('{"id": 2, "set_threshold": {"id": 6, "a": null}}', "set_threshold, value for 'a' should be numeric"),
        ('{"id": 2, "set_threshold": {"id": 6, "a": 1}}', "set_threshold, setting key 'a' failed with error -34"),
        ('{"id": 2, "set_threshold": [1]}', "Failed to handle message"),
        ('{"id": 2, "classify_shm": [1]}', "Failed to handle message"),
        ('{"id": 2, "set_parameter": {"id": 6}}', "Failed to handle message"),
    ],
)
def test_errors(request_text: str, error: str, talks: Any) -> None:
    assert talks().ask(request_text) == {"id": 2, "success": False, "error": error}


@pytest.mark.parametrize(
    "request_text",
    [
        '{"id": 2, "x": -1e999}',
        '{"id": true}',
        '{"id": 1e0}',
        '{"id": 2147483648}',
        '{"id": 2, "classify": [1e999]}',
        '{"id": 2, "x": [NaN]}',
    ],
)
def test_without_a_proper_id_or_with_improper_json_the_reply_has_none(request_text: str, talks: Any) -> None:
    assert talks().ask(request_text) == {"success": False, "error": "Missing 'id' field in message"}


def test_a_key_of_the_wrong_type_leaves_the_next_one_its_turn(talks: Any) -> None:
    reply = talks().ask({"id": 2, "hello": "x", "classify": 3, "classify_shm": {"elements": 8}})
    assert reply["result"] == {"classification": {"a": 0.0, "b": 0.0}}


def test_integers_beyond_a_double_are_no_json(talks: Any) -> None:
    reply = talks().ask('{"id": 2, "classify": [' + "9" * 400 + "]}")
    assert reply == {"success": False, "error": "Missing 'id' field in message"}


def test_timing_is_whole_milliseconds(talks: Any) -> None:
    timing = talks().ask({"id": 2, "classify": [0] * 8})["timing"]
    assert timing.keys() == {"dsp", "classification", "anomaly", "json", "stdin", "msg_handler"}
    assert (timing["dsp"], timing["classification"]) == (1, 2)


def test_debug_prints_the_features(talks: Any) -> None:
    talk = talks()
    assert talk.ask({"id": 2, "classify": [0.5] * 8, "debug": True})["success"]
    assert talk.said == ["Features (1 ms.): " + "0.500000 " * 8 + "\nRunning impulse...\n"]


def test_continuous_mode_is_for_audio(talks: Any) -> None:
    talk = talks(impulse(use_continuous_mode=False))
    reply = talk.ask({"id": 2, "classify_continuous": [1, 2]})
    assert reply["error"] == "Classifying failed, error code was -5"
    assert talk.ask({"id": 3, "classify_continuous": [1]})["error"].endswith("expected 2 but got 1")
    assert talk.said


def test_thresholds_are_set_key_by_key(talks: Any) -> None:
    threshold = {"id": 6, "type": "object_detection", "min_score": 0.5}
    talk = talks(impulse(BOXES, thresholds=[threshold]))
    box = lambda: talk.ask({"id": 2, "classify": [0] * 8})["result"]["bounding_boxes"][0]["value"]  # noqa: E731
    assert box() == 0.5
    assert talk.ask({"id": 3, "set_threshold": {"id": 6, "min_score": 0.25, "type": 1}}) == {"id": 3, "success": True}
    assert box() == 0.25
    refused = talk.ask({"id": 4, "set_threshold": {"id": 6, "min_score": 0.75, "foo": 1}})
    assert refused["error"] == "set_threshold, setting key 'foo' failed with error -34"
    assert box() == 0.75
    assert threshold["min_score"] == 0.5


def test_freeform_outputs_go_where_the_request_came_from(talks: Any) -> None:
    talk = talks(impulse(FREEFORM), hello=False)
    hello = talk.ask({"id": 1, "hello": 1})
    (output,) = hello["freeform_output_shm"]
    assert (output["index"], output["elements"], output["size_bytes"], output["type"]) == (0, 2, 8, "float32")
    assert talk.ask({"id": 2, "classify": [3] * 8})["result"] == {"freeform": [[3.0, 0.0]]}
    shared = Path("/dev/shm", hello["features_shm"]["name"][1:])
    if not shared.parent.is_dir():
        pytest.skip("no /dev/shm")
    with shared.open("r+b") as file:
        file.write(np.full(8, 5, "<f4").tobytes())
    assert talk.ask({"id": 3, "classify_shm": {"elements": 8}})["result"] == {"freeform": "shm"}
    assert np.fromfile(Path("/dev/shm", output["name"][1:]), "<f4").tolist() == [5.0, 0.0]


def test_without_shared_memory_json_remains(talks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(self: SharedMemory) -> None:
        raise OSError("no room")

    monkeypatch.setattr(SharedMemory, "create", no_room)
    talk = talks(hello=False)
    hello = talk.ask({"id": 1, "hello": 1})
    assert hello["features_shm_error"] == "no room"
    assert "features_shm" not in hello
    reply = talk.ask({"id": 2, "classify_shm": {"elements": 8}})
    assert reply["error"] == "Cannot use 'classify_data_shm', cannot find shm input tensor with ix=0"
    assert talk.ask({"id": 3, "classify": [0] * 8})["success"]


PIECES = st.sampled_from(
    [*'{}[]":,', '"id":1', '"hello":1', '"classify":[', '"classify_shm":{"elements":8}', '"set_threshold":{"id":6,']
    + ["0", "1e999", "null", "true", '"debug"', '"min_score":0.5', "\\ud800", "\x00", "ä"]
)


@given(st.lists(st.one_of(PIECES.map(str.encode), st.binary(max_size=8)), max_size=20))
def test_no_bytes_break_a_session(parts: list[bytes]) -> None:
    talk = Talk(impulse())
    try:
        talk.ask({"id": 1, "hello": 1})
        splitter, bytewise = MessageSplitter(), MessageSplitter()
        data = b"".join(parts)
        whole = splitter.feed(data)
        assert [message for k in range(len(data)) for message in bytewise.feed(data[k : k + 1])] == whole
        for message in whole:
            reply = json.loads(talk.session.handle(message))
            assert isinstance(reply["success"], bool)
            assert reply["success"] or reply["error"]
    finally:
        talk.session.close()
