"""Self-tests of a firmware, whose answers and end are their own."""

from __future__ import annotations

from typing import Any

from ai_runner.drivers.stm32.protocol import (
    Acknowledge,
    Acknowledged,
    SelfTest,
    State,
    Sync,
    SyncReply,
)
from ai_runner.drivers.stm32.protocol.codes import AnswerState


def test_a_test_without_an_answer_is_over_when_the_host_says_so(device: Any) -> None:
    connection = device.connection()
    connection.send(SelfTest(3))
    assert connection.busy
    connection.send(Sync())
    connection.receive_data(device.sync(3))
    assert isinstance(connection.next_event(), SyncReply)


def test_a_test_may_ask_for_an_ack(device: Any) -> None:
    connection = device.connection()
    connection.send(SelfTest(30, 4, opt=1) if device.dialect.family == "v3" else SelfTest(100))
    connection.receive_data(device.ack(2, 2, 99))
    assert connection.next_event() == Acknowledged(AnswerState.PROCESSING, 99)
    assert connection.send(Acknowledge(5, 1))[device.dialect.header_bytes :].startswith(bytes.fromhex("0408051001"))
    connection.receive_data(device.ack(2, 3))
    assert connection.next_event() == Acknowledged(AnswerState.DONE, 0)
    assert connection.state is State.READY
