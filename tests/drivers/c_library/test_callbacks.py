"""The user's callback: what it is told, how it stops a run, and that its exceptions are not lost."""

from __future__ import annotations

import signal
import threading
from typing import Any

import numpy as np
import pytest

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.c_library.legacy_nodes import LegacyNodeObserver
from ai_runner.drivers.c_library.stai_nodes import StaiNodeObserver
from ai_runner.model import Mode

APIS = ["legacy", "stai"]
MODES = [Mode.IO_ONLY, Mode.PER_LAYER, Mode.PER_LAYER_WITH_DATA]


def inputs(api: str, batch: int = 3) -> list[Any]:
    image = np.arange(batch * 12, dtype=np.float32).reshape(batch, 3, 2, 2)
    bias = np.arange(batch * 4, dtype=np.int8).reshape(batch, 4)
    return [image, bias.reshape(batch, 1, 1, 4) if api == "legacy" else bias]


class Recorder(AiRunnerCallback):
    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.data: list[list[Any]] = []
        self.logs: list[Any] = []

    def _add(self, what: str, idx: int, data: list[Any], logs: Any) -> None:
        self.calls.append((what, idx))
        self.data.append(data)
        self.logs.append(logs)

    def on_sample_begin(self, idx: int) -> None:
        self._add("sample begin", idx, [], None)

    def on_sample_end(self, idx: int, data: list[Any], logs: Any = None) -> Any:
        self._add("sample end", idx, data, logs)

    def on_node_begin(self, idx: int, data: list[Any], logs: Any = None) -> None:
        self._add("node begin", idx, data, logs)

    def on_node_end(self, idx: int, data: list[Any], logs: Any = None) -> None:
        self._add("node end", idx, data, logs)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_calls(build_twin, open_driver, api: str, mode: Mode) -> None:
    driver, recorder = open_driver(build_twin(api)), Recorder()
    nodes = [(what, node) for node in range(2) for what in ("node begin", "node end")]
    result = driver.invoke("network", inputs(api), mode, recorder)
    assert recorder.calls == [
        call
        for sample in range(3)
        for call in [("sample begin", sample), *(nodes if mode is not Mode.IO_ONLY else []), ("sample end", sample)]
    ]
    assert len(result.durations) == len(result.exec_times) == 3  # None continues
    told = [logs["dur"] for (what, _), logs in zip(recorder.calls, recorder.logs, strict=True) if what == "sample end"]
    assert told == pytest.approx(result.durations)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", MODES[1:])
def test_data_and_logs(build_twin, open_driver, api: str, mode: Mode) -> None:
    driver, recorder = open_driver(build_twin(api)), Recorder()
    image, bias = inputs(api)
    result = driver.invoke("network", [image, bias], mode, recorder)
    driver.close()  # what the callback was given is its own
    seen = dict(zip([("", -1), *recorder.calls[-6:]], [[], *recorder.data[-6:]], strict=True))
    np.testing.assert_array_equal(seen["node begin", 0][0], image[2:])
    np.testing.assert_array_equal(seen["node begin", 0][1], bias[2:])
    np.testing.assert_array_equal(seen["node end", 0][0], image[2:] * 2)
    np.testing.assert_array_equal(seen["node begin", 1][1], -bias[2:])
    np.testing.assert_array_equal(seen["node end", 1][0], image[2:] * 2 + 1)
    np.testing.assert_array_equal(seen["sample end", 2][0], result.outputs[0][2:])
    logs = recorder.logs[-2]
    assert (logs["m_id"], logs["layer_type"]) == (7, 0x101)
    assert logs["shape"] == [t.shape for t in result.nodes[1].info.outputs]
    assert logs["dur"] == pytest.approx(result.nodes[1].durations[2])
    assert "dur" not in recorder.logs[-3]
    assert bool(result.nodes[0].data) == (mode is Mode.PER_LAYER_WITH_DATA)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", MODES)
def test_false_stops_and_returns_what_is_done(build_twin, open_driver, api: str, mode: Mode) -> None:
    class Stopper(AiRunnerCallback):
        def on_sample_end(self, idx: int, data: list[Any], logs: Any = None) -> bool:
            return idx < 1

    driver = open_driver(build_twin(api))
    image, bias = inputs(api, 5)
    result = driver.invoke("network", [image, bias], mode, Stopper())
    assert [len(output) for output in result.outputs] == [2, 2]
    assert len(result.durations) == len(result.exec_times) == 2
    np.testing.assert_array_equal(result.outputs[0], image[:2] * 2 + 1)
    for output in result.outputs:
        assert output.flags.owndata
    for node in result.nodes:
        assert len(node.durations) == 2
        assert all(len(array) == 2 and array.flags.owndata for array in node.data)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("method", ["on_sample_begin", "on_sample_end", "on_node_begin", "on_node_end"])
@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
def test_an_exception_comes_out_of_invoke(
    build_twin, open_driver, api: str, method: str, kind: type[BaseException]
) -> None:
    calls = []

    def fail(self: AiRunnerCallback, idx: int, *arguments: Any) -> None:
        calls.append(idx)
        raise kind("of the callback")

    failing = type("Failing", (AiRunnerCallback,), {method: fail})()
    driver = open_driver(build_twin(api))
    image, bias = inputs(api)
    with pytest.raises(kind, match="of the callback"):
        driver.invoke("network", [image, bias], Mode.PER_LAYER, failing)
    assert calls == [0]  # nothing is called after it
    for mode in MODES:
        result = driver.invoke("network", [image, bias], mode)
        np.testing.assert_array_equal(result.outputs[0], image * 2 + 1)


@pytest.mark.parametrize("api", APIS)
def test_any_object_with_the_methods_will_do(build_twin, open_driver, api: str) -> None:
    class Duck:
        seen = 0

        def on_sample_begin(self, idx: int) -> None: ...

        def on_sample_end(self, idx: int, data: list[Any], logs: Any = None) -> None: ...

        def on_node_begin(self, idx: int, data: list[Any], logs: Any = None) -> None: ...

        def on_node_end(self, idx: int, data: list[Any], logs: Any = None) -> None:
            self.seen += 1

    duck = Duck()
    open_driver(build_twin(api)).invoke("network", inputs(api), Mode.PER_LAYER, duck)
    assert duck.seen == 6


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals arrive in another thread"
)
@pytest.mark.parametrize(("api", "observer"), [("legacy", LegacyNodeObserver), ("stai", StaiNodeObserver)])
def test_ctrl_c_at_the_beginning_of_an_event_ends_the_run(
    build_twin, open_driver, monkeypatch: pytest.MonkeyPatch, api: str, observer: type
) -> None:
    """Where Python looks for signals first; an exception there is lost in the library's frames."""
    driver = open_driver(build_twin(api))
    before = driver.invoke("network", inputs(api), Mode.PER_LAYER)
    original = observer._on_time

    def pressed(self: Any, *event: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return original(self, *event)

    monkeypatch.setattr(observer, "_on_time", pressed)
    with pytest.raises(KeyboardInterrupt):
        driver.invoke("network", inputs(api), Mode.PER_LAYER)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    after = driver.invoke("network", inputs(api), Mode.PER_LAYER)
    np.testing.assert_array_equal(after.outputs[0], before.outputs[0])
