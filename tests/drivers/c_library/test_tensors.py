from __future__ import annotations

import ctypes

import numpy as np
import pytest

from ai_runner.drivers.c_library.legacy_abi import channels_last, error_text
from ai_runner.drivers.c_library.stai_abi import code_text, flags_text
from ai_runner.drivers.c_library.tensors import (
    quantization_of,
    read_array,
    read_text,
    tensor_info,
)
from ai_runner.errors import InvalidModelError
from ai_runner.model import TensorInfo, TensorRole
from ai_runner.quantization import Quantization
from ai_runner.st_node_types import node_type

FLOAT32, INT8, Q7, BITS, FOUR_BITS = 0x08821040, 0x00840440, 0x00840447, 0x008400C0, 0x00840240


def tensor(shape: tuple[int, ...], word: int, size_bytes: int = 0) -> TensorInfo:
    return tensor_info("t", shape, word, None, TensorRole.INPUT, "I.0", size_bytes=size_bytes)


@pytest.mark.parametrize(
    ("shape", "word", "dtype", "stored", "size"),
    [
        ((1, 4), FLOAT32, np.float32, (4,), 16),
        ((4,), INT8, np.int8, (4,), 4),
        ((3, 4), INT8, np.int8, (3, 4), 12),
        ((), FLOAT32, np.float32, (), 4),
        ((1, 2, 33), BITS, np.int32, (2, 2), 16),  # the last dimension fills 32-bit words
        ((1, 5), FOUR_BITS, np.uint8, (3,), 3),  # numpy has no 4-bit type: its bytes
    ],
)
def test_storage_of_one_sample(
    shape: tuple[int, ...], word: int, dtype: type, stored: tuple[int, ...], size: int
) -> None:
    info = tensor(shape, word)
    assert (info.dtype, info.sample_shape, info.size_bytes) == (np.dtype(dtype), stored, size)


def test_fixed_point_is_an_affine_mapping() -> None:
    assert tensor((1, 4), Q7).quantization == Quantization((2.0**-7,), (0,))


@pytest.mark.parametrize("shape", [(0,), (1, -3), (2**31,), (2**20, 2**20), (1,) * 17])
def test_impossible_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidModelError, match="impossible shape"):
        tensor(shape, FLOAT32)


def test_a_size_that_the_shape_does_not_fit_is_refused() -> None:
    assert tensor((1, 4), FLOAT32, size_bytes=32).size_bytes == 16
    with pytest.raises(InvalidModelError, match="declares 8 bytes"):
        tensor((1, 4), FLOAT32, size_bytes=8)
    with pytest.raises(InvalidModelError, match="unknown format 0x00000040"):
        tensor((1, 4), 0x40)


def test_scales_run_along_the_dimension_of_their_number() -> None:
    assert quantization_of([0.5], [-3], (1, 2, 3), INT8) == Quantization((0.5,), (-3,))
    assert quantization_of([0.5, 0.25], [0], (1, 2, 3), INT8) == Quantization((0.5, 0.25), (0, 0), 1)
    assert quantization_of([0.5, 0.25], [1, 2], (2, 3, 2), INT8) == Quantization((0.5, 0.25), (1, 2), 2)
    with pytest.raises(InvalidModelError, match="2 scales"):
        quantization_of([0.5, 0.25], [1, 2], (1, 3), INT8)
    with pytest.raises(InvalidModelError, match="2 zero points"):
        quantization_of([0.5], [1, 2], (1, 3), INT8)


@pytest.mark.parametrize("scale", [[], [0.0], [-1.0], [float("nan")], [float("inf")]])
def test_no_usable_scale_is_no_quantization(scale: list[float]) -> None:
    assert quantization_of(scale, [0], (1, 3), INT8) is None


def test_real_values_have_no_quantization() -> None:
    assert quantization_of([0.5], [0], (1, 3), FLOAT32) is None


def test_counts_are_checked_before_anything_is_read() -> None:
    numbers = (ctypes.c_int32 * 3)(1, 2, 3)
    assert read_array(ctypes.addressof(numbers), 3, ctypes.c_int32, "numbers") == [1, 2, 3]
    assert read_array(None, 0, ctypes.c_int32, "numbers") == []
    with pytest.raises(InvalidModelError, match="3 numbers at no address"):
        read_array(None, 3, ctypes.c_int32, "numbers")
    with pytest.raises(InvalidModelError, match="at most 2 are plausible"):
        read_array(ctypes.addressof(numbers), 3, ctypes.c_int32, "numbers", limit=2)


def test_text_of_a_library_is_printable_and_bounded() -> None:
    assert read_text(None) == ""
    text = ctypes.create_string_buffer(b"a\x1b[31m\xff\n" + b"x" * 2000)
    assert read_text(ctypes.addressof(text)).startswith("a?[31m")
    assert len(read_text(ctypes.addressof(text))) == 512


def test_channels_last() -> None:
    assert channels_last(1, [9, 2, 3, 4]) == (1, 4, 3, 2)
    assert channels_last(1, [1, 2, 3, 4, 5]) == (1, 4, 3, 5, 2)
    assert channels_last(1, [1, 2, 3, 4, 5, 6]) == (1, 4, 3, 5, 6, 2)
    assert channels_last(1, [1, 7]) == (1, 7)
    assert channels_last(2, [1, 2, 3, 4]) == (1, 2, 3, 4)


def test_texts_of_error_words() -> None:
    assert error_text(0x30 | 0x13 << 8) == 'type="Init Failed"(0x30), code="Network Activations"(0x13)'
    assert error_text(0x77 | 0x99 << 8) == 'type="Unknown"(0x77), code="Unknown"(0x99)'
    assert code_text(0x040040) == "invalid weights pointer (0x040040)"
    assert code_text(-1) == "unknown code (0xffffffff)"
    assert flags_text(1 << 27 | 1 << 30) == "flag_inputs,flag_weights"


def test_node_types() -> None:
    assert node_type(0x104) == (0x104, "Dense")
    assert node_type(0x8104) == (0x104, "Dense")
    assert node_type(0x181) == (0x181, "LSTM")
    assert node_type(5) == (5, "Node")
