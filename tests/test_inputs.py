"""Inputs are checked before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.errors import InvalidParamError
from ai_runner.inputs import check_inputs, generate_rnd, nan_warnings
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat

IMAGE = TensorInfo("image", (1, 8, 6, 1), np.dtype(np.float32))
CODES = TensorInfo("codes", (1, 4), np.dtype(np.int8), Quantization((0.5,), (3,)))
PAIR = TensorInfo("pair", (2, 3), np.dtype(np.float32))


@pytest.mark.parametrize(
    ("shape", "batch"),
    [((5, 8, 6, 1), 5), ((5, 8, 6), 5), ((1, 8, 6, 1), 1), ((8, 6), 1), ((8, 6, 1), 1), ((5, 1, 8, 6), 5)],
)
def test_dimensions_of_one_may_be_missing_or_added(shape: tuple[int, ...], batch: int) -> None:
    given = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    arrays = check_inputs(given, [IMAGE])
    assert arrays[0].shape == (batch, 8, 6, 1)
    assert (arrays[0].ravel() == given.ravel()).all()


def test_a_first_dimension_that_is_no_batch_belongs_to_the_sample() -> None:
    assert check_inputs(np.zeros((2, 3), np.float32), [PAIR])[0].shape == (1, 2, 3)
    assert check_inputs(np.zeros((7, 2, 3), np.float32), [PAIR])[0].shape == (7, 2, 3)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ([np.zeros((1, 8, 6, 1), np.float64), np.zeros((1, 4), np.int8)], ["input 0", "image", "float64", "float32"]),
        ([np.zeros((2, 8, 6, 1), np.float32), np.zeros((3, 4), np.int8)], ["input 1", "codes", "3 samples", "2"]),
        ([np.zeros((2, 8, 7, 1), np.float32), np.zeros((2, 4), np.int8)], ["input 0", "(2, 8, 7, 1)", "8, 6, 1"]),
        ([np.zeros((2, 8, 6, 1), np.float32), np.zeros((2, 4), np.float32)], ["input 1", "codes", "int8"]),
        ([np.zeros((2, 6, 8, 1), np.float32), np.zeros((2, 4), np.int8)], ["input 0"]),
        ([np.zeros((2, 8, 6, 1), np.float32)], ["1 given", "2 expected", "codes"]),
        ([np.zeros((2, 8, 6, 1), np.float32), [[1, 2, 3, 4]]], ["input 1", "list given"]),
        ("text", ["str given"]),
        ([np.zeros((0, 8, 6, 1), np.float32), np.zeros((0, 4), np.int8)], ["0 samples"]),
        ([np.array(1, np.float32), np.zeros((1, 4), np.int8)], ["input 0"]),
        ([np.zeros((1, 8, 6, 1), ">f4"), np.zeros((1, 4), np.int8)], ["input 0", ">f4"]),
    ],
)
def test_wrong_inputs_name_the_input_what_was_given_and_what_is_expected(given: Any, parts: list[str]) -> None:
    with pytest.raises(InvalidParamError) as caught:
        check_inputs(given, [IMAGE, CODES])
    for part in parts:
        assert part in str(caught.value)


def test_real_values_for_integers_hint_at_io_mode() -> None:
    with pytest.raises(InvalidParamError) as caught:
        check_inputs(np.zeros((1, 4), np.float32), [CODES])
    assert "io_mode" in caught.value.hint


def test_views_are_made_contiguous() -> None:
    arrays = check_inputs(np.zeros((6, 8, 4), np.float32).transpose(2, 1, 0), [IMAGE])
    assert arrays[0].flags.c_contiguous
    assert arrays[0].shape == (4, 8, 6, 1)


@pytest.mark.parametrize("batch", [1, 1000])
def test_nan_is_a_warning_and_infinity_is_not(batch: int) -> None:
    values = np.zeros((batch, 8, 6, 1), np.float32)
    values[0, 0, 0, 0], values[0, 1, 0, 0] = np.inf, -np.inf
    assert nan_warnings([values], [IMAGE]) == []
    values[0, 2, 0, 0] = np.nan
    assert "image" in nan_warnings([values], [IMAGE])[0]


def test_scalar_inputs_have_one_value_a_sample() -> None:
    scalar = TensorInfo("t", (), np.dtype(np.float32))
    assert check_inputs(np.zeros(3, np.float32), [scalar])[0].shape == (3,)
    assert check_inputs(np.array(3, np.float32), [scalar])[0].shape == (1,)


def test_random_values_cover_the_range_and_repeat() -> None:
    first, again = (generate_rnd([np.int8, np.float32, np.bool_], [(1, 999), (1, 999), (1, 99)]) for _ in range(2))
    assert [a.shape for a in first] == [(4, 999), (4, 999), (4, 99)]
    assert (first[0].min(), first[0].max()) == (-128, 127)
    assert -1 <= first[1].min() < -0.99
    assert 0.99 < first[1].max() < 1
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_packed_inputs_come_as_words() -> None:
    bits = TensorInfo("bits", (1, 40), np.dtype(np.int32), format=TensorFormat.decode(0x008400C0))
    assert (bits.sample_shape, bits.size_bytes) == ((2,), 8)
    assert check_inputs(np.zeros((3, 2), np.int32), [bits])[0].shape == (3, 2)
    with pytest.raises(InvalidParamError, match="bits"):
        check_inputs(np.zeros((3, 40), np.int32), [bits])


def test_limits_and_constants() -> None:
    assert (generate_rnd(np.float32, (1, 5), 2, val=[3.0])[0] == 3).all()
    assert (generate_rnd(np.int8, (1, 5), 2, val=7)[0] == 7).all()
    limited = generate_rnd([np.int8, np.float32], [(1, 99), (1, 99)], 2, val=[5, 2])
    assert all(2 <= a.min() <= a.max() <= 5 for a in limited)
