"""A run: inputs, nodes, outputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.drivers.stm32.protocol import (
    NEED_DATA,
    ChecksumMemory,
    Command,
    Disconnect,
    GetModel,
    InputsTaken,
    NodeReport,
    ProtocolError,
    ReadMemory,
    Refused,
    Run,
    RunReport,
    SendTensor,
    State,
    Tensor,
    TensorDesc,
    WriteMemory,
)
from ai_runner.drivers.stm32.protocol.codes import ErrorCode, TensorFlag
from ai_runner.drivers.stm32.protocol.packets import varint
from ai_runner.errors import InvalidParamError

INPUT = TensorDesc("", 0x01821040, 4, (1, 1, 1, 4), 0.0, 0)
FLOATS = bytes(range(16))
DESC = {"name": b"t", "format": 0x821040, "size": 1, "n_dims": 1 << 24 | 1, "dims": [1], "scale": 0.0, "zeropoint": 0}


@pytest.mark.parametrize(
    ("run", "param", "opt"),
    [
        (Run("m"), 1, 0),
        (Run("m", per_layer=True, first_sample=True), 3, 1),
        (Run("m", with_data=True), 7, 0),
        (Run("m", perf_only=True, const_value=True), 0x209, 0),
        (Run("m", debug=True, direct_write=True, direct_read=True), 0xD01, 0),
        (Run("m", options=5, first_sample=True), 1, 0x501),
    ],
)
def test_run_of_v3_is_or_ed_together(v3_device: Any, run: Run, param: int, opt: int) -> None:
    written = v3_device.connection().send(run)[v3_device.dialect.header_bytes :]
    request = v3_device.classes["reqMsg"].FromString(written[1 : 1 + written[0]])
    assert (request.cmd, request.param, request.opt, request.name) == (11, param, opt, b"m")


@pytest.mark.parametrize(
    ("run", "param"), [(Run("m"), 0), (Run("m", with_data=True), 1), (Run("m", per_layer=True), 2)]
)
def test_run_of_v2_is_one_of_three(v2_device: Any, run: Run, param: int) -> None:
    written = v2_device.connection().send(run)[1:]
    assert v2_device.classes["reqMsg"].FromString(written[1 : 1 + written[0]]).param == param


@pytest.mark.parametrize(
    "command",
    [
        *(ReadMemory(0, 4), WriteMemory(0, b"a"), ChecksumMemory(0, 4), Disconnect()),
        *(Run("m", const_value=True), Run("m", perf_only=True), Run("m", debug=True), Run("m", options=1)),
        *(Run("m", direct_write=True), Run("m", direct_read=True)),
    ],
)
def test_what_v2_cannot_do_is_refused_before_a_byte_is_sent(v2_device: Any, command: Command) -> None:
    connection = v2_device.connection()
    with pytest.raises(InvalidParamError, match=r"protocol v2\.\d"):
        connection.send(command)
    assert connection.state is State.READY


@given(size=st.integers(0, 3000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_long_inputs_go_packet_by_packet(v3_device: Any, size: int) -> None:
    connection = v3_device.connection()
    connection.send(Run("m"))
    connection.receive_data(v3_device.ack(2, 1, size))
    connection.next_event()
    data = bytes(i % 253 for i in range(size))
    first = connection.send(SendTensor(data))
    assert len(first) == v3_device.dialect.header_bytes + 32
    stream = v3_device.take(connection, first)
    received = v3_device.classes["aiDataMsg"].FromString(v3_device.message_in(stream))
    assert (received.size, received.datas) == (size, data)
    connection.receive_data(v3_device.ack(2, 2, size))
    assert connection.next_event() == InputsTaken()


def test_an_input_may_be_refused_before_all_of_it_was_taken(device: Any) -> None:
    connection = device.connection()
    connection.send(Run("m"))
    connection.receive_data(device.ack(2, 1, 64))
    connection.next_event()
    connection.send(SendTensor(bytes(200), INPUT))
    connection.receive_data(device.ack(2, 4, 20, ErrorCode.INVALID_SIZE))
    assert connection.next_event() == Refused(ErrorCode.INVALID_SIZE, 20)
    assert len(connection.send(GetModel(0))) == 32 + device.dialect.header_bytes


def test_no_other_answer_may_come_before_all_of_an_input_was_taken(device: Any) -> None:
    connection = device.connection()
    connection.send(Run("m"))
    connection.receive_data(device.ack(2, 1, 64))
    connection.next_event()
    connection.send(SendTensor(bytes(200), INPUT))
    connection.receive_data(device.ack(2, 2, 200))
    with pytest.raises(ProtocolError, match="before all of a message was taken"):
        connection.next_event()


def test_an_input_that_arrived_short_is_an_error(device: Any) -> None:
    connection = device.connection()
    connection.send(Run("m"))
    connection.receive_data(device.ack(2, 1, 4))
    connection.next_event()
    device.take(connection, connection.send(SendTensor(FLOATS, INPUT)))
    connection.receive_data(device.ack(2, 2, 3))
    with pytest.raises(ProtocolError, match="took 3 of the 16 bytes of input 0"):
        connection.next_event()


def test_v2_sends_a_tensor_with_its_description_only(v2_device: Any) -> None:
    connection = v2_device.connection()
    connection.send(Run("m"))
    connection.receive_data(v2_device.ack(2, 1, 4))
    connection.next_event()
    for desc in (None, TensorDesc("", 0, 2, (1, 2), 0.0, 0)):
        with pytest.raises(InvalidParamError, match="description of 4 dimensions"):
            connection.send(SendTensor(FLOATS, desc))
    assert connection.state is State.INPUT_WANTED
    connection.send(SendTensor(FLOATS, INPUT))


def test_nodes_and_outputs_of_v3(v3_device: Any) -> None:
    connection = v3_device.running(with_data=True)
    data = {"type": 0, "size": 4, "addr": 0, "datas": b"abcd"}
    connection.receive_data(
        v3_device.answer(2, 2, op={"name": b"", "type": 5 << 24 | 7, "id": 3, "duration": float("nan")})
        + v3_device.answer(
            2,
            2,
            op={
                **{"name": b"n", "type": 3 << 24 | 0x8007, "id": 1 << 31, "duration": 0.5, "counter_type": 1 << 16 | 2},
                **{"counters": [7, 8, 9], "stack_used": 40, "heap_used": -1},
            },
        )
        + v3_device.answer(2, 2, tensor={"desc": {**DESC, "flags": 4}, "data": data})
        + v3_device.answer(2, 2, tensor={"desc": {**DESC, "flags": 0x304}, "data": {"size": 0}})
        + v3_device.answer(2, 2, op={"name": b"m", "duration": 2.0, "counters": [1, 2, 3]})
        + v3_device.answer(2, 3, tensor={"desc": {**DESC, "flags": 2}, "data": data})
    )
    events = [connection.next_event() for _ in range(6)]
    assert events[0] == NodeReport("", 7, 3, None)
    assert events[1] == NodeReport("n", 7, 1 << 31, 0.5, 2, (7, 8, 9), 40, None)
    assert [type(event) for event in events[2:]] == [Tensor, Tensor, RunReport, Tensor]
    assert isinstance(events[2], Tensor)
    assert (events[2].data, events[2].desc.shape) == (b"abcd", (1, 1, 1, 1))
    assert isinstance(events[3], Tensor)
    assert (events[3].data, TensorFlag(events[3].desc.flags)) == (None, TensorFlag(0x304))
    assert events[4] == RunReport("m", 2.0, 0, (1 | 2 << 32, 3))
    assert (connection.state, connection.data_to_send()) == (State.READY, b"")


def test_nodes_and_outputs_of_v2_are_acknowledged(v2_device: Any) -> None:
    connection = v2_device.running(per_layer=True)
    shape = {"shape": {"format": 0x821040, "n_batches": 1, "height": 1, "width": 1, "channels": 1}}
    ack = bytes.fromhex("050408001000").ljust(33, b"\0")
    types = [(1 << 16 | 9, 1), (5 << 16 | 9, 2), (1 << 16 | 9, 2), (2 << 16 | 9, 3)]
    seen: list[Any] = []
    for number, id_ in types:
        node = {"type": number, "id": id_, "duration": 0.5, "buffer": shape}
        connection.receive_data(v2_device.answer(2, 2, node=node))
        while (event := connection.next_event()) is not NEED_DATA:
            seen.append(event)
        assert connection.data_to_send() == ack
    assert [e.id for e in seen if isinstance(e, NodeReport)] == [1, 2, 3]
    assert [type(e).__name__[0] for e in seen] == list("NTNTTNT")
    connection.receive_data(v2_device.answer(2, 2, report={"n_nodes": 3, "elapsed_ms": 4.0}))
    assert connection.next_event() == RunReport("", 4.0, n_nodes=3)
    assert connection.data_to_send() == ack
    output = {"type": 0, "id": 0, "duration": 4.0, "buffer": {**shape, "datas": b"abcd"}}
    connection.receive_data(v2_device.answer(2, 2, node=output) + v2_device.answer(2, 3, node=output))
    for answer in (ack, b""):
        event = connection.next_event()
        assert isinstance(event, Tensor)
        assert event.data == b"abcd"
        assert connection.data_to_send() == answer
    assert connection.state is State.READY


def test_a_node_after_the_report_of_a_run_is_an_error(device: Any) -> None:
    connection = device.running()
    report: dict[str, Any] = {"op": {"type": 0}}
    node: dict[str, Any] = {"op": {"type": 1 << 24}}
    if device.dialect.family == "v2":
        report, node = {"report": {}}, {"node": {"type": 1 << 16}}
    connection.receive_data(device.answer(2, 2, **report) + device.answer(2, 2, **node))
    assert isinstance(connection.next_event(), RunReport)
    with pytest.raises(ProtocolError, match="a node with tensors to follow came, waiting for outputs"):
        connection.next_event()


def test_elements_have_to_be_as_many_bytes_as_announced(v3_device: Any) -> None:
    connection = v3_device.running()
    connection.receive_data(v3_device.answer(2, 2, op={"type": 0}))
    connection.next_event()
    connection.receive_data(v3_device.answer(2, 3, tensor={"desc": DESC, "data": {"size": 4, "datas": b"abc"}}))
    with pytest.raises(ProtocolError, match="3 bytes of data where 4 are announced"):
        connection.next_event()


def test_numbers_that_left_the_device_with_a_sign_are_read_without(v3_device: Any) -> None:
    connection = v3_device.running(per_layer=True)
    # counter_type 1 << 16; then a counter and a dimension of 2**31 + 5, sign-extended to ten bytes.
    extended = bytes.fromhex("85808080f8ffffffff01")
    op = bytes.fromhex("1080808008" + "28808004" + "30") + extended
    desc = b"\x28" + extended
    for number, payload in ((16, op), (17, b"\x0a" + bytes([len(desc)]) + desc + b"\x12\x00")):
        head = varint(number << 3 | 2) + varint(len(payload))
        connection.receive_data(v3_device.pack(b"\x08\x02\x10\x02" + head + payload))
    node, tensor = connection.next_event(), connection.next_event()
    assert isinstance(node, NodeReport)
    assert node.counters == ((1 << 31) + 5,)
    assert isinstance(tensor, Tensor)
    assert tensor.desc.shape == ((1 << 31) + 5,)
