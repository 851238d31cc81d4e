"""What a device can make a host hold."""

from __future__ import annotations

from typing import Any

import pytest

from ai_runner.drivers.stm32.protocol import (
    GetModel,
    Limits,
    LogMessage,
    NodeReport,
    ProtocolError,
    RunReport,
    SelfTest,
    Tensor,
)
from ai_runner.drivers.stm32.protocol.bulk import cut_elements
from ai_runner.drivers.stm32.protocol.packets import varint

PATHS = ((15, 4), (17, 2, 4))


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def test_elements_are_cut_out() -> None:
    elements = bytes(range(250)) * 40
    head, tail = b"\x08\x01\x10\x02", b"\x18\x07"
    tensor = field(17, field(1, b"desc") + field(2, b"\x08\x00" + field(4, elements) + tail) + tail)
    without = field(17, field(1, b"desc") + field(2, b"\x08\x00" + tail) + tail)
    assert cut_elements(head + tensor + tail, PATHS, 40) == (head + without + tail, elements)
    assert cut_elements(field(15, field(4, elements)), PATHS, 40) == (field(15, b""), elements)
    assert cut_elements(bytearray(field(15, field(4, elements))), PATHS, 40) == (field(15, b""), elements)


def test_what_has_no_elements_stays_as_it_is() -> None:
    for message in (b"", b"\x08\x01", field(15, b"\x25" + bytes(4) + b"\x21" + bytes(8)), field(17, b"") * 2):
        assert cut_elements(message, PATHS, 40) == (message, None)


@pytest.mark.parametrize(
    "message",
    [
        field(17, field(1, bytes(50)) + field(2, field(4, b""))),
        field(22, bytes(50)),
        field(15, field(5, bytes(50))),
        field(4, bytes(50)),
        b"\x08\x01" * 25,
        field(17, field(2, b"\x08\x01" * 25)),
        field(17, field(2, field(4, bytes(1000))) * 10),
    ],
)
def test_everything_else_counts(message: bytes) -> None:
    with pytest.raises(ProtocolError, match="more than 40 bytes besides"):
        cut_elements(message, PATHS, 40)


@pytest.mark.parametrize("message", ["80", "ff" * 11, "7a05", "0b", "0c", "0d01", "09", "7affffffffffffffffff01"])
def test_what_cannot_be_walked_is_an_error(message: str) -> None:
    with pytest.raises(ProtocolError, match=r"undecodable|beyond its end|broken number|besides"):
        cut_elements(bytes.fromhex(message), PATHS, 40)


def test_a_description_that_never_ends_is_cut_off(device: Any) -> None:
    connection = device.connection(limits=Limits(control_bytes=1000))
    connection.send(GetModel(0))
    packets = device.pack(bytes(100_000))
    connection.receive_data(packets)
    with pytest.raises(ProtocolError, match="a message of more than 1000 bytes"):
        connection.next_event()


def test_many_small_things_are_not_parsed_in_a_run(device: Any) -> None:
    connection = device.running(with_data=True)
    empty = field(22 if device.dialect.family == "v3" else 20, field(11, b"") * 200_000)
    connection.receive_data(device.pack(b"\x08\x02\x10\x02" + empty))
    with pytest.raises(ProtocolError, match="besides tensor elements"):
        connection.next_event()


def test_large_tensors_pass(device: Any) -> None:
    connection = device.running(with_data=True)
    elements = bytes(1 << 20)
    if device.dialect.family == "v3":
        op = device.answer(2, 2, op={"type": 1 << 24})
        tensor = device.answer(2, 2, tensor={"desc": {}, "data": {"size": len(elements), "datas": elements}})
        connection.receive_data(op + tensor)
    else:
        connection.receive_data(device.answer(2, 2, node={"type": 1 << 16, "buffer": {"datas": elements}}))
    assert isinstance(connection.next_event(), NodeReport)
    event = connection.next_event()
    assert isinstance(event, Tensor)
    assert event.data == elements


@pytest.mark.parametrize("number", [1, 4095, 10_000, 100_000])
def test_tensors_of_any_size_are_told_alike(device: Any, number: int) -> None:
    elements = bytes(i % 251 for i in range(number))
    connection = device.running()
    if device.dialect.family == "v3":
        desc = {"name": b"out", "size": number, "dims": [1, number], "n_dims": 2}
        connection.receive_data(device.answer(2, 2, op={"type": 0, "duration": 1.0}))
        connection.receive_data(device.answer(2, 3, tensor={"desc": desc, "data": {"size": number, "datas": elements}}))
    else:
        shape = {"n_batches": 1, "height": 1, "width": 1, "channels": number}
        node = {"type": 0, "duration": 1.0, "buffer": {"shape": shape, "datas": elements}}
        connection.receive_data(device.answer(2, 3, node=node))
    assert isinstance(connection.next_event(), RunReport)
    event = connection.next_event()
    assert isinstance(event, Tensor)
    assert event.data == elements
    assert (event.desc.size, event.desc.shape[-1]) == (number, number)
    connection.send(GetModel(0))
    connection.receive_data(device.pack(b"\0" * 20_000))
    assert event.data == elements  # whatever comes afterwards


def test_large_elements_that_come_twice_are_an_error(device: Any) -> None:
    connection = device.running()
    once = field(14, field(4, field(2, bytes(20_000))))
    if device.dialect.family == "v3":
        once = field(17, field(2, b"\x10" + varint(20_000) + field(4, bytes(20_000))))
    connection.receive_data(device.pack(b"\x08\x02\x10\x03" + once * 2))
    with pytest.raises(ProtocolError, match="twice"):
        connection.next_event()


def test_elements_in_the_wrong_message_are_an_error(v3_device: Any) -> None:
    connection = v3_device.running()
    elements = field(17, field(2, field(4, bytes(20_000))))
    connection.receive_data(v3_device.pack(b"\x08\x02\x10\x02" + elements + field(13, b"\x08\x02")))
    with pytest.raises(ProtocolError, match="elements of a tensor"):
        connection.next_event()


@pytest.mark.parametrize(
    "limits",
    [Limits(message_bytes=5000), Limits(control_bytes=5000, command_bytes=5000)],
)
def test_tensors_above_a_limit_do_not(device: Any, limits: Limits) -> None:
    connection = device.running(with_data=True)
    connection._limits = limits
    elements = bytes(6000)
    payload: dict[str, Any] = {"node": {"type": 1 << 16, "buffer": {"datas": elements}}}
    if device.dialect.family == "v3":
        payload = {"tensor": {"data": {"size": 6000, "datas": elements}}}
    connection.receive_data(device.answer(2, 2, **payload))
    with pytest.raises(ProtocolError, match=r"more than 5000 bytes|no end after"):
        connection.next_event()


def test_a_flood_of_log_lines_is_an_end(device: Any) -> None:
    connection = device.connection(limits=Limits(command_messages=10))
    connection.send(SelfTest(2))
    connection.receive_data(device.answer(2, 2, log={"level": 1, "str": b"again"}) * 11)
    for _ in range(10):
        assert connection.next_event() == LogMessage(1, "again")
        connection.data_to_send()
    with pytest.raises(ProtocolError, match="no end after 11 messages"):
        connection.next_event()


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        ({"op": {"type": 1 << 24, "counters": [1] * 1025}}, "1025 counters"),
        ({"tensor": {"desc": {"dims": [1] * 17}}}, "17 dimensions"),
    ],
)
def test_arrays_are_bounded(v3_device: Any, payload: dict[str, Any], what: str) -> None:
    connection = v3_device.running(with_data=True)
    connection.receive_data(v3_device.answer(2, 2, **payload))
    with pytest.raises(ProtocolError, match=what):
        connection.next_event()
