"""What a device can make a host hold."""

from __future__ import annotations

from typing import Any

import pytest

from ai_runner.drivers.stm32.protocol import GetModel, Limits, LogMessage, NodeReport, ProtocolError, SelfTest, Tensor
from ai_runner.drivers.stm32.protocol.bulk import check_overhead
from ai_runner.drivers.stm32.protocol.packets import varint

PATHS = ((15, 4), (17, 2, 4))


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def test_elements_do_not_count() -> None:
    elements = bytes(10_000)
    tensor = field(17, field(1, b"desc") + field(2, b"\x08\x00" + field(4, elements)))
    check_overhead(b"\x08\x01\x10\x02" + tensor, PATHS, 40)
    check_overhead(field(15, field(4, elements)), PATHS, 40)
    check_overhead(field(15, b"\x25" + bytes(4) + b"\x21" + bytes(8)), PATHS, 40)


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
        check_overhead(message, PATHS, 40)


@pytest.mark.parametrize("message", ["80", "ff" * 11, "7a05", "0b", "0c", "0d01", "09", "7affffffffffffffffff01"])
def test_what_cannot_be_walked_is_an_error(message: str) -> None:
    with pytest.raises(ProtocolError, match=r"undecodable|beyond its end|broken number|besides"):
        check_overhead(bytes.fromhex(message), PATHS, 40)


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
