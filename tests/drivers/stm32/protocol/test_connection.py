"""The conversation with a device, also one that errs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ai_runner.drivers.stm32.protocol import (
    NEED_DATA,
    Acknowledge,
    Command,
    Connection,
    Disconnect,
    GetModel,
    GetSystemInfo,
    LogMessage,
    ModelDescription,
    ProtocolError,
    Refused,
    Request,
    Run,
    SelfTest,
    SendTensor,
    StaleAnswer,
    State,
    Sync,
    SyncReply,
    SystemInfo,
    UnsupportedDialectError,
)
from ai_runner.drivers.stm32.protocol.codes import ErrorCode
from ai_runner.errors import InvalidMsgError, InvalidParamError


def test_sync_settles_the_dialect(device: Any) -> None:
    connection = Connection(device.dialect.header_bytes)
    assert connection.dialect is None
    assert connection.next_event() is NEED_DATA
    assert connection.send(Sync())[device.dialect.header_bytes :].startswith(bytes.fromhex("0a08011000180022002800"))
    assert connection.busy
    connection.receive_data(device.sync(1, rtid=0x00010101))
    reply = connection.next_event()
    assert isinstance(reply, SyncReply)
    assert (reply.dialect, reply.version) == (device.dialect, device.dialect.version)
    assert reply.runtime is not None
    assert (reply.runtime.runtime, reply.runtime.tool) == (1, 1)
    assert (connection.dialect, connection.state, connection.busy) == (device.dialect, State.READY, False)


def test_requests_are_numbered_in_seven_bits(device: Any) -> None:
    connection = Connection(device.dialect.header_bytes, reqid=126)
    for expected in (127, 1, 2):
        request = connection.send(Sync())
        assert request[device.dialect.header_bytes + 2] == connection.reqid == expected
        connection.receive_data(device.sync(expected))
        connection.next_event()


def test_an_unknown_protocol_is_refused_politely(device: Any) -> None:
    connection = Connection(device.dialect.header_bytes)
    connection.send(Sync())
    connection.receive_data(device.sync(1, version=0x0104))
    with pytest.raises(UnsupportedDialectError, match=r"protocol 1\.4") as caught:
        connection.next_event()
    assert connection.state is State.FAILED
    assert not caught.value.retryable


def test_answers_of_before_are_dropped_while_syncing(device: Any) -> None:
    connection = Connection(device.dialect.header_bytes, reqid=9)
    connection.send(Sync())
    connection.receive_data(device.ack(9, 2, 5) + device.sync(9) + device.sync(10))
    assert connection.next_event() == StaleAnswer(9)
    assert connection.next_event() == StaleAnswer(9)
    assert isinstance(connection.next_event(), SyncReply)


@pytest.mark.parametrize("command", [GetSystemInfo(), GetModel(3), Run("m"), Request(200)])
def test_an_answer_to_another_request_is_an_error(device: Any, command: Command) -> None:
    connection = device.connection()
    connection.send(command)
    connection.receive_data(device.ack(1, 4, 4, 4))
    with pytest.raises(ProtocolError, match="an answer to request 1, not 2"):
        connection.next_event()


@pytest.mark.parametrize("command", [GetSystemInfo(), GetModel(3), Run("m"), Request(200), SelfTest(1)])
def test_a_refusal_ends_a_command_and_nothing_else(device: Any, command: Command) -> None:
    connection = device.connection()
    connection.send(command)
    connection.receive_data(device.ack(2, 4, 7, ErrorCode.GENERIC))
    assert connection.next_event() == Refused(ErrorCode.GENERIC, 7)
    assert connection.state is State.READY
    connection.send(Sync())


def test_a_refusal_may_carry_a_number_that_nobody_knows(device: Any) -> None:
    connection = device.connection()
    connection.send(GetModel(0))
    connection.receive_data(device.ack(2, 4, 0, 77))
    assert connection.next_event() == Refused(77, 0)


def test_failure_is_final(device: Any) -> None:
    connection = device.connection()
    connection.receive_data(b"\xff" * 64)
    with pytest.raises(ProtocolError, match="no packet header") as caught:
        connection.next_event()
    assert isinstance(caught.value, InvalidMsgError)
    assert "ff ff" in caught.value.evidence["bytes"]
    assert caught.value.retryable
    assert (connection.state, connection.busy) == (State.FAILED, False)
    connection.receive_data(device.sync(1))
    with pytest.raises(ProtocolError, match="failed before: no packet header"):
        connection.next_event()
    with pytest.raises(InvalidParamError):
        connection.send(Sync())
    assert connection.data_to_send() == b""


def test_commands_out_of_turn_are_refused_and_change_nothing(device: Any) -> None:
    fresh = Connection(device.dialect.header_bytes)
    with pytest.raises(InvalidParamError, match="GetSystemInfo cannot be sent"):
        fresh.send(GetSystemInfo())
    connection = device.connection()
    for command in (SendTensor(b""), Acknowledge()):
        with pytest.raises(InvalidParamError, match="cannot be sent: the device waits for a command"):
            connection.send(command)
    connection.send(GetModel(0))
    for command in (Sync(), GetModel(0), Run("m")):
        with pytest.raises(InvalidParamError, match="cannot be sent"):
            connection.send(command)
    assert (connection.state, connection.reqid) == (State.MODEL_AWAITED, 2)


@pytest.mark.parametrize(
    "command",
    [
        *(Run("x" * 64), Run("é" * 32), Run("a\0b"), GetModel(-1), GetModel(1 << 32)),
        *(Request(-1), Request(200, opt=1 << 32), SelfTest(1, extra=1 << 16)),
    ],
)
def test_what_does_not_fit_a_request_is_refused(device: Any, command: Command) -> None:
    connection = device.connection()
    with pytest.raises(InvalidParamError):
        connection.send(command)
    assert (connection.state, connection.reqid) == (State.READY, 1)
    connection.send(GetModel(0, "x" * 63))


def test_disconnect_exists_from_v3_2_on(device: Any) -> None:
    connection = device.connection()
    if device.dialect.name != "v3.2":
        with pytest.raises(InvalidParamError, match="no Disconnect"):
            connection.send(Disconnect())
        return
    connection.send(Disconnect())
    assert (connection.state, connection.busy) == (State.UNSYNCED, False)
    connection.send(Sync())


def test_log_lines_come_at_any_time_and_are_acknowledged(device: Any) -> None:
    connection = device.connection()
    connection.send(GetModel(0))
    connection.receive_data(device.answer(2, 1, log={"level": 3, "str": b"hot \xc3\0stale"}))
    assert connection.next_event() == LogMessage(3, "hot \N{REPLACEMENT CHARACTER}")
    ack = connection.data_to_send()
    assert ack[device.dialect.header_bytes :].startswith(bytes.fromhex("0408001000"))
    connection.receive_data(device.ack(2, 4, 4, 4))
    assert connection.next_event() == Refused(4, 4)
    connection.receive_data(device.answer(1, 3, log={"level": 1, "str": b"late"}))
    assert connection.next_event() == LogMessage(1, "late")
    assert connection.data_to_send() == ack
    assert connection.state is State.READY


def test_a_device_that_asks_for_more_than_there_is_has_lost_a_byte(device: Any) -> None:
    connection = device.connection()
    connection.send(GetSystemInfo())
    connection.receive_data(b"\xaa")
    with pytest.raises(ProtocolError, match="asks for more of a message that is complete"):
        connection.next_event()


def test_packets_become_large_after_the_system_information(device_of: Callable[[str], Any]) -> None:
    device = device_of("v3.1-2b")
    for size, announced in ((4094, 4094), (1, 1), (32, 0)):
        connection = device.connection()
        connection.send(GetSystemInfo())
        info = {"devid": 1, "com_param_or_extra": [announced], "extra": [3, 4, (1 << 32) - 1]}
        connection.receive_data(device.answer(2, 0, sinfo=info))
        event = connection.next_event()
        assert isinstance(event, SystemInfo)
        assert (event.packet_size, event.extra) == (size, (3, 4, 0xFFFFFFFF))
        first = connection.send(GetModel(0))
        assert len(first) == 2 + size
        device.size = size
        device.take(connection, first)
        connection.receive_data(device.ack(3, 4, 4, 4))
        assert connection.next_event() == Refused(4, 4)
        # The request for SYNC still travels in large packets, its answer in small ones.
        first = connection.send(Sync())
        assert len(first) == 2 + size
        device.size = 32
        device.take(connection, first)
        connection.receive_data(device.sync(4))
        assert isinstance(connection.next_event(), SyncReply)
        assert connection.packet_size == 32


def test_field_5_is_extra_with_one_byte_headers(device_of: Callable[[str], Any]) -> None:
    device = device_of("v3.1-1b")
    connection = device.connection()
    connection.send(GetSystemInfo())
    connection.receive_data(device.answer(2, 0, sinfo={"com_param_or_extra": [3, 400000000]}))
    event = connection.next_event()
    assert isinstance(event, SystemInfo)
    assert (event.packet_size, event.extra) == (32, (3, 400000000))


def test_impossible_packets_are_refused(device_of: Callable[[str], Any]) -> None:
    device = device_of("v3.1-2b")
    connection = device.connection()
    connection.send(GetSystemInfo())
    connection.receive_data(device.answer(2, 0, sinfo={"com_param_or_extra": [400000000]}))
    with pytest.raises(ProtocolError, match="packets of 400000000 bytes announced"):
        connection.next_event()


def test_what_is_absent_reads_as_its_default_and_what_is_unknown_is_skipped(device: Any) -> None:
    connection = device.connection()
    connection.send(GetModel(0))
    empty = "b20100" if device.dialect.family == "v3" else "a20100"
    connection.receive_data(device.pack(bytes.fromhex("0802" + empty + "f80601")))
    model = connection.next_event()
    assert isinstance(model, ModelDescription)
    assert (model.name, model.inputs, model.macc, model.runtime_version) == ("", (), 0, (0, 0, 0))


@pytest.mark.parametrize("message", ["", "0802", "08021000", "08021063620408041004", "ff", "0802620a"])
def test_a_message_that_is_none_is_an_error(device: Any, message: str) -> None:
    connection = device.connection()
    connection.send(GetModel(0))
    connection.receive_data(device.pack(bytes.fromhex(message)))
    with pytest.raises(ProtocolError, match="message"):
        connection.next_event()


def test_an_error_comes_as_an_ack(device: Any) -> None:
    connection = device.connection()
    connection.send(GetSystemInfo())
    connection.receive_data(device.answer(2, 4, sinfo={"devid": 1}))
    with pytest.raises(ProtocolError, match="payload sinfo in state 4"):
        connection.next_event()
