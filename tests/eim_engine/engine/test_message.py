from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.eim_engine.engine import message
from ai_runner.eim_engine.engine.message import encode_reply, is_int32, is_number, parse_message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id":1,}',
        b'{"id":1,"classify":[NaN]}',
        b'{"id":1,"classify":[-Infinity]}',
        b'{"id":1,"x":"\\ud800"}',
        b'{"id":1,"x":"\x00"}',
        b'{"id":01}',
        b"[1]",
        b"",
        b'{"id":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_gives_no_member(raw: bytes) -> None:
    assert parse_message(raw) == {}


def test_the_first_of_equal_keys_counts() -> None:
    assert parse_message(b'{"id":1,"id":2,"a":{"b":1,"b":2}}') == {"id": 1, "a": {"b": 1}}


def test_bytes_that_are_no_utf8_are_not_looked_at() -> None:
    assert parse_message(b'{"id":1,"x":"\xff"}')["id"] == 1


@given(st.binary(max_size=60))
def test_random_bytes_are_parsed_or_not_and_nothing_else(raw: bytes) -> None:
    assert isinstance(parse_message(raw), dict)


def test_a_reply_is_compact_sorted_utf8() -> None:
    raw = encode_reply({"success": True, "id": 1, "ä": {"b": 0.5, "a": 1}})
    assert raw == '{"id":1,"success":true,"ä":{"a":1,"b":0.5}}\n'.encode()


def test_a_reply_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    result = {"freeform": [[0.5] * 100]}
    size = len(encode_reply({"id": 1, "success": True, "result": result}))
    monkeypatch.setattr(message, "MAX_BUFFER", 200)
    assert len(encode_reply({"id": 1, "success": False, "error": "x" * 500})) == 199
    reply = json.loads(encode_reply({"id": 1, "success": True, "result": result}))
    expected = f"Classification response ({size} bytes) was larger than max response buffer size (200 bytes)"
    assert reply == {"id": 1, "success": False, "error": expected}


def test_what_counts_as_a_number() -> None:
    assert [is_int32(value) for value in (1, -(2**31), 2**31 - 1)] == [True] * 3
    assert not any(is_int32(value) for value in (True, 1.0, "1", None, 2**31, -(2**31) - 1))
    assert is_number(1)
    assert is_number(0.5)
    assert not any(is_number(value) for value in (True, "1", None, [1]))
