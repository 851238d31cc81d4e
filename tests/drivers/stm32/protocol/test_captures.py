"""Conversations of ST's real firmware, done again: what is written, and what is understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.drivers.stm32.protocol import (
    Event,
    InputsTaken,
    InputWanted,
    LogMessage,
    MemoryData,
    ModelDescription,
    NodeReport,
    Refused,
    RunReport,
    State,
    SyncReply,
    SystemInfo,
    Tensor,
    TensorDesc,
)
from ai_runner.drivers.stm32.protocol.codes import Capability
from ai_runner.firmware_proto.messages import message_classes
from ai_runner.tensor_format import TensorFormat

NODE_COUNTS = {"dense_0": 1, "neg_1": 2, "add_2": 1}


def input_messages(stream: bytes) -> list[Any]:
    """The messages of a host with 1-byte headers, input tensors parsed and without the address v2.1 does not know."""
    messages: list[Any] = []
    held = b""
    for start in range(0, len(stream), 33):
        held += stream[start + 1 : start + 1 + stream[start]]
        if len(held) == held[0] + 1:
            message: Any = held[1:]
            if len(message) > 24:
                message = message_classes("v2")["aiBufferByteMsg"].FromString(message)
                message.shape.ClearField("addr")
            messages.append(message)
            held = b""
    assert held == b""
    return messages


def test_bytes_written_are_those_of_the_captured_client(capture: Any, replay: Callable[..., Any]) -> None:
    written = bytes(replay(capture).written)
    captured = capture.bytes_of("h2d")
    if capture.header["dialect"] == "v2.1" and capture.is_minimal_client:
        assert input_messages(written) == input_messages(captured)
    else:
        assert written == captured


def test_pieces_in_which_bytes_arrive_make_no_difference(capture: Any, replay: Callable[..., Any]) -> None:
    whole = replay(capture)
    single = replay(capture, lambda data: (data[i : i + 1] for i in range(len(data))))
    assert single.events == whole.events
    assert single.written == whole.written
    assert whole.connection.state is State.READY


@given(data=st.data())
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_random_splits_make_no_difference(capture: Any, replay: Callable[..., Any], data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 70), min_size=1, max_size=12))

    def split(received: bytes) -> Iterator[bytes]:
        start = turn = 0
        while start < len(received):
            yield received[start : start + sizes[turn % len(sizes)]]
            start, turn = start + sizes[turn % len(sizes)], turn + 1

    whole, pieces = replay(capture), replay(capture, split)
    assert pieces.events == whole.events
    assert pieces.written == whole.written


def capability(number: int, family: str) -> Capability:
    """131 of v2 and 137 of v3, as captured."""
    known = {
        ("v2", 131): Capability.OBSERVER | Capability.FIXED_POINT | Capability.SELF_TEST,
        ("v3", 137): Capability.OBSERVER | Capability.READ_WRITE | Capability.SELF_TEST,
    }
    return known[family, number]


def test_device_is_described(capture: Any, replay: Callable[..., Any]) -> None:
    done = replay(capture)
    sync, system = done.all(SyncReply)[0], done.all(SystemInfo)[0]
    assert sync.dialect == done.connection.dialect
    name = capture.header["dialect"]
    # The captures write the header behind every version from 3.0 on.
    assert sync.dialect.name == {"v3.0-1b": "v3.0", "v3.2-2b": "v3.2"}.get(name, name)
    expected = capture.expected
    if "sync" in expected:
        assert list(sync.version) == expected["sync"]["version"]
        assert sync.capabilities == capability(expected["sync"]["capability"], capture.family)
        rtid = expected["sync"]["rtid"]
        assert (sync.runtime is None) == (rtid is None)
        if rtid is not None:
            tool = rtid >> 8 if rtid == 257 else rtid >> 16
            assert (sync.runtime.runtime, sync.runtime.tool) == (1, tool)
    if "sysinfo" in expected:
        want = expected["sysinfo"]
        assert (system.devid, system.sclock, system.hclock) == (want["devid"], want["sclock"], want["hclock"])
        assert (system.cache, list(system.extra)) == (want["cache"], want.get("extra", []))
        assert system.packet_size == (want.get("com_param") or 32)
    large = capture.header["scenario"] == "io_only_large_126"
    assert done.connection.packet_size == (126 if large else 32)


def desc_of(want: dict[str, Any]) -> TensorDesc:
    """An expected tensor of the captures, as this library describes it."""
    if "dims" in want:
        dims = want["dims"]
        shape = (1, 1, 1, *dims) if len(dims) == 1 else tuple(dims)
        if want["shape_fmt"] == 1 and len(dims) == 4:
            shape = (dims[0], dims[3], dims[2], dims[1])
        rest = (want["addr"], want["flags"])
        return TensorDesc(want["name"], want["format"], want["size"], shape, want["scale"], want["zeropoint"], *rest)
    shape = (want["n_batches"], want["height"], want["width"], want["channels"])
    size = int(np.prod(shape))
    return TensorDesc("", want["format"], size, shape, want["scale"], want["zeropoint"], want.get("addr", 0))


def test_models_are_described(capture: Any, replay: Callable[..., Any]) -> None:
    expected = capture.expected
    done = replay(capture)
    models = done.all(ModelDescription)
    if "info" in expected:
        check_models_of_a_client(models, expected["info"])
    for model, want in zip(models, expected["models"], strict=True):
        if isinstance(want, str):
            assert model.name == want
        elif capture.family == "v2":
            check_v2_model(model, want)
        else:
            check_v3_model(model, want)
    # The enumeration ends with the answer to the first index that is none.
    first_past = len(models) + next(i for i, c in enumerate(done.commands) if type(c).__name__ == "GetModel")
    assert done.events[first_past][-1] == Refused(error=4, param=4)


def check_models_of_a_client(models: list[ModelDescription], info: dict[str, Any]) -> None:
    for model, want in zip(models, info.values(), strict=True):
        assert model.name == want["name"]
        assert (model.signature, model.compile_datetime) == (want["hash"], want["compile_datetime"])
        assert (model.n_nodes, model.macc) == (want["n_nodes"], want["macc"])
        for tensors, wanted in ((model.inputs, want["inputs"]), (model.outputs, want["outputs"])):
            for tensor, described in zip(tensors, wanted, strict=True):
                assert tensor.name in (described["name"], "")
                assert list(tensor.shape) == described["shape"]
                assert str(TensorFormat.decode(tensor.format).dtype) == described["type"]
                assert (tensor.scale or None, tensor.zero_point) == (
                    described["scale"] or None,
                    described["zero_point"],
                )
        assert sum(pool.size for pool in model.params) == want["weights"]
        assert sum(pool.size for pool in model.activations) == want["activations"]
        assert list(model.runtime_version) == want["runtime"]["version"]
        assert list(model.tool_version) == want["runtime"]["tools_version"]


def check_v2_model(model: ModelDescription, want: dict[str, Any]) -> None:
    assert (model.name, model.signature) == (want["model_name"], want["model_signature"])
    assert (model.macc, model.n_nodes) == (want["n_macc"], want["n_nodes"])
    for field in ("model_datetime", "compile_datetime", "runtime_revision", "tool_revision"):
        assert getattr(model, field) == want[field]
    for field in ("runtime_version", "tool_version", "tool_api_version", "api_version", "interface_api_version"):
        major, minor, patch = getattr(model, field)
        assert major << 24 | minor << 16 | patch << 8 == want[field]
    assert list(model.inputs) == [desc_of(tensor) for tensor in want["inputs"]]
    assert list(model.outputs) == [desc_of(tensor) for tensor in want["outputs"]]
    assert (model.activations, model.params) == ((desc_of(want["activations"]),), (desc_of(want["weights"]),))


def check_v3_model(model: ModelDescription, want: dict[str, Any]) -> None:
    assert (model.name, model.signature) == (want["name"], want["signature"])
    assert (model.compile_datetime, model.runtime_desc) == (want["compile_datetime"], want["runtime_desc"] or "")
    assert (model.macc, model.n_nodes) == (want["n_macc"], want["n_nodes"])
    assert model.runtime is not None
    assert model.runtime.runtime == want["rtid"] & 0xFF
    assert model.runtime.tool == want["rtid"] >> 16
    for field in ("runtime_version", "tool_version"):
        major, minor, patch = getattr(model, field)
        assert major << 24 | minor << 16 | patch << 8 == want[field]
    for field in ("inputs", "outputs", "activations", "params"):
        assert list(getattr(model, field)) == [desc_of(tensor) for tensor in want[field]]
    assert (model.install_time, model.init_time) == (want.get("n_install_time"), want.get("n_init_time"))


def expected_events(entries: list[dict[str, Any]]) -> list[Event]:
    """The events of one run, from the messages that the captures list."""
    found: list[Event] = []
    node = 0
    taken = 0
    for entry in entries:
        ((kind, want),) = entry.items()
        if kind == "ack" and want["state"] == 4:
            found.append(Refused(want["error"], want["param"]))
        elif kind == "ack":
            found.append(InputsTaken() if want["state"] == 2 else InputWanted(taken, None if taken else want["param"]))
            taken += 1
        elif kind == "op":
            wide = tuple(low | high << 32 for low, high in zip(*[iter(want["counters"])] * 2, strict=True))
            report = (want["duration"], want["counter_type"], wide)
            layer = want["type"] & 0x7FFF
            named = NodeReport(want["name"], layer, want["id"], *report)
            found.append(named if want["type"] >> 24 else RunReport(want["name"], *report))
        elif kind == "tensor":
            no_data = want["desc"]["flags"] & 0x200
            found.append(Tensor(desc_of(want["desc"]), None if no_data else bytes.fromhex(want["data"])))
        elif kind == "report":
            found.append(RunReport("", want["elapsed_ms"], n_nodes=want["n_nodes"]))
        elif kind == "node":
            internal = want["type"] >> 16
            # A second tensor of a v2.2 node is no second node.
            if internal and node != want["id"]:
                node = want["id"]
                found.append(NodeReport("", want["type"] & 0x7FFF, node, want["duration"]))
            if not internal and not any(isinstance(event, RunReport) for event in found):
                found.append(RunReport("", want["duration"]))
            found.append(Tensor(desc_of(want["shape"]), bytes.fromhex(want["data"]) or None))
    return found


def test_run_is_understood(capture_of_run: Any, replay: Callable[..., Any]) -> None:
    expected = capture_of_run.expected
    events = replay(capture_of_run).events
    lists = [expected[key] for key in ("events", "events_after") if key in expected]
    for got, want in zip(events[-len(lists) :], lists, strict=True):
        plain = [event for event in got if not isinstance(event, LogMessage)]
        assert plain == expected_events(want if isinstance(want, list) else [want])


def test_outputs_and_profile_are_understood(capture_of_profile: Any, replay: Callable[..., Any]) -> None:
    expected = capture_of_profile.expected
    done, profile = replay(capture_of_profile), expected["profiler"]
    run = [event for event in done.events[-1] if not isinstance(event, LogMessage)]
    end = next(i for i, event in enumerate(run) if isinstance(event, RunReport))
    for tensor, want in zip(run[end + 1 :], expected["outputs"], strict=True):
        check_tensor(tensor, want)
    report = run[end]
    assert [report.duration] == profile["exec_times"]
    if "counters" in profile:
        assert [list(report.counters)] == profile["counters"]["values"]
    nodes = [event for event in run if isinstance(event, NodeReport)]
    for node, want in zip(nodes, profile["c_nodes"], strict=True):
        assert (node.id, node.layer_type, [node.duration]) == (want["m_id"], want["layer_type"], want["c_durations"])
        assert node.name == want.get("name", "")
        if "counters" in want:
            assert [list(node.counters)] == want["counters"]["values"]
        tensors = run[run.index(node) + 1 :][: NODE_COUNTS[node.name] if node.name else 1]
        wanted = want["data"] if isinstance(want["data"], list) else [want["data"]]
        for tensor, data in zip(tensors, wanted, strict=True):
            check_tensor(tensor, data)


def check_tensor(tensor: Any, want: dict[str, Any]) -> None:
    dtype = np.dtype(want["dtype"])
    assert TensorFormat.decode(tensor.desc.format).dtype == dtype
    if not want["values"]:
        assert tensor.data is None
    else:
        assert list(tensor.desc.shape) == want["shape"]
        np.testing.assert_array_equal(np.frombuffer(tensor.data, dtype), want["values"])


def test_logs_are_understood(capture_of_logs: Any, replay: Callable[..., Any]) -> None:
    logs = replay(capture_of_logs).all(LogMessage)
    wanted = capture_of_logs.expected["logs"]
    if capture_of_logs.is_minimal_client:
        # It listed the lines of the run only.
        assert all(log.text.startswith("s:config:") for log in logs[: -len(wanted)])
        assert [[log.level, log.text] for log in logs[-len(wanted) :]] == wanted
    else:
        assert [f"[TARGET:{log.level}] {log.text}" for log in logs] == wanted


def test_memory_is_written_and_read(named_capture: Callable[[str], Any], replay: Callable[..., Any]) -> None:
    captured = named_capture("v31-2b_memory")
    want = captured.expected
    mode, written, checksum, read = replay(captured).events[-4:]
    assert [event.state.name for event in mode] == ["DONE"]
    assert [event.param for event in written] == [want["bsd_checksum"]]
    assert [event.param for event in checksum] == [want["bsd_checksum"]]
    assert read == [MemoryData(0x70100000, bytes.fromhex(want["read"]))]


def test_self_tests_of_v3_answer(named_capture: Callable[[str], Any], replay: Callable[..., Any]) -> None:
    captured = named_capture("v31-2b_self_test")
    done = replay(captured)
    tests = [(c, e) for c, e in zip(done.commands, done.events, strict=True) if type(c).__name__ == "SelfTest"]
    for (command, events), want in zip(tests, captured.expected["self_test"], strict=True):
        assert command.number == want["e_test"]
        first = next(event for event in events if not isinstance(event, LogMessage))
        if "state" in want:
            given = (4, first.param) if isinstance(first, Refused) else (first.state, first.param)
            assert given == (want["state"], want["param"])
        elif "counters" in want:
            assert (first.duration, first.counter_type) == (want["duration"], want["counter_type"])
            assert first.counters == ((5 | 7 << 32,) if want["counters"] else ())
        elif "crc32" in want:
            assert events[-1].param == want["crc32"]
            assert [event.data for event in events if isinstance(event, MemoryData)] == [bytes([9]) * 70] * (
                want["e_test"] == 40
            )
        else:
            (tensor,) = (event for event in events if isinstance(event, Tensor))
            assert list(tensor.desc.shape) == want["shape"]
            dtype = TensorFormat.decode(tensor.desc.format).dtype
            assert str(dtype) == want["dtype"]
            assert len(tensor.data or b"") == want["n"] * np.dtype(want["dtype"]).itemsize


def test_self_tests_of_v2_answer(named_capture: Callable[[str], Any], replay: Callable[..., Any]) -> None:
    captured = named_capture("v21_self_test")
    for events, want in zip(replay(captured).events[-5:], captured.expected["self_test"], strict=True):
        (event,) = events
        if "log" in want:
            assert event == LogMessage(*want["log"])
        elif want["state"] == 4:
            assert event == Refused(want["error"], want["param"])
        else:
            assert (event.state, event.param) == (want["state"], want["param"])


def test_unknown_command_is_refused_and_forgotten(
    named_capture: Callable[[str], Any], replay: Callable[..., Any]
) -> None:
    for name in ("v21_unknown_cmd", "v31-1b_unknown_cmd", "v31-2b_unknown_cmd"):
        done = replay(named_capture(name))
        assert done.events[-1] == [Refused(error=4, param=4)]
        assert done.connection.state is State.READY


def test_disconnect_is_not_answered(named_capture: Callable[[str], Any], replay: Callable[..., Any]) -> None:
    done = replay(named_capture("v32-2b_disconnect"))
    assert done.events[-2] == []
    assert [event.version for event in done.events[-1]] == [(3, 2)]


def test_a_tensor_of_wrong_size_is_refused_before_it_counts(
    named_capture: Callable[[str], Any], replay: Callable[..., Any]
) -> None:
    done = replay(named_capture("v31-2b_bad_size"))
    assert done.events[-2] == [InputWanted(0, 16), Refused(error=1, param=12)]
    assert done.events[-1][:3] == [InputWanted(0, 16), InputWanted(1, None), InputsTaken()]
