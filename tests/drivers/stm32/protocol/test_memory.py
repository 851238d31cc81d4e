"""Memory in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.stm32.protocol import (
    NEED_DATA,
    Acknowledged,
    MemoryData,
    ProtocolError,
    ReadMemory,
    State,
    WriteMemory,
)
from ai_runner.drivers.stm32.protocol.codes import AnswerState
from ai_runner.drivers.stm32.protocol.memory import Reading, Writing
from ai_runner.memory_image import bsdchecksum


@pytest.mark.parametrize(("data", "checksum"), [(b"", 0), (b"\x01", 1), (b"\x01\x00", 0x8000), (b"123456789", 0xD16F)])
def test_checksum(data: bytes, checksum: int) -> None:
    # 0xD16F is what `sum -r` says of 123456789.
    assert bsdchecksum(data) == checksum


@given(data=st.binary(min_size=1, max_size=5000), chunk=st.integers(1, 1024))
def test_what_is_written_in_chunks_is_what_was_given(data: bytes, chunk: int) -> None:
    memory = bytearray(len(data))
    writing = Writing(0x1000, data)
    writing.accept(chunk)
    for start in range(0, len(data), chunk):
        address, piece = writing.next_chunk()
        assert address == 0x1000 + start
        memory[start : start + len(piece)] = piece
        writing.check(bsdchecksum(piece), is_last=start + chunk >= len(data))
    assert memory == data
    with pytest.raises(ProtocolError, match="more memory"):
        writing.next_chunk()


def test_a_chunk_that_arrived_wrong_or_short_is_an_error() -> None:
    writing = Writing(0, b"abcd")
    with pytest.raises(ProtocolError, match="chunks of 0"):
        writing.accept(0)
    writing.accept(2)
    writing.next_chunk()
    with pytest.raises(ProtocolError, match="checksum"):
        writing.check(bsdchecksum(b"ax"), is_last=False)
    with pytest.raises(ProtocolError, match="2 of 4"):
        writing.check(bsdchecksum(b"ab"), is_last=True)


def test_what_is_read_is_as_much_as_was_asked_for() -> None:
    reading = Reading(0x20, 4)
    # The device may name a buffer of its own instead of the address.
    assert reading.take(MemoryData(0x999, b"ab"), is_last=False) == MemoryData(0x20, b"ab")
    assert reading.take(MemoryData(0x999, b"cd"), is_last=True) == MemoryData(0x22, b"cd")
    for data, is_last in ((b"abc", True), (b"abcd", False), (b"abcde", True), (b"abcde", False)):
        with pytest.raises(ProtocolError, match="bytes of memory"):
            Reading(0, 4).take(MemoryData(0, data), is_last)


def test_memory_is_read_in_pieces(v3_device: Any) -> None:
    connection = v3_device.connection()
    connection.send(ReadMemory(0x100, 6))
    connection.receive_data(v3_device.ack(2, 2, 4))
    assert connection.next_event() is NEED_DATA
    assert connection.data_to_send() == b""
    connection.receive_data(v3_device.answer(2, 2, data={"size": 4, "datas": b"abcd"}))
    assert connection.next_event() == MemoryData(0x100, b"abcd")
    assert connection.data_to_send() != b""
    connection.receive_data(v3_device.answer(2, 3, data={"size": 2, "datas": b"ef"}))
    assert connection.next_event() == MemoryData(0x104, b"ef")
    assert (connection.data_to_send(), connection.state) == (b"", State.READY)
    connection.send(ReadMemory(0x100, 0))
    connection.receive_data(v3_device.ack(3, 3))
    assert connection.next_event() == Acknowledged(AnswerState.DONE, 0)


def test_memory_is_written_in_chunks(v3_device: Any) -> None:
    connection = v3_device.connection()
    connection.send(WriteMemory(0x100, b"abcdef"))
    connection.receive_data(v3_device.ack(2, 1, 4))
    for address, chunk, state in ((0x100, b"abcd", 1), (0x104, b"ef", 3)):
        assert connection.next_event() is NEED_DATA
        data = v3_device.classes["aiDataMsg"].FromString(v3_device.message_in(connection.data_to_send()))
        assert (data.addr, data.size, data.datas) == (address, len(chunk), chunk)
        connection.receive_data(v3_device.ack(2, state, bsdchecksum(chunk)))
    assert connection.next_event() == Acknowledged(AnswerState.DONE, bsdchecksum(b"ef"))
    assert connection.data_to_send() == b""
