"""What crosses between parent and child arrives as it was sent, and nothing but values arrives."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner import errors
from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidMsgError, TargetCrashError
from ai_runner.isolation.channel import Channel
from ai_runner.isolation.values import decode, decode_error, encode, encode_error
from ai_runner.model import Caps, Mode, TensorInfo, TensorRole
from ai_runner.packed_pixels import PackedPixels
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat


def there_and_back(value: Any) -> Any:
    """Through a real channel."""
    blobs: list[memoryview] = []
    stream = io.BytesIO()
    header = {"value": encode(value, blobs)}
    Channel(io.BytesIO(), stream).send(header, blobs)
    stream.seek(0)
    received, parts = Channel(stream, io.BytesIO()).receive()
    assert received == header
    return decode(received["value"], parts)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text()), inner)
    ),
    max_leaves=12,
)


@given(plain)
def test_plain_values_arrive_as_they_are(value: Any) -> None:
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "<i4", ">i4", "i8", "f2", "f4", "f8", "c8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_arrive_with_type_shape_and_bytes(dtype: str, shape: tuple[int, ...]) -> None:
    value = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype)
    back = there_and_back([value, value.T])
    for sent, got in zip((value, value.T), back, strict=True):
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent, strict=True)
        assert got.flags.owndata or got.base.flags.owndata
        assert got.flags.writeable


def test_records_and_enumerations_arrive_equal() -> None:
    tensor = TensorInfo(
        "x",
        (1, 2),
        np.dtype(">i2"),
        Quantization((0.1, 1 / 3), (0, -5), 1),
        TensorRole.OUTPUT,
        format=TensorFormat.of_dtype("int16"),
        labels=("a", "b"),
        pixels=PackedPixels(4, 3, 1, -1.0, 1.0),
    )
    value = {"tensor": tensor, "caps": (Caps.RELOC,), "mode": Mode.PER_LAYER | Mode.PERF_ONLY, "path": Path("a") / "b"}
    assert there_and_back(value) == value


def test_what_cannot_cross_is_refused() -> None:
    for value in (object(), np.array([object()]), {1, 2}, print):
        with pytest.raises(TypeError):
            encode(value, [])


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"$unknown": []},
        {"$array": [0, "O", [1]]},
        {"$array": [7, "i1", [1]]},
        {"$array": [0, "<i4", [1]]},
        {"$array": [0, "|i1", [100]]},
        {"$array": [0, "no type", [1]]},
        {"$enum": ["Caps", 77]},
        {"$enum": ["int", 1]},
        {"$TensorInfo": []},
        {"$os.system": ["true"]},
        {"$dict": [1]},
        {"$tuple": None},
        {"$tuple": [], "$dict": []},
    ],
)
def test_nonsense_is_an_invalid_message(value: Any) -> None:
    with pytest.raises(InvalidMsgError):
        decode(value, [memoryview(b"abc")])


@given(st.binary(max_size=200))
def test_a_channel_gives_messages_or_typed_errors(data: bytes) -> None:
    channel = Channel(io.BytesIO(data), io.BytesIO())
    try:
        channel.receive()
    except (EOFError, InvalidMsgError):
        return
    pytest.fail("random bytes made a message")


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_a_channel_survives_headers_of_its_own_length(text: bytes, payload: bytes) -> None:
    frame = len(text).to_bytes(4, "little") + len(payload).to_bytes(8, "little") + text + payload
    try:
        header, blobs = Channel(io.BytesIO(frame), io.BytesIO()).receive()
    except InvalidMsgError:
        return
    assert isinstance(header, dict)
    assert sum(map(len, blobs)) <= len(payload)


def test_every_class_of_error_arrives_as_itself() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, AiRunnerError)]
    assert len(classes) > 10
    for cls in classes:
        blobs: list[memoryview] = []
        sent = cls("what", hint="do", evidence={"n": 1, "bytes": b"ab"}, retryable=True)
        got = decode_error(json.loads(json.dumps(encode_error(sent, blobs))), blobs)
        assert type(got) is cls
        assert vars(got) == vars(sent)


def test_another_error_arrives_with_its_traceback() -> None:
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError as error:
        got = decode_error(encode_error(error, []), [])
    assert type(got) is AiRunnerError
    assert got.message == "ZeroDivisionError: oh"
    assert "test_another_error" in "".join(got.evidence["traceback"])


def test_an_unknown_class_of_error_is_an_invalid_message() -> None:
    for name in ("Mapping", "KeyboardInterrupt", None):
        with pytest.raises(InvalidMsgError):
            decode_error({"class": name}, [])


def test_a_subclass_elsewhere_arrives_as_its_nearest_known_base() -> None:
    class Mine(TargetCrashError, InvalidModelError):
        pass

    assert type(decode_error(encode_error(Mine("x"), []), [])) is TargetCrashError


def test_every_field_of_a_record_crosses() -> None:
    tensor = TensorInfo("x", (1,), np.dtype("f4"))
    ((kind, body),) = encode(tensor, []).items()
    assert kind == "$TensorInfo"
    assert len(body) == len(fields(tensor))
