from __future__ import annotations

import hashlib
import hmac
import json
import math
from contextlib import suppress
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.edge_impulse.ingestion import Recording, Sensor, is_signed_by, signed
from ai_runner.edge_impulse.ingestion.document import ZEROS, check_document, decoded
from ai_runner.edge_impulse.secret import Secret
from ai_runner.errors import InvalidParamError

KEY = "fed53116f20684c067774ebf9e7bcbdc"
RECORDING = Recording(
    np.array([[-9.81, 0.03, 1.21], [-9.83, 0.04, 1.27]]),
    [Sensor(name, "m/s2") for name in ("accX", "accY", "accZ")],
    interval_ms=10,
    device_type="TEST",
    device_name="ac:87:a3:0a:2d:1b",
)
VECTOR = (
    b'{"protected":{"ver":"v1","alg":"HS256","iat":1564128599},"signature":"%s",'
    b'"payload":{"device_name":"ac:87:a3:0a:2d:1b","device_type":"TEST","interval_ms":10,"sensors":['
    b'{"name":"accX","units":"m/s2"},{"name":"accY","units":"m/s2"},{"name":"accZ","units":"m/s2"}],'
    b'"values":[[-9.81,0.03,1.21],[-9.83,0.04,1.27]]}}'
)


def test_check_vector_of_json() -> None:
    document = signed(RECORDING.payload(), KEY, iat=1564128599)
    assert document == VECTOR % b"d306debecf54f577283abe3589834ca603a033010a14f32075dc89d9f43459e8"
    assert len(document) == 372
    assert is_signed_by(document, Secret(KEY))
    assert not is_signed_by(document, "another")
    assert not is_signed_by(document.replace(b"1.27", b"1.28"), KEY)


def test_check_vector_of_cbor() -> None:
    document = signed(RECORDING.payload(), Secret(KEY, "HMAC key"), encoding="cbor", iat=1564128599)
    assert len(document) == 322
    message = cbor2.loads(document)
    assert message["signature"] == "525e8ed8b7759acfc22d2c9f41268af6e0b7342139e7f6e332e993663f8bd871"
    assert message["payload"]["values"] == [[-9.81, 0.03, 1.21], [-9.83, 0.04, 1.27]]
    assert is_signed_by(document, KEY, encoding="cbor")
    assert not is_signed_by(document, "another", encoding="cbor")


def test_without_a_key_the_zeros_stay() -> None:
    message = json.loads(signed(RECORDING.payload()))
    assert message["protected"] == {"ver": "v1", "alg": "none"}
    assert message["signature"] == ZEROS
    assert not is_signed_by(signed(RECORDING.payload()), KEY)


@pytest.mark.parametrize("iat", [1.5, -1, True, "1"])
def test_iat_is_whole_seconds(iat: Any) -> None:
    with pytest.raises(InvalidParamError, match="iat"):
        signed(RECORDING.payload(), KEY, iat=iat)


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_zeros_in_the_payload_are_not_taken_for_the_signature(encoding: Any) -> None:
    recording = Recording(np.ones((1, 1)), [Sensor(ZEROS)], 1, device_name=ZEROS)
    document = signed(recording.payload(), KEY, encoding=encoding)
    message = decoded(document, encoding, "")
    assert message["payload"]["device_name"] == ZEROS
    assert message["payload"]["sensors"][0]["name"] == ZEROS
    assert message["signature"] != ZEROS
    assert is_signed_by(document, KEY, encoding=encoding)


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    rows=st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=1, max_size=5),
    names=st.tuples(st.text(), st.text()),
    key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    encoding=st.sampled_from(["json", "cbor"]),
)
def test_the_signature_is_that_of_the_bytes_with_zeros(
    rows: list[list[float]], names: tuple[str, str], key: str, encoding: Any
) -> None:
    payload = Recording(np.array(rows), [Sensor(name) for name in names], 62.5).payload()
    document = signed(payload, key, encoding=encoding, iat=1)
    message = decoded(document, encoding, "document")
    assert message["payload"] == payload
    zeroed = document.replace(message["signature"].encode(), ZEROS.encode(), 1)
    assert hmac.new(key.encode(), zeroed, hashlib.sha256).hexdigest() == message["signature"]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_float32_is_written_shortly_and_exactly(values: list[float]) -> None:
    array = np.array(values, np.float32).reshape(-1, 1)
    payload = Recording(array, [Sensor("x")], 1).payload()
    np.testing.assert_array_equal(np.array(payload["values"], np.float32), array)
    assert all(len(repr(row[0])) <= 16 or abs(row[0]) >= 1e6 for row in payload["values"])


def test_float32_tenth() -> None:
    assert Recording(np.array([[0.1]], np.float32), [Sensor("x")], 1).payload()["values"] == [[0.1]]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((0, 1)), "shape"),
        (np.array([["a"]]), "expected numbers"),
        (np.array([[1.0, 2.0]]), "expected a list of 1, one a sensor"),
        (np.array([[1.0], [math.nan]]), r"values\[1\]\[0\] is nan"),
        (np.array([[math.inf]], np.float32), "is inf"),
    ],
)
def test_recordings_that_are_none(values: Any, says: str) -> None:
    with pytest.raises(InvalidParamError, match=says):
        Recording(values, [Sensor("x")], 1).payload()


def changed(path: str, value: Any) -> Any:
    message: Any = json.loads(signed(RECORDING.payload(), KEY, iat=1))
    *parents, last = path.split(".")
    place = message
    for name in parents:
        place = place[name]
    place[last] = value
    return message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("protected", 1),
        ("protected.ver", "v2"),
        ("protected.alg", "RS256"),
        ("protected.iat", 1.5),
        ("protected.iat", True),
        ("signature", "0"),
        ("signature", "z" * 64),
        ("payload", []),
        ("payload.device_type", None),
        ("payload.device_name", 3),
        ("payload.interval_ms", "10"),
        ("payload.interval_ms", math.nan),
        ("payload.interval_ms", -1),
        ("payload.interval_ms", 10**400),
        ("payload.sensors", []),
        ("payload.sensors", [{"name": "x"}]),
        ("payload.values", []),
        ("payload.values", {}),
        ("payload.values", [1, 2]),
        ("payload.values", [[1, 2]]),
        ("payload.values", [[1, 2, True]]),
        ("payload.values", [[1, 2, None]]),
        ("payload.values", [[1, 2, math.nan]]),
        ("payload.values", [[1, 2, 10**5000]]),
    ],
)
def test_documents_that_are_none(path: str, value: Any) -> None:
    assert check_document(json.loads(signed(RECORDING.payload(), KEY)), "x")["interval_ms"] == 10
    with pytest.raises(InvalidParamError, match=r"^E804.*file\.json: ") as info:
        check_document(changed(path, value), "file.json")
    assert "\n" not in info.value.message
    assert len(info.value.message) < 200


@pytest.mark.parametrize("encoding", ["json", "cbor"])
@given(content=st.binary(max_size=200))
def test_random_bytes_are_a_value_or_an_error(encoding: Any, content: bytes) -> None:
    with suppress(InvalidParamError):
        check_document(decoded(content, encoding, "x"), "x")


@given(st.integers(0, 321), st.integers(0, 255))
def test_one_wrong_byte_of_cbor(position: int, byte: int) -> None:
    content = bytearray(signed(RECORDING.payload(), KEY, encoding="cbor", iat=1564128599))
    before, content[position] = content[position], byte
    try:
        assert is_signed_by(bytes(content), KEY, encoding="cbor") is (before == byte)
    except InvalidParamError:
        assert before != byte


def test_deep_nesting_is_an_error() -> None:
    for encoding, content in (("json", b"[" * 100_000), ("cbor", b"\x81" * 100_000)):
        with pytest.raises(InvalidParamError):
            check_document(decoded(content, encoding, "x"), "x")  # type: ignore[arg-type]


def test_without_cbor2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from ai_runner.errors import MissingRuntimeError

    monkeypatch.setitem(sys.modules, "cbor2", None)
    with pytest.raises(MissingRuntimeError) as info:
        signed(RECORDING.payload(), encoding="cbor")
    assert info.value.hint == "pip install 'ai-runner[ingestion]'"
