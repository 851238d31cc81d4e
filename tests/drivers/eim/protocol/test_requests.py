"""Requests to bytes: JSON without a brace in a string, finite numbers, every float32 exact."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.eim.protocol import (
    HELLO,
    Connection,
    Framing,
    Request,
    classify,
    classify_shared,
    request,
    set_threshold,
)
from ai_runner.errors import InvalidParamError


def sent(asked: Request) -> dict[str, Any]:
    message = Connection(Framing.NUL).send(asked)
    assert message.count(b"{") == message.count(b"}") >= 1
    decoded: dict[str, Any] = json.loads(message)
    assert decoded.pop("id") == 1
    return decoded


def test_what_they_look_like() -> None:
    features = np.array([1, 0.5, -3e30], np.float32)
    assert Connection(Framing.NUL).send(HELLO) == b'{"hello":1,"id":1}\n'
    assert sent(classify(features)) == {"classify": [1, 0.5, -2.99999989e30]}
    assert sent(classify(features[:1], continuous=True, debug=True)) == {"classify_continuous": [1], "debug": True}
    assert sent(classify_shared(9)) == {"classify_shm": {"elements": 9}}
    assert sent(classify_shared(2, continuous=True)) == {"classify_continuous_shm": {"elements": 2}}
    assert sent(set_threshold({"id": 6, "min_score": 0.5})) == {"set_threshold": {"id": 6, "min_score": 0.5}}
    assert sent(request({"a": [None, True, "ä\n"], "b": {}})) == {"a": [None, True, "ä\n"], "b": {}}


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_every_float32_arrives_as_it_is(values: list[float]) -> None:
    features = np.array(values, np.float32)
    received = np.array(sent(classify(features))["classify"], np.float64).astype(np.float32)
    np.testing.assert_array_equal(received, features)


def test_whole_numbers_stay_whole() -> None:
    packed = np.array([0xFFFFFF, 0, 32767, -32768], np.float32)
    assert classify(packed).members == '"classify":[16777215,0,32767,-32768]'


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"id": 3, "hello": 1},
        {"x": "a}b"},
        {"x{": 1},
        {"x": [{"y": "{"}]},
        {"x": float("nan")},
        {"x": [float("inf")]},
        {"x": np.float32(1)},
        {"x": b"bytes"},
        {1: 2},
        {"x": {1: 2}},
    ],
    ids=str,
)
def test_what_cannot_be_sent(fields: dict[Any, Any]) -> None:
    with pytest.raises(InvalidParamError):
        request(fields)


def test_a_request_without_end() -> None:
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(InvalidParamError, match="deep"):
        request({"x": nested})


@pytest.mark.parametrize("threshold", [{}, {"min_score": 1}, {"id": "6"}, {"id": 6.0}, {"id": True}], ids=str)
def test_a_threshold_without_its_block(threshold: dict[str, Any]) -> None:
    with pytest.raises(InvalidParamError):
        set_threshold(threshold)


@given(
    st.dictionaries(
        st.text(max_size=5), st.recursive(st.none() | st.text(max_size=5) | st.floats(), st.lists, max_leaves=4)
    )
)
def test_a_request_balances_its_braces_or_is_refused(fields: dict[str, Any]) -> None:
    try:
        asked = request(fields)
    except InvalidParamError:
        return
    assert sent(asked) == json.loads(json.dumps(fields))
