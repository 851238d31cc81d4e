from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.eim_engine.engine import framing
from ai_runner.eim_engine.engine.framing import MAX_BUFFER, MessageSplitter, MessageTooLong


def plain_rule(data: bytes) -> list[bytes]:
    """The engine's rule, written down byte by byte."""
    messages, buffer, opened, closed = [], bytearray(), 0, 0
    for byte in data:
        buffer.append(byte)
        if byte == ord("{"):
            opened += 1
        elif byte == ord("}"):
            closed += 1
            if opened == closed:
                messages.append(bytes(buffer))
                buffer.clear()
                opened = closed = 0
        elif opened == 0:
            buffer.pop()
    return messages


@given(st.lists(st.text('{}"a\n', max_size=12).map(str.encode), max_size=6))
def test_messages_are_those_of_the_plain_rule_however_they_arrive(parts: list[bytes]) -> None:
    data = b"".join(parts)
    expected = plain_rule(data)
    splitter, bytewise = MessageSplitter(), MessageSplitter()
    assert [message for part in parts for message in splitter.feed(part)] == expected
    assert [message for k in range(len(data)) for message in bytewise.feed(data[k : k + 1])] == expected
    assert MessageSplitter().feed(data) == expected


def test_several_messages_in_one_write_and_noise_between() -> None:
    splitter = MessageSplitter()
    assert splitter.feed(b'noise 123 {"id":1}\n{"a":{"b":2}} {"i') == [b'{"id":1}', b'{"a":{"b":2}}']
    assert splitter.pending
    assert splitter.feed(b'd":3}') == [b'{"id":3}']
    assert not splitter.pending


def test_a_closing_brace_in_a_string_is_never_made_up_for() -> None:
    splitter = MessageSplitter()
    assert splitter.feed(b'{"id":116,"x":"}"}') == [b'{"id":116,"x":"}']
    for _ in range(5):
        assert splitter.feed(b'{"id": 117}') == []


def test_an_opening_brace_in_a_string_keeps_the_message_open() -> None:
    splitter = MessageSplitter()
    assert splitter.feed(b'{"id":1,"x":"{"}') == []
    assert splitter.feed(b'{"id":2}') == []
    assert splitter.feed(b"}") == [b'{"id":1,"x":"{"}{"id":2}}']


def test_one_byte_less_than_the_buffer_is_the_longest_message() -> None:
    longest = b"{" + b" " * (MAX_BUFFER - 3) + b"}"
    assert [len(message) for message in MessageSplitter().feed(longest)] == [MAX_BUFFER - 1]
    with pytest.raises(MessageTooLong, match="received more than 33554432 bytes"):
        MessageSplitter().feed(b"{ " + longest[1:])


def test_noise_before_a_message_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_BUFFER", 8)
    splitter = MessageSplitter()
    assert splitter.feed(b" " * 100 + b'{"a":1}') == [b'{"a":1}']
    assert splitter.feed(b"{" * 7) == []
    with pytest.raises(MessageTooLong):
        splitter.feed(b"{")
