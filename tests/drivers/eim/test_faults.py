"""Engines that die, hang or talk nonsense: a typed error within the deadline, which says what was printed last."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import Driver
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidModelError,
    InvalidMsgError,
    LinkTimeoutError,
    TargetCrashError,
)
from ai_runner.registry import create_driver

FEATURES = np.arange(8, dtype=np.float32)
LAST = {"stdout": "last words\n"}
# A deadline that passes without anything to be waited for is the one under test; the others never do.
SHORT = "timeout=0.3"
LONG = "timeout=60"
MODES = ["", "&shm=never", "&mode=stdin"]

# fault of the first classification -> options, error, words of its message
FAULTS: dict[str, tuple[dict[str, Any], str, type[AiRunnerError], str]] = {
    "exits": ({**LAST, "exit": 3}, LONG, TargetCrashError, "exit code 3"),
    "exits well": ({**LAST, "exit": 0}, LONG, TargetCrashError, "exit code 0"),
    "killed": ({**LAST, "kill": signal.SIGKILL.value}, LONG, TargetCrashError, "SIGKILL"),
    "crashes": ({**LAST, "kill": signal.SIGSEGV.value}, LONG, TargetCrashError, "SIGSEGV"),
    "stopped": ({**LAST, "stop": True}, SHORT, LinkTimeoutError, "is stopped"),
    "silent": ({**LAST, "silent": True}, SHORT, LinkTimeoutError, "is running"),
    "hangs": ({**LAST, "hang": True}, SHORT, LinkTimeoutError, "is running"),
    "closes mid-reply": ({**LAST, "cut": 20}, LONG, TargetCrashError, "exit code 0"),
    "sends 33 MiB": ({**LAST, "pad": 33 << 20}, LONG, InvalidMsgError, "more than 33554434 bytes"),
}


def classify(driver: Driver) -> Any:
    return driver.extension(None, cmd="classify", features=FEATURES)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", FAULTS)
def test_during_a_classification(open_engine: Callable[..., Driver], fault: str, mode: str) -> None:
    does, options, error, words = FAULTS[fault]
    driver = open_engine({"faults": {"classify": does}}, options + mode)
    hello = driver.extension(None, cmd="hello")
    began = time.monotonic()
    with pytest.raises(error, match=words) as caught:
        driver.invoke(driver.names()[0], [FEATURES[np.newaxis]])
    assert time.monotonic() - began < 20
    assert "last words" in caught.value.message
    assert "last words" in caught.value.evidence["output"]
    assert "\n" not in caught.value.message
    assert caught.value.EXIT_CODE == 3
    driver.close()
    assert not Path("/dev/shm", hello["features_shm"]["name"][1:]).exists()


@pytest.mark.parametrize("mode", ["", "&shm=never"])
def test_killed_from_outside(open_engine: Callable[..., Driver], mode: str) -> None:
    driver = open_engine({}, LONG + mode)
    classify(driver)
    pid = int(driver.describe().split("process ")[1].split(")")[0])
    name = driver.extension(None, cmd="hello")["features_shm"]["name"][1:]
    os.kill(pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(TargetCrashError, match=r"SIGKILL.*Connected"):
            classify(driver)
    assert Path("/dev/shm", name).exists()
    driver.close()
    assert not Path("/dev/shm", name).exists()


@pytest.mark.parametrize(
    ("scenario", "error", "words"),
    [
        ({"faults": {"start": {"stderr": "no licence\n", "exit": 7}}}, TargetCrashError, "exit code 7.*no licence"),
        ({"faults": {"start": {"stdout": "hm\n", "kill": signal.SIGABRT.value}}}, TargetCrashError, "SIGABRT.*'hm'"),
        ({"faults": {"start": {"stdout": "wait\n", "hang": True}}}, LinkTimeoutError, "does not listen.*'wait'"),
        ({"faults": {"start": {"stdout": "wait\n", "stop": True}}}, LinkTimeoutError, "is stopped.*'wait'"),
        ({"shm": False, "faults": {"hello": {"stdout": "hm\n", "exit": 1}}}, TargetCrashError, "exit code 1.*'hm'"),
        ({"faults": {"hello": {"stdout": "hm\n", "hang": True}}}, LinkTimeoutError, "did not answer hello.*'hm'"),
        ({"faults": {"hello": {"cut": 9}}}, TargetCrashError, "exit code 0.*Connected"),
        ({"replies": {"hello": {"raw": "nonsense\n\0"}}}, InvalidMsgError, "not JSON.*Connected"),
        ({"replies": {"hello": {"id": 5}}}, InvalidMsgError, "id '5', and 1 was asked"),
        ({"replies": {"hello": {"success": False, "error": "not today"}}}, HwIOError, "not today"),
        ({"hello": {"model_parameters": {"input_features_count": None}}}, InvalidMsgError, "input_features_count=0"),
        ({"hello": {"model_parameters": {"labels": []}}}, InvalidMsgError, "no output"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_at_the_start(open_engine: Callable[..., Driver], scenario: Any, error: Any, words: str) -> None:
    limit = "start_timeout=0.5" if "hang" in str(scenario) or "stop" in str(scenario) else "start_timeout=60"
    with pytest.raises(error, match=words) as caught:
        open_engine(scenario, limit)
    assert caught.value.EXIT_CODE == 3


def test_in_stdin_mode_at_the_start(open_engine: Callable[..., Driver]) -> None:
    with pytest.raises(TargetCrashError, match=r"exit code 7.*no licence"):
        open_engine({"faults": {"start": {"stderr": "no licence\n", "exit": 7}}}, "mode=stdin")
    with pytest.raises(LinkTimeoutError, match=r"hello.*nothing yet"):
        open_engine({"faults": {"start": {"stdout": "nothing yet\n", "hang": True}}}, "mode=stdin&start_timeout=0.3")


@pytest.mark.parametrize("mode", ["", "mode=stdin"])
@pytest.mark.parametrize("where", ["stdout", "stderr"])
def test_an_engine_that_prints_without_end_is_read_along(
    open_engine: Callable[..., Driver], mode: str, where: str
) -> None:
    flood = {"flood": 3 << 20, "flood_to": where}
    scenario = {"faults": {"start": flood, "hello": flood, "classify": flood, "end": {**flood, "stdout": "bye\n"}}}
    driver = open_engine(scenario, mode)
    for _ in range(2):
        assert classify(driver)["result"]["classification"]["a lot"] == 2
    output = driver.extension(None, cmd="output")
    assert output[-1] == "." * 63
    assert len(output) <= 40


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", ["stdout", "stderr"])
def test_an_engine_that_prints_for_ever(open_engine: Callable[..., Driver], where: str, mode: str) -> None:
    driver = open_engine({"faults": {"classify": {"flood": 1 << 50, "flood_to": where}}}, SHORT + mode)
    with pytest.raises(LinkTimeoutError, match=r"it said last: '\.\.\."):
        classify(driver)


class TestTimeOuts:
    @pytest.mark.parametrize("mode", MODES)
    def test_the_late_reply_is_dropped(self, open_engine: Callable[..., Driver], mode: str) -> None:
        # The second request is long enough to wait for the first reply as well.
        driver = open_engine({"faults": {"classify": [{"wait": 0.6}, {}]}}, f"timeout=30&first_timeout=0.2{mode}")
        with pytest.raises(LinkTimeoutError) as caught:
            classify(driver)
        assert caught.value.retryable
        driver.extension(None, cmd="request", request={"x": 1})
        reply = driver.extension(None, cmd="classify", features=FEATURES + 10)
        assert reply["result"]["classification"] == {"low": 10, "high": 11, "a lot": 12}

    def test_the_first_classification_has_its_own(self, open_engine: Callable[..., Driver]) -> None:
        driver = open_engine({"faults": {"classify": [{"wait": 0.5}, {"hang": True}]}}, "timeout=0.2&first_timeout=60")
        classify(driver)
        with pytest.raises(LinkTimeoutError, match=r"within 0\.2 s"):
            classify(driver)

    @pytest.mark.parametrize("word", ["gpu_delegates", "qnn_delegates"])
    def test_which_is_long_for_engines_that_say_they_start_slowly(
        self, open_engine: Callable[..., Driver], word: str
    ) -> None:
        slow = {"inferencing_engine": {"engine_type": 4, "properties": [word]}}
        driver = open_engine({"hello": slow, "faults": {"classify": [{"wait": 0.5}, {}]}}, "timeout=0.2")
        classify(driver)

    def test_a_request_that_went_out_in_part_is_the_last(self, open_engine: Callable[..., Driver]) -> None:
        parameters = {"input_features_count": 100_000}
        scenario = {"hello": {"model_parameters": parameters}, "faults": {"set_threshold": {"stop": True}}}
        driver = open_engine(scenario, "shm=never&timeout=0.3")
        with pytest.raises(LinkTimeoutError, match="did not answer set_threshold"):
            driver.extension(None, cmd="set_threshold", threshold={"id": 1})
        pid = int(driver.describe().split("process ")[1].split(")")[0])
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(AiRunnerError):  # stops again while it prepares the reply that is still owed
            driver.extension(None, cmd="set_threshold", threshold={"id": 1})


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"id": 77}, InvalidMsgError),
        ({"id": None}, InvalidMsgError),
        ({"raw": "[]\n\0"}, InvalidMsgError),
        ({"result": {"classification": {"low": 1}}}, InvalidMsgError),
        ({"result": {"bounding_boxes": []}}, InvalidMsgError),
        ({"result": []}, InvalidMsgError),
        ({"raw": '{"id":2,"success":true}\n\0'}, InvalidMsgError),
        ({"success": False, "error": "Classifying failed, error code was -5"}, InvalidModelError),
    ],
    ids=str,
)
def test_replies_that_are_none(open_engine: Callable[..., Driver], reply: dict[str, Any], error: Any) -> None:
    driver = open_engine({"replies": {"classify": reply}})
    with pytest.raises(error, match=r"scripted\.eim \(process") as caught:
        driver.invoke(driver.names()[0], [FEATURES[np.newaxis]])
    assert any("Connected" in line for line in caught.value.evidence["output"])


def test_what_is_refused_leaves_the_engine_usable(open_engine: Callable[..., Driver]) -> None:
    refusal = {"success": False, "error": "Classifying failed, error code was -5"}
    driver = open_engine({"replies": {"classify": [refusal, {}]}})
    with pytest.raises(InvalidModelError, match="error code was -5"):
        classify(driver)
    assert classify(driver)["result"]


def test_null_is_not_a_number(open_engine: Callable[..., Driver]) -> None:
    driver = open_engine(
        {"replies": {"classify": {"result": {"classification": {"low": None, "high": 1, "a lot": 2}}}}}
    )
    (output,) = driver.invoke(driver.names()[0], [FEATURES[np.newaxis]]).outputs
    np.testing.assert_array_equal(output, np.array([[np.nan, 1, 2]], np.float32))


@pytest.mark.parametrize("step", [1, 7])
def test_replies_in_pieces(open_engine: Callable[..., Driver], step: int) -> None:
    driver = open_engine({"faults": {"classify": {"split": step}}}, LONG)
    assert classify(driver)["result"]["classification"]["high"] == 1


def test_braces_in_labels_and_names(open_engine: Callable[..., Driver]) -> None:
    labels = ["a}b", "{", 'quo"te']
    hello = {"model_parameters": {"labels": labels}, "project": {"name": "}{"}}
    driver = open_engine({"hello": hello})
    assert driver.info(driver.names()[0]).outputs[0].labels == tuple(labels)
    (output,) = driver.invoke(driver.names()[0], [FEATURES[np.newaxis]]).outputs
    np.testing.assert_array_equal(output, [[0, 1, 2]])


@pytest.mark.parametrize("does", [{"ignore": ["SIGINT"]}, {"outlive": True}, {"ignore": ["SIGINT"], "outlive": True}])
def test_an_engine_that_does_not_want_to_end_is_ended(open_engine: Callable[..., Driver], does: dict[str, Any]) -> None:
    driver = open_engine(does)
    classify(driver)
    pid = int(driver.describe().split("process ")[1].split(")")[0])
    name = driver.extension(None, cmd="hello")["features_shm"]["name"][1:]
    driver.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not Path("/dev/shm", name).exists()


@pytest.mark.parametrize("fault", [{"hang": True}, {"stop": True}, {"silent": True}])
def test_shared_memory_of_an_engine_that_hangs_in_its_hello_is_removed(
    open_engine: Callable[..., Driver], fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "ai_runner"), pytest.raises(LinkTimeoutError, match="did not answer hello"):
        open_engine({"faults": {"hello": fault}, "keep_shm": True}, "start_timeout=2")
    (name,) = re.findall(r"removed shared memory (/shm-\S+),", caplog.text)
    assert not Path("/dev/shm", name[1:]).exists()


def test_an_interrupt_leaves_the_connection_usable(open_engine: Callable[..., Driver]) -> None:
    driver = open_engine({"faults": {"classify": [{"wait": 0.5}, {}]}})

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            classify(driver)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert driver.extension(None, cmd="classify", features=FEATURES + 1)["result"]["classification"]["low"] == 1


def test_an_engine_that_is_gone_at_close(scripted_engine: Callable[..., Path]) -> None:
    driver = create_driver(parse_descriptor(f"eim:{scripted_engine({})}"))
    driver.open(Deadline(20))
    pid = int(driver.describe().split("process ")[1].split(")")[0])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # somebody else has reaped it
    driver.close()
    driver.close()
