"""A driver in a child process: the same contract, typed errors for every way to die, nothing left behind."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array, Driver
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidModelError,
    InvalidMsgError,
    InvalidParamError,
    LinkTimeoutError,
    MissingRuntimeError,
    NotConnectedError,
    TargetCrashError,
)
from ai_runner.isolation import IsolatedDriver
from ai_runner.isolation.blocks import new_block
from ai_runner.model import Mode
from ai_runner.profile import TimeSource

Make = Callable[..., IsolatedDriver]
X = np.arange(12, dtype=np.int16).reshape(4, 3)
SHARED_MEMORY = Path("/dev/shm")


def child_pid(driver: Driver) -> int:
    return int(driver.info("unruly").runtime.attributes["pid"])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(autouse=True)
def no_block_is_left() -> Iterator[None]:
    """Blocks that other test processes make meanwhile carry other names."""
    made: list[str] = []
    from multiprocessing import shared_memory

    original = shared_memory.SharedMemory.__init__

    def watched(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        made.append(self.name.lstrip("/"))

    shared_memory.SharedMemory.__init__ = watched  # type: ignore[method-assign]
    yield
    shared_memory.SharedMemory.__init__ = original  # type: ignore[method-assign]
    if SHARED_MEMORY.is_dir():
        assert [name for name in made if (SHARED_MEMORY / name).exists()] == []


def test_it_runs_in_another_process_and_ends_with_close(unruly: Make) -> None:
    driver = unruly()
    pid = child_pid(driver)
    assert pid != os.getpid()
    result = driver.invoke("unruly", [X], Mode.PER_LAYER)
    np.testing.assert_array_equal(result.outputs[0], X * 2, strict=True)
    np.testing.assert_array_equal(result.outputs[1], -X, strict=True)
    assert result.info is driver.info("unruly")
    assert (result.durations, result.source, result.warnings) == ([0.5] * 4, TimeSource.HOST, ("beware",))
    assert result.nodes[0].source is TimeSource.ISOLATED
    np.testing.assert_array_equal(result.nodes[0].data[0], X * 2, strict=True)
    assert result.host_duration > 0
    assert "child process" in driver.describe()
    driver.close()
    assert not is_running(pid)
    driver.close()
    for use in (driver.names, lambda: driver.info("unruly"), lambda: driver.invoke("unruly", [X])):
        with pytest.raises(NotConnectedError):
            use()


@pytest.mark.parametrize("batch", [0, 1, 5000])
def test_batches_of_any_size(unruly: Make, batch: int) -> None:
    x = np.arange(batch * 3, dtype=np.int16).reshape(batch, 3)
    result = unruly().invoke("unruly", [x])
    np.testing.assert_array_equal(result.outputs[1], -x, strict=True)
    assert all(out.flags.writeable for out in result.outputs)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("how", "signal_name", "words"), [("segv", "SIGSEGV", "Fatal"), ("abort", "SIGABRT", "about to abort")]
)
def test_a_crash_while_running_names_the_signal(unruly: Make, how: str, signal_name: str, words: str) -> None:
    driver = unruly(options={"invoke": how})
    with pytest.raises(TargetCrashError, match=signal_name) as caught:
        driver.invoke("unruly", [X])
    assert caught.value.code() == 801
    assert caught.value.evidence["signal"] == signal_name
    assert any(words in line for line in caught.value.evidence["stderr"])
    with pytest.raises(NotConnectedError):
        driver.invoke("unruly", [X])
    driver.open(Deadline(60))
    assert driver.names() == ("unruly",)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_crash_while_opening(unruly: Make) -> None:
    driver = unruly(opened=False, options={"open": "segv"})
    for _ in range(2):
        with pytest.raises(TargetCrashError, match="SIGSEGV"):
            driver.open(Deadline(60))
    driver.close()
    unruly().invoke("unruly", [X])


def test_an_exit_has_its_code(unruly: Make) -> None:
    with pytest.raises(TargetCrashError, match="exit code 7") as caught:
        unruly(options={"invoke": "exit"}).invoke("unruly", [X])
    assert caught.value.evidence["returncode"] == 7


def test_a_crash_while_closing_is_nobodys_business(unruly: Make) -> None:
    driver = unruly(options={"close": "exit"})
    pid = child_pid(driver)
    driver.close()
    assert not is_running(pid)


def test_errors_of_the_driver_keep_class_and_parts(unruly: Make) -> None:
    driver = unruly(options={"invoke": "typed"})
    with pytest.raises(InvalidModelError, match="no good") as caught:
        driver.invoke("unruly", [X])
    assert type(caught.value) is InvalidModelError
    assert (caught.value.hint, caught.value.evidence["port"], caught.value.retryable) == ("try another", "COM1", True)
    assert "object" in caught.value.evidence["odd"]
    assert driver.names() == ("unruly",)


def test_an_error_while_opening_ends_the_child(unruly: Make) -> None:
    driver = unruly(opened=False, options={"open": "typed"})
    with pytest.raises(InvalidModelError, match="no good"):
        driver.open(Deadline(60))
    with pytest.raises(NotConnectedError):
        driver.names()


def test_a_bug_of_the_driver_is_told_as_one(unruly: Make) -> None:
    driver = unruly(options={"invoke": "bug"})
    with pytest.raises(AiRunnerError, match="ZeroDivisionError: one by nothing") as caught:
        driver.invoke("unruly", [X])
    assert any("in invoke" in line for line in caught.value.evidence["traceback"])
    assert driver.names() == ("unruly",)


def test_what_the_library_prints_does_not_disturb(unruly: Make, capfd: pytest.CaptureFixture[str]) -> None:
    driver = unruly(options={"invoke": "print"})
    np.testing.assert_array_equal(driver.invoke("unruly", [X]).outputs[0], X * 2)
    assert capfd.readouterr().out == ""


def test_what_the_driver_logs_is_logged_here(unruly: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        unruly(options={"invoke": "print"}).invoke("unruly", [X])
    assert ("ai_runner.unruly", logging.WARNING, "careful") in caplog.record_tuples


def test_garbage_on_the_channel_is_a_typed_error(unruly: Make) -> None:
    driver = unruly(options={"invoke": "garbage"})
    pid = child_pid(driver)
    with pytest.raises(InvalidMsgError):
        driver.invoke("unruly", [X])
    assert not is_running(pid)


def test_opening_has_a_deadline(unruly: Make) -> None:
    driver = unruly(opened=False, options={"open": "hang"})
    with pytest.raises(LinkTimeoutError, match="not ready"):
        driver.open(Deadline(0.0))
    with pytest.raises(NotConnectedError):
        driver.names()


def test_keywords_cross_as_bytes_and_arrays(unruly: Make) -> None:
    blob, array = bytes(range(256)) * 5000, np.eye(3, dtype=np.float32)
    driver = unruly(weights=[blob, bytearray(b"ab"), memoryview(b"cd"), array, Path("w.bin"), {"network": [blob]}])
    command, keywords = driver.extension("unruly", echo=array, n=(1, 2))
    np.testing.assert_array_equal(command["echo"], array)
    assert command["n"] == (1, 2)
    weights = keywords["weights"]
    assert weights[:3] == [blob, b"ab", b"cd"]
    np.testing.assert_array_equal(weights[3], array)
    assert weights[4:] == [Path("w.bin"), {"network": [blob]}]
    assert driver.extension("unruly") is False


def test_what_cannot_cross_is_refused_before_anything_starts(unruly: Make) -> None:
    with pytest.raises(InvalidParamError, match="cannot cross"):
        unruly(opened=False, weights=object())
    with pytest.raises(InvalidParamError, match="cannot cross"):
        unruly().extension("unruly", what=object())


def test_options_are_checked_by_the_real_class(unruly: Make) -> None:
    with pytest.raises(InvalidParamError, match="unknown option"):
        unruly(opened=False, options={"colour": "red"})
    with pytest.raises(InvalidParamError, match="unknown argument"):
        unruly(opened=False, colour="red")


def test_a_class_that_cannot_be_imported_is_refused(unruly: Make) -> None:
    base = type(unruly(opened=False)).__mro__[0]

    class Local(Driver):
        open = names = info = invoke = close = base.close  # type: ignore[assignment]

    with pytest.raises(InvalidParamError, match="cannot be imported"):
        IsolatedDriver(Local, Descriptor("local"))


def test_a_module_that_the_child_does_not_find(unruly: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = unruly(opened=False)
    monkeypatch.setattr(sys, "path", sys.path[1:])
    with pytest.raises(MissingRuntimeError, match="cannot import unruly_driver:Unruly"):
        driver.open(Deadline(60))


class Recorder(AiRunnerCallback):
    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def on_sample_begin(self, idx: int) -> None:
        self.events.append(("begin", idx))

    def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> bool | None:
        self.events.append(("end", idx, [d.tolist() for d in data], logs))
        return None

    def on_node_begin(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        self.events.append(("node begin", idx, data[0].tolist(), logs))

    def on_node_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        self.events.append(("node end", idx, data[0].tolist(), logs))


def test_events_cross_in_order_and_none_goes_on(unruly: Make) -> None:
    recorder = Recorder()
    unruly().invoke("unruly", [X[:2]], Mode.PER_LAYER, recorder)
    assert recorder.events[:4] == [
        ("begin", 0),
        ("node begin", 0, [0, 1, 2], None),
        ("node end", 0, [0, 2, 4], {"shape": [3], "dur": 0.25}),
        ("end", 0, [[0, 2, 4], [0, -1, -2]], {"dur": 0.5}),
    ]
    assert len(recorder.events) == 8


def test_false_stops_the_run(unruly: Make) -> None:
    class Stop(AiRunnerCallback):
        def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> bool:
            return idx < 1

    result = unruly().invoke("unruly", [X], Mode.IO_ONLY, Stop())
    np.testing.assert_array_equal(result.outputs[0], X[:2] * 2)


@pytest.mark.parametrize("event", ["on_sample_begin", "on_node_begin", "on_node_end", "on_sample_end"])
def test_what_a_callback_raises_arrives_and_the_driver_lives_on(unruly: Make, event: str) -> None:
    class Raise(AiRunnerCallback):
        pass

    def fail(*_: Any) -> None:
        raise OSError("of the user")

    callback = Raise()
    setattr(callback, event, fail)
    driver = unruly()
    with pytest.raises(OSError, match="of the user") as caught:
        driver.invoke("unruly", [X], Mode.PER_LAYER, callback)
    assert not isinstance(caught.value, HwIOError)
    np.testing.assert_array_equal(driver.invoke("unruly", [X]).outputs[0], X * 2)


def test_an_interrupt_leaves_no_child(unruly: Make) -> None:
    class Interrupt(AiRunnerCallback):
        def on_sample_begin(self, idx: int) -> None:
            raise KeyboardInterrupt

    driver = unruly()
    pid = child_pid(driver)
    with pytest.raises(KeyboardInterrupt):
        driver.invoke("unruly", [X], Mode.IO_ONLY, Interrupt())
    assert not is_running(pid)
    with pytest.raises(NotConnectedError):
        driver.names()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_in_the_middle_of_a_run_leaves_no_child(unruly: Make) -> None:
    driver = unruly(options={"invoke": "interrupt"})
    pid = child_pid(driver)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            driver.invoke("unruly", [X])
    finally:
        signal.signal(signal.SIGINT, previous)
    assert not is_running(pid)


def test_a_forgotten_driver_takes_its_child_along(unruly_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(unruly_folder))
    import unruly_driver

    driver = IsolatedDriver(unruly_driver.Unruly, Descriptor("unruly"))
    driver.open(Deadline(60))
    pid = child_pid(driver)
    del driver
    gc.collect()
    assert not is_running(pid)


PARENT = """
import os, sys
from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback
from ai_runner.isolation import IsolatedDriver
import numpy as np
import unruly_driver
options = {"invoke": "hang"} if sys.argv[1] == "busy" else {}
driver = IsolatedDriver(unruly_driver.Unruly, Descriptor("unruly", "", options), note=sys.argv[2])
driver.open(Deadline(60))
print(driver.info("unruly").runtime.attributes["pid"], flush=True)
if sys.argv[1] == "busy":
    import threading
    threading.Timer(0.2, os._exit, [0]).start()
    driver.invoke("unruly", [np.zeros((1, 3), np.int16)])
if sys.argv[1] == "gone":
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["idle", "gone", "busy"])
def test_no_child_outlives_its_parent(unruly_folder: Path, tmp_path: Path, how: str) -> None:
    note = tmp_path / "note"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(unruly_folder), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", PARENT, how, str(note)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert has_ended(int(done.stdout))
    if how == "gone":
        assert note.read_text() == "closed"


def has_ended(pid: int) -> bool:
    """Waits for an orphan to end, of which nobody tells this process; one that nobody has reaped counts as ended."""
    limit = Deadline(20.0)
    while is_running(pid) and not limit.expired:
        try:
            state = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if state.rpartition(")")[2].split()[0] == "Z":
            return True
    return not is_running(pid)


def test_a_full_shared_memory_is_a_typed_error(unruly: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "posix_fallocate") or not SHARED_MEMORY.is_dir():
        pytest.skip("no POSIX shared memory in a file system")
    driver = unruly()

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(HwIOError, match="no shared memory of"), new_block(100):
        pass
    with pytest.raises(HwIOError, match="No space left"):
        driver.invoke("unruly", [X])
    calls = iter([None])

    def full_for_the_result(*_: int) -> None:
        if next(calls, full) is full:
            full()

    monkeypatch.setattr(os, "posix_fallocate", full_for_the_result)
    with pytest.raises(HwIOError, match="No space left"):
        driver.invoke("unruly", [X])
    monkeypatch.undo()
    np.testing.assert_array_equal(driver.invoke("unruly", [X]).outputs[0], X * 2)


def test_no_tracker_complains(unruly_folder: Path, tmp_path: Path) -> None:
    code = PARENT + "\nfor n in (1, 100):\n    driver.invoke('unruly', [np.zeros((n, 3), np.int16)])\ndriver.close()\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(unruly_folder), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "plain", str(tmp_path / "note")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "note").read_text() == "closed"
