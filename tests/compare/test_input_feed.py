"""The same real values for every runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.compare.input_feed import InputFeed
from ai_runner.errors import InvalidModelError
from ai_runner.model import TensorInfo


def test_same_integers_pass_unchanged(tensors: Any) -> None:
    tensor = tensors.i8("t", 2, 2)
    values = np.array([[[1, 2], [3, -128]]], np.int8)
    (fed,) = InputFeed([tensor], [tensors.i8("x", 1, 2, 2)], "target")([values])
    assert fed.dtype == np.int8
    assert fed.shape == (1, 1, 2, 2)
    assert fed.ravel().tolist() == values.ravel().tolist()


def test_integers_of_another_scale_carry_the_same_real_values(tensors: Any) -> None:
    reference = tensors.i8("t", 3, scale=0.5, zero_point=3)
    target = tensors.i8("t", 3, scale=0.25, zero_point=-1)
    (fed,) = InputFeed([reference], [target], "target")([np.array([[3, 4, 127]], np.int8)])
    assert fed.tolist() == [[-1, 1, 127]]  # 0.0, 0.5 and 62.0, which saturates


def test_float_targets_get_real_values_and_integer_targets_quantized_ones(tensors: Any) -> None:
    quantized, real = tensors.i8("t", 2, scale=0.5, zero_point=3), tensors.f32("t", 2)
    (fed,) = InputFeed([quantized], [real], "target")([np.array([[3, 5]], np.int8)])
    assert fed.dtype == np.float32
    assert fed.tolist() == [[0.0, 1.0]]
    (fed,) = InputFeed([real], [quantized], "target")([np.array([[0.0, 1.0]], np.float32)])
    assert fed.dtype == np.int8
    assert fed.tolist() == [[3, 5]]


def test_inputs_are_matched_by_name(tensors: Any) -> None:
    reference = [tensors.f32("a", 2), tensors.f32("b", 2)]
    feed = InputFeed(reference, [reference[1], reference[0]], "target")
    a, b = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    assert [array.tolist() for array in feed([a, b])] == [b.tolist(), a.tolist()]


def test_another_model_is_named(tensors: Any) -> None:
    with pytest.raises(InvalidModelError, match="fake: 2 inputs where the reference has 1"):
        InputFeed([tensors.f32("a", 2)], [tensors.f32("a", 2), tensors.f32("b", 2)], "fake")
    with pytest.raises(InvalidModelError, match=r"fake: input 'x' \[1, 3\] fits none of the reference's: 'a' \[1, 2\]"):
        InputFeed([tensors.f32("a", 2)], [tensors.f32("x", 3)], "fake")


def test_real_values_cannot_go_into_plain_integers(tensors: Any) -> None:
    plain = TensorInfo("x", (1, 2), np.dtype(np.int32))
    with pytest.raises(InvalidModelError, match="without quantization"):
        InputFeed([tensors.f32("a", 2)], [plain], "fake")
    (fed,) = InputFeed([plain], [TensorInfo("x", (1, 2), np.dtype(np.int64))], "fake")([np.array([[1, 2]], np.int32)])
    assert fed.dtype == np.int64
