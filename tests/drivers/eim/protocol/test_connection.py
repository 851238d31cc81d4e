"""Replies to events: captures of real engines, every split, faults, noise."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.eim.protocol import (
    HELLO,
    MAX_REPLY,
    NEED_DATA,
    Answer,
    Connection,
    Event,
    Framing,
    OldReply,
    Printed,
    ProtocolError,
    Refused,
    request,
)
from ai_runner.errors import InvalidParamError

ASK = request({"x": 1})


def events(connection: Connection) -> list[Event]:
    found = []
    while (event := connection.next_event()) is not NEED_DATA:
        assert isinstance(event, Event)
        found.append(event)
    return found


def asked(framing: Framing = Framing.NUL, times: int = 1, **limits: int) -> Connection:
    """A connection that waits for the reply to its request number `times`; the others were given up."""
    connection = Connection(framing, **limits)
    for _ in range(times - 1):
        connection.send(ASK)
        connection.give_up()
    connection.send(ASK)
    return connection


def fed(connection: Connection, *pieces: bytes) -> list[Event]:
    for piece in pieces:
        connection.receive_data(piece)
    return events(connection)


class TestCaptures:
    @pytest.mark.parametrize("size", [1, 7, 1 << 20])
    def test_every_reply_decodes_to_what_it_says(self, capture: list[dict[str, Any]], size: int) -> None:
        framing = Framing.LINE if capture[0]["transport"] == "stdin/stdout" else Framing.NUL
        decoded = 0
        for exchange in capture:
            if exchange.get("dir") != "exchange" or not exchange.get("reply"):
                continue
            data = exchange["reply"].encode()
            for text in exchange["reply"].replace("\0", "").splitlines():
                expected = json.loads(text)
                connection = Connection(framing)
                connection._last_id = expected.get("id", 1) - 1
                connection.send(ASK)
                end = data.index(b"\n") + (2 if framing is Framing.NUL else 1)
                frame, data = data[:end], data[end:]
                (event,) = fed(connection, *(frame[i : i + size] for i in range(0, len(frame), size)))
                self.check(event, expected)
                decoded += 1
        assert decoded >= 4

    def check(self, event: Event, expected: dict[str, Any]) -> None:
        number = expected.pop("id", 1)
        if expected.pop("success"):
            assert event == Answer(number, expected)
        else:
            assert event == Refused(number, expected["error"])

    def test_what_is_printed_in_stdin_mode_is_told_apart(self, capture: list[dict[str, Any]]) -> None:
        if capture[0]["transport"] != "stdin/stdout":
            pytest.skip("not of stdin mode")
        debugged = next(line for line in capture if "stdout_tail" in line)
        connection = Connection(Framing.LINE)
        connection._last_id = 4
        assert b'"id":5' in connection.send(ASK)
        banner = capture[1]["data"]
        *printed, answer = fed(connection, f"{banner}{debugged['stdout_head']}{debugged['stdout_tail']}".encode())
        assert isinstance(answer, Answer)
        assert answer.fields["result"]["classification"]["unknown"] == 0.97265625
        assert [type(event) for event in printed] == [Printed] * 3
        assert printed[-1] == Printed("Running impulse...")


class TestIds:
    def test_they_count_from_one_and_begin_again(self) -> None:
        connection = Connection(Framing.NUL)
        connection._last_id = (1 << 31) - 2
        assert b'"id":2147483647}' in connection.send(HELLO)
        connection.give_up()
        assert b'"id":1}' in connection.send(HELLO)

    def test_the_reply_to_a_request_that_was_given_up_is_dropped(self) -> None:
        connection = asked(times=3)
        assert connection.owed == 2
        replies = b"".join(b'{"id":%d,"success":true}\n\0' % number for number in (1, 2, 3))
        assert fed(connection, replies) == [OldReply(1), OldReply(2), Answer(3, {})]
        assert (connection.owed, connection.busy) == (0, False)

    def test_an_error_without_id_belongs_to_what_was_asked_first(self) -> None:
        error = b'{"error":"Missing \'id\' field in message","success":false}\n\0'
        assert fed(asked(), error) == [Refused(1, "Missing 'id' field in message")]
        assert fed(asked(times=2), error) == [OldReply(1)]
        assert fed(asked(), b'{"error":"parse"}\n\0') == [Refused(1, "parse")]

    @pytest.mark.parametrize("reply", [b'{"id":2,"success":true}', b'{"success":true}', b'{"id":"1","success":true}'])
    def test_another_id_is_an_error_for_good(self, reply: bytes) -> None:
        connection = asked()
        with pytest.raises(ProtocolError, match="1 was asked"):
            fed(connection, reply + b"\n\0")
        for use in (lambda: connection.next_event(), lambda: connection.send(ASK)):
            with pytest.raises(ProtocolError):
                use()

    def test_a_reply_to_nothing(self) -> None:
        with pytest.raises(ProtocolError, match="nothing was asked"):
            fed(Connection(Framing.NUL), b'{"id":1,"success":true}\n\0')

    def test_one_request_at_a_time(self) -> None:
        with pytest.raises(RuntimeError):
            asked().send(ASK)


class TestReplies:
    def test_success_false_is_a_refusal_with_its_reason(self) -> None:
        assert fed(asked(), b'{"id":1,"success":false,"error":"why"}\0') == [Refused(1, "why")]
        assert fed(asked(), b'{"id":1,"success":false}\0') == [Refused(1, "no reason given")]

    def test_braces_and_newlines_in_texts_are_texts(self) -> None:
        (answer,) = fed(asked(), b'{"id":1,"success":true,"a}b{":"\\u00e9\\n}"}\n\0')
        assert answer == Answer(1, {"a}b{": "é\n}"})

    def test_pretty_printed_over_a_socket(self) -> None:
        assert fed(asked(), json.dumps({"id": 1, "success": True}, indent=4).encode() + b"\n\0") == [Answer(1, {})]

    @pytest.mark.parametrize(
        "frame",
        [
            b"",
            b"\n",
            b"[]",
            b"3",
            b"nonsense",
            b'{"id":1',
            b'{"id":1,"x":NaN}',
            b'{"id":1,"x":-Infinity}',
            b'{"id":1,"x":"\xff"}',
            b'{"id":1,"x":"\\ud800"}',
            b'{"id":1,"x":' + b"9" * 5000 + b"}",
            b"[" * 100_000,
        ],
        ids=lambda frame: frame[:20].decode("latin-1"),
    )
    def test_what_is_none(self, frame: bytes) -> None:
        with pytest.raises(ProtocolError):
            fed(asked(), frame + b"\0")

    def test_in_stdin_mode_that_was_printed(self) -> None:
        connection = asked(Framing.LINE)
        lines = [b"", b"[]", b"nonsense", b'{"id":1', b'{"id":7}', b'{"a":1}', b"\xff\xfe"]
        assert [type(e) for e in fed(connection, b"\n".join(lines) + b"\n")] == [Printed] * len(lines)
        assert fed(connection, b'Running {"id":1,"success":true}\n') == [Answer(1, {})]

    def test_a_reply_that_is_too_long(self) -> None:
        assert len(fed(asked(max_reply=100), b'{"id":1,"x":"%s"}\0' % (b"x" * 84))) == 1
        for pieces in ([b"x" * 200], [b"x"] * 200, [b"x" * 100 + b"\0"]):
            with pytest.raises(ProtocolError, match="more than 100 bytes"):
                fed(asked(max_reply=100), *pieces)

    def test_32_mib_in_small_pieces_take_no_longer_than_their_bytes(self) -> None:
        connection = asked()
        padding = b'"%s"' % (b"x" * 4094)
        connection.receive_data(b'{"id":1,"success":true,"x":[')
        count = MAX_REPLY // 4100
        for _ in range(count):
            connection.receive_data(padding + b",")
        connection.receive_data(b"0]}\n\0")
        (answer,) = events(connection)
        assert isinstance(answer, Answer)
        assert len(answer.fields["x"]) == count + 1


@given(st.lists(st.binary(max_size=20)), st.sampled_from(Framing))
def test_noise_is_an_event_or_an_error(pieces: list[bytes], framing: Framing) -> None:
    connection = asked(framing, times=2)
    with contextlib.suppress(ProtocolError):
        fed(connection, *pieces)
    assert connection.held <= sum(map(len, pieces))


@given(st.integers(0, 2**32), st.sampled_from(Framing))
def test_cuts_do_not_matter(seed: int, framing: Framing) -> None:
    source = random.Random(seed)
    end = b"\n" if framing is Framing.LINE else b"\n\0"
    data = b'{"id":1,"success":true,"x":"\xc3\xa9"}' + end + b'{"id":2,"success":false,"error":"\\u00e9"}' + end
    cuts = sorted(source.sample(range(len(data)), source.randrange(5)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert fed(asked(framing, times=2), *pieces) == [OldReply(1), Refused(2, "é")]


def test_a_message_longer_than_the_engines_buffer() -> None:
    small = request({"x": "y" * 50})
    with pytest.raises(InvalidParamError, match="more than an engine reads"):
        Connection(Framing.NUL, max_message=60).send(small)
    connection = Connection(Framing.NUL, max_message=70)
    assert len(connection.send(small)) < 70
    assert connection.busy
