"""The driver on captures of ST's real firmware: what ST's client understood, it understands as well."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ai_runner.model import Caps, Mode
from ai_runner.profile import TimeSource

PER_LAYER, WITH_DATA = Mode.PER_LAYER, Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
X = np.array([[[[1, 2, 3, 4]]]], np.float32)
Q = np.arange(-6, 6, dtype=np.int8).reshape(1, 2, 2, 3)
SUM_OF_NEGATIVES = [6.0, 8.0, 10.0, 12.0]

INFO = [f"v21_{s}" for s in ("connect_info", "io_only", "multi_model", "per_layer", "per_layer_with_data")] + [
    f"v31-2b_{s}" for s in ("connect_info", "io_only", "io_only_large_126", "multi_model", "memory", "self_test")
]
ALL = [
    *INFO,
    *("v22_per_layer_with_data", "v30-1b_per_layer_with_data", "v31-1b_connect_info", "v31-1b_multi_model"),
    *("v32-2b_connect_info", "v31-1b_io_only"),
]
RUNS = {
    "v21_io_only": Mode.IO_ONLY,
    "v21_per_layer": PER_LAYER,
    "v21_per_layer_with_data": WITH_DATA,
    "v31-2b_io_only": Mode.IO_ONLY,
    "v31-2b_io_only_large_126": Mode.IO_ONLY,
    "v31-2b_per_layer": PER_LAYER,
    "v31-2b_per_layer_with_data": WITH_DATA,
    "v31-2b_debug_logs": PER_LAYER | Mode.DEBUG,
    "v31-2b_const_value": Mode.CONST_VALUE,
    "v31-2b_perf_only": Mode.PERF_ONLY,
}
MINIMAL_RUNS = {
    "v21_debug_logs": PER_LAYER,
    "v22_per_layer_with_data": WITH_DATA,
    "v30-1b_per_layer_with_data": WITH_DATA,
    "v31-1b_io_only": Mode.IO_ONLY,
    "v31-1b_per_layer_with_data": WITH_DATA,
    "v31-1b_debug_logs": PER_LAYER | Mode.DEBUG,
}

Board = Callable[[str], Any]
Open = Callable[..., Any]


def inputs(driver: Any) -> list[Any]:
    given = [X, Q]
    return [x.reshape(1, *tensor.sample_shape) for x, tensor in zip(given, driver.info("tiny").inputs, strict=True)]


def array_of(expected: dict[str, Any]) -> Any:
    return np.array(expected["values"], expected["dtype"]).reshape(expected["shape"])


@pytest.mark.parametrize("name", INFO)
def test_models_are_described_as_by_the_client(name: str, captured_board: Board, driver_on: Open) -> None:
    board = captured_board(name)
    driver = driver_on(board.transport)
    assert list(driver.names()) == board.expected["models"]
    for model, want in board.expected["info"].items():
        found = driver.info(model).to_dict()
        for key in ("name", "compile_datetime", "hash", "n_nodes", "macc", "weights", "activations"):
            assert found[key] == want[key], key
        for key in ("inputs", "outputs"):
            for tensor, expected in zip(found[key], want[key], strict=True):
                assert list(tensor["shape"]) == expected["shape"]
                assert np.dtype(tensor["type"]).name == expected["type"]
                assert (tensor["scale"] or 0.0) == (expected["scale"] or 0.0)
                assert tensor["zero_point"] == expected["zero_point"]
                if name.startswith("v3"):
                    assert tensor["name"] == expected["name"]
                    assert tensor["memory_pool"] in expected["memory_pool"]
        assert list(found["runtime"]["version"]) == want["runtime"]["version"]
        assert list(found["runtime"]["tools_version"]) == want["runtime"]["tools_version"]
        assert found["device"]["sys_clock"] == want["device"]["sys_clock"]
        assert found["device"]["bus_clock"] == want["device"]["bus_clock"]
        if name.startswith("v3"):
            for key in ("name", "rt_lib_desc", "compiler"):
                assert found["runtime"][key] == want["runtime"][key]
            for key in ("dev_type", "desc", "system", "attrs"):
                assert found["device"][key] == want["device"][key]
            assert found["device"]["dev_id"] == f"{want['device']['dev_id']:#05x}"


@pytest.mark.parametrize("name", ALL)
def test_every_dialect_is_described(name: str, captured_board: Board, driver_on: Open) -> None:
    board = captured_board(name)
    info = driver_on(board.transport).info("tiny")
    assert [t.shape for t in info.inputs] == [(1, 1, 1, 4), (1, 2, 2, 3)]
    assert info.runtime.name == "ST.AI (legacy api)"
    dialect = {"v3.0-1b": "v3.0", "v3.2-2b": "v3.2"}.get(board.header["dialect"], board.header["dialect"])
    assert info.runtime.protocol == f"aiValidation {dialect}"
    memory = [Caps.MEMORY_RW] if dialect.startswith("v3") else []
    assert info.runtime.capabilities == (
        *(Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA, Caps.SELF_TEST),
        *memory,
    )
    assert info.runtime.compiler == ("" if dialect == "v2.1" else "GCC")
    machine = "STM32H743/745/747/750/753/755/757" if dialect.startswith("v2") else "STM32N6xx"
    assert info.device.machine == machine


def test_caches_of_an_h7_are_told(captured_board: Board, driver_on: Open) -> None:
    device = driver_on(captured_board("v21_connect_info").transport).info("tiny").device
    assert device.dev_id == "0x450"
    assert device.attrs == ("fpu", "core_icache", "core_dcache", "lat=4")


@pytest.mark.parametrize("name", RUNS)
def test_runs_measure_what_the_client_measured(name: str, captured_board: Board, driver_on: Open) -> None:
    board = captured_board(name)
    driver = driver_on(board.transport)
    result = driver.invoke("tiny", inputs(driver), RUNS[name])
    want = board.expected["profiler"]
    assert result.source is TimeSource.DEVICE
    assert list(result.durations) == want["c_durations"]
    if name.startswith("v31"):
        assert (result.counters_type, [list(c) for c in result.counters]) == ("CPU cycles", want["counters"]["values"])
    assert (result.stack_usage, result.heap_usage) == (None, None)
    if RUNS[name] is Mode.PERF_ONLY:
        assert result.outputs == ()
    else:
        for output, expected in zip(result.outputs, board.expected["outputs"], strict=True):
            np.testing.assert_array_equal(output, array_of(expected).reshape(output.shape), strict=True)
    for node, expected in zip(result.to_dict()["c_nodes"], want.get("c_nodes", []), strict=True):
        check_node(node, expected, RUNS[name] == WITH_DATA)


def check_node(node: dict[str, Any], expected: dict[str, Any], with_data: bool) -> None:
    """v3 lists everything of a tensor, v2 has one tensor a node."""
    listed = isinstance(expected["type"], list)
    for key in ("m_id", "layer_type", "c_durations"):
        assert node[key] == expected[key]
    if listed:
        assert node["name"] == expected["name"]
        assert node["counters"] == expected["counters"]
    data = expected.get("data")
    wanted = {key: expected[key] if listed else [expected[key]] for key in ("shape", "type", "scale", "zero_point")}
    assert [list(shape) for shape in node["shape"]] == wanted["shape"]
    assert [np.dtype(t).name for t in node["type"]] == wanted["type"]
    assert [scale or 0.0 for scale in node["scale"]] == wanted["scale"]
    assert node["zero_point"] == wanted["zero_point"]
    if with_data:
        for array, values in zip(node["data"], data if listed else [data], strict=True):
            np.testing.assert_array_equal(array, array_of(values).reshape(array.shape), strict=True)
    else:
        assert all(array.size == 0 for array in node["data"])


@pytest.mark.parametrize("name", MINIMAL_RUNS)
def test_runs_of_every_dialect(name: str, captured_board: Board, driver_on: Open) -> None:
    driver = driver_on(captured_board(name).transport)
    mode = MINIMAL_RUNS[name]
    result = driver.invoke("tiny", inputs(driver), mode)
    assert result.outputs[0].ravel().tolist() == SUM_OF_NEGATIVES
    assert result.outputs[1].ravel().tolist() == (-Q).ravel().tolist()
    if PER_LAYER not in mode:
        assert list(result.durations) == [1.625]
        return
    assert list(result.durations) == [1.5]
    assert [list(node.durations) for node in result.nodes] == [[0.25], [0.5], [0.75]]
    assert [node.info.m_id for node in result.nodes] == [1, 2, 4]
    if WITH_DATA & mode == WITH_DATA:
        assert result.nodes[0].data[0].ravel().tolist() == [3.0, 5.0, 7.0, 9.0]
        assert [data.ravel().tolist() for data in result.nodes[1].data][1:] == [[129, 128, 127]]


def test_lines_of_the_board_are_logged(
    captured_board: Board, driver_on: Open, caplog: pytest.LogCaptureFixture
) -> None:
    board = captured_board("v31-2b_debug_logs")
    driver = driver_on(board.transport)
    with caplog.at_level(logging.DEBUG, logger="ai_runner"):
        result = driver.invoke("tiny", inputs(driver), PER_LAYER | Mode.DEBUG)
    lines = [record.getMessage() for record in caplog.records if "[TARGET" in record.getMessage()]
    assert lines == [line for line in board.expected["logs"] if "s:config" not in line]
    assert result.nodes[1].extra["mcu_cycles"] == [["11", "200000", "21"]]
    assert [node.clks for node in result.nodes] == [[[10, 100000, 20]], [[11, 200000, 21]], [[12, 300000, 22]]]
    assert result.to_dict()["c_nodes"][0]["clks"] == [[10, 100000, 20]]
    said = {"target version": "1.0", "target dev_id": "0x486", "target mcu_freq": "400000000"}
    assert said.items() <= driver.info("tiny").runtime.attributes.items()


def test_a_batch_is_run_sample_by_sample(captured_board: Board, driver_on: Open) -> None:
    board = captured_board("v31-2b_io_only")
    driver = driver_on(board.transport)
    result = driver.invoke("tiny", [np.concatenate([x] * 3) for x in inputs(driver)])
    assert result.outputs[0].reshape(3, 4).tolist() == [SUM_OF_NEGATIVES] * 3
    assert list(result.durations) == [1.625] * 3
    assert [question[0] for question in board.questions].count(11) == 3


def test_memory_is_written_and_read(captured_board: Board, driver_on: Open) -> None:
    board = captured_board("v31-2b_memory")
    driver = driver_on(board.transport)
    data, address = bytes.fromhex(board.expected["written"]), 0x70100000
    assert driver.extension("tiny", cmd="unit-test", test_id=500)["error"] == 0
    written = driver.extension("tiny", cmd="write-in-memory", target_addr=address, data=data)
    assert written == {"error": 0, "crc": board.expected["bsd_checksum"], "data": b""}
    checked = driver.extension("tiny", cmd="checksum-in-memory", target_addr=address, size=len(data))
    assert checked == {"error": 0, "crc": board.expected["bsd_checksum"], "data": b""}
    read = driver.extension("tiny", cmd="read-in-memory", target_addr=address, size=len(data))
    assert read == {"error": 0, "crc": board.expected["bsd_checksum"], "data": data}


def test_self_tests_answer_as_to_the_client(captured_board: Board, driver_on: Open) -> None:
    board = captured_board("v31-2b_self_test")
    driver = driver_on(board.transport)
    for want in board.expected["self_test"]:
        params: dict[str, Any] = {"opt": want.get("opt", 0)}
        if want["e_test"] == 20:
            params["name"] = "abc"
        elif want["e_test"] == 40:
            params = {"extra": 70, "opt": 9}
        elif want["e_test"] == 30:
            params = {"extra": 50, "data": bytes(range(50))}
        elif want["e_test"] == 100:
            params = {"extra": want["conf"], "opt": 3}
        found = driver.extension(None, cmd="unit-test", test_id=want["e_test"], params=params)
        for key in ("state", "param", "error", "duration", "counter_type"):
            if key in want:
                assert found[key] == want[key], (want, found)
        if "crc32" in want:
            assert found["param"] == want["crc32"]
        if "shape" in want:
            assert list(found["shape"]) == want["shape"]
            assert len(found["data"] or b"") == want["n"] * np.dtype(want["dtype"]).itemsize


def test_large_packets_are_left_on_closing(captured_board: Board, driver_on: Open) -> None:
    board = captured_board("v31-2b_io_only_large_126")
    driver = driver_on(board.transport)
    asked = len(board.questions)
    driver.close()
    assert [question[0] for question in board.questions[asked:]] == [0]
    assert driver_on(board.transport).names() == ("tiny",)
