"""The tensor objects of AiRunner's dictionaries: storage formats, packing, printing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.io_tensor import IOTensor
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat

S1, U1, Q7, Q15, UQ15 = 0x008400C0, 0x000400C0, 0x00840447, 0x0084084F, 0x0004084F


def tensor(word: int, shape: tuple[int, ...]) -> IOTensor:
    decoded = TensorFormat.decode(word)
    assert decoded.dtype is not None
    return IOTensor(TensorInfo("t", shape, decoded.dtype, format=decoded, tag="N.3.0"))


@pytest.mark.parametrize(
    ("word", "dtype", "packed", "fixed_point"),
    [
        (0x00821040, "float32", False, False),
        (0x01821040, "float32", False, False),
        (0x08821040, "float32", False, False),
        (0x00820840, "float16", False, False),
        (0x00822040, "float64", False, False),
        (U1, "uint32", True, False),
        (S1, "int32", True, False),
        (0x00040440, "uint8", False, False),
        (0x00840440, "int8", False, False),
        (0x00840840, "int16", False, False),
        (0x00842040, "int64", False, False),
        (0x00840243, "int8", False, True),
        (Q7, "int8", False, True),
        (Q15, "int16", False, True),
        (UQ15, "uint16", False, True),
        (0x00060440, "bool", False, False),
    ],
)
def test_format_words_of_the_specification(word: int, dtype: str, packed: bool, fixed_point: bool) -> None:
    decoded = TensorFormat.decode(word)
    assert decoded.dtype == np.dtype(dtype)
    assert (decoded.packed, decoded.fixed_point) == (packed, fixed_point)


@pytest.mark.parametrize("word", [0x40, 0x00040240, 0x00840040, 0xFFFFFFFF])
def test_words_that_numpy_cannot_store_have_no_dtype(word: int) -> None:
    assert TensorFormat.decode(word).dtype is None


@given(st.integers(0, 2**32 - 1))
def test_any_word_decodes(word: int) -> None:
    decoded = TensorFormat.decode(word)
    assert decoded.dtype is None or decoded.dtype.itemsize


@given(st.integers(1, 100), st.integers(1, 3), st.integers(0, 2**32 - 1), st.booleans())
def test_packed_bits_come_back(last: int, rows: int, seed: int, signed: bool) -> None:
    packed = tensor(S1 if signed else U1, (1, rows, last))
    bits = np.random.default_rng(seed).integers(0, 2, (1, rows, last))
    values = (1 - 2 * bits if signed else bits).astype(np.int8)
    words = packed.pack(values)
    assert words.shape == packed.get_c_shape() == (1, rows, -(-last // 32))
    assert words.dtype == packed.zeros().dtype
    assert (packed.unpack(words) == values).all()


def test_the_first_element_is_the_most_significant_bit() -> None:
    assert tensor(U1, (1, 4)).pack(np.array([[1, 0, 0, 1]])).tolist() == [[0x90000000]]


@pytest.mark.parametrize(("word", "step"), [(Q7, 2**-7), (Q15, 2**-15), (UQ15, 2**-15)])
def test_fixed_point(word: int, step: float) -> None:
    fixed = tensor(word, (1, 3))
    stored = fixed.quantize(np.array([[0.5, 0.25, 99.0]]))
    assert fixed.dequantize(stored)[0, :2].tolist() == [0.5, 0.25]
    assert fixed.to_float32(stored)[0, 2] == np.iinfo(fixed.dtype).max * step


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (
            TensorInfo("in", (1, 1, 1, 4), np.dtype(np.float32), tag="I.0", memory_pool="in 'activations' buffer"),
            "I.0 f32[1,1,1,4], 16 Bytes, in activations buffer",
        ),
        (
            TensorInfo(
                "q", (1, 2, 2, 3), np.dtype(np.int8), Quantization((np.float32(0.05).item(),), (-3,)), memory_pool=""
            ),
            "int8[1,2,2,3], 12 Bytes, QLinear(0.050000001,-3,int8)",
        ),
        (TensorInfo("s", (4,), np.dtype(np.uint8), tag="O.1"), "O.1 uint8[1,4], 4 Bytes, user"),
    ],
)
def test_prints_like_st(info: TensorInfo, text: str) -> None:
    assert str(IOTensor(info)) == text


def test_facts() -> None:
    packed = tensor(S1, (1, 40))
    assert (packed.is_packed, packed.is_signed, packed.is_quantized, packed.is_fxp, packed.is_bool) == (1, 1, 0, 0, 0)
    assert (packed.size, packed.get_c_size(), packed.get_c_size_in_bytes()) == (40, 2, 8)
    assert str(packed) == "N.3.0 s1[1,40], 8 Bytes, user"
    assert packed.raw_fmt == S1
    assert packed.quant_params == {}
