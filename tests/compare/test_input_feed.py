"""The same real values for every runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_runner.compare.input_feed import InputFeed
from ai_runner.errors import InvalidModelError
from ai_runner.model import TensorInfo
from ai_runner.packed_pixels import PackedPixels


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


@pytest.mark.parametrize("to_front", [False, True])
def test_channels_go_where_the_target_has_them(tensors: Any, to_front: bool) -> None:
    last = np.random.default_rng(0).integers(-9, 9, (2, 4, 5, 3)).astype(np.int8)
    given, wanted = (last, np.moveaxis(last, -1, 1)) if to_front else (np.moveaxis(last, -1, 1), last)
    target = tensors.i8("x", *wanted.shape[1:], scale=0.25)
    warnings: list[str] = []
    (fed,) = InputFeed([tensors.i8("t", *given.shape[1:], scale=0.25)], [target], "target", warnings.append)([given])
    assert np.array_equal(fed, wanted)
    assert fed.flags.c_contiguous
    (real,) = InputFeed([tensors.f32("t", *given.shape[1:])], [target], "target")([given.astype(np.float32)])
    assert np.array_equal(real, np.clip(wanted * 4.0 + 3, -128, 127).astype(np.int8))
    shapes = f"{[1, *wanted.shape[1:]]} is given the reference's {[1, *given.shape[1:]]}"
    assert warnings == [f"input 'x' {shapes} with the channels moved"]


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


def test_a_vector_gets_an_image_flattened_and_the_other_way_round(tensors: Any) -> None:
    image, vector = tensors.i8("image", 2, 3, 1, scale=0.5, zero_point=0), tensors.f32("features", 6)
    values = np.arange(12, dtype=np.int8).reshape(2, 2, 3, 1)
    (fed,) = InputFeed([image], [vector], "target")([values])
    assert fed.tolist() == (values.reshape(2, 6) / 2).tolist()
    (back,) = InputFeed([vector], [image], "target")([fed])
    assert np.array_equal(back, values)


def packed(tensors: Any, low: float = 0.0, high: float = 1.0) -> TensorInfo:
    tensor: TensorInfo = tensors.f32("features", 4)
    return replace(tensor, pixels=PackedPixels(2, 2, 3, low, high))


def test_images_are_packed_for_who_takes_pixels(tensors: Any) -> None:
    warnings: list[str] = []
    image = tensors.i8("image", 2, 2, 3, scale=1 / 255, zero_point=-128)
    values = np.random.default_rng(0).integers(-128, 128, (3, 2, 2, 3)).astype(np.int8)
    (fed,) = InputFeed([image], [packed(tensors)], "target", warnings.append)([values])
    colours = values.astype(int) + 128
    assert np.array_equal(fed, (colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]).reshape(3, 4))
    assert (fed.dtype, fed.shape, warnings) == (np.float32, (3, 4), [])
    (back,) = InputFeed([packed(tensors)], [image], "target")([fed])
    assert np.array_equal(back, values)


def test_values_between_pixels_are_rounded_and_that_is_said(tensors: Any) -> None:
    warnings: list[str] = []
    values = np.full((1, 2, 2, 3), 0.3, np.float32)
    (fed,) = InputFeed([tensors.f32("image", 2, 2, 3)], [packed(tensors, -1.0)], "target", warnings.append)([values])
    assert int(fed[0, 0]) & 255 == 166  # (0.3 + 1) / 2 * 255 = 165.75
    assert warnings == ["takes pixels of 8 bits for -1..1 (scale=): other values were rounded to them"]


def test_pixels_go_unchanged_from_impulse_to_impulse(tensors: Any) -> None:
    features = np.array([[1, 2, 3, 0xFFFFFF]], np.float32)
    (fed,) = InputFeed([packed(tensors)], [packed(tensors)], "target")([features])
    assert np.array_equal(fed, features)
    (fed,) = InputFeed([packed(tensors, -1.0)], [packed(tensors)], "target")([np.zeros((1, 4), np.float32)])
    assert fed.tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    ("scale", "zero_point", "expected"), [(1.0, -128, (0, 255)), (1 / 127.5, 0, (-1, 1)), (1 / 255, -128, (0, 1))]
)
def test_pixels_of_nobody_knows_what_are_what_the_input_of_the_reference_suggests(
    tensors: Any, scale: float, zero_point: int, expected: tuple[float, float]
) -> None:
    warnings: list[str] = []
    image = tensors.i8("image", 2, 2, 3, scale=scale, zero_point=zero_point)
    target = replace(tensors.f32("features", 4), pixels=PackedPixels(2, 2, 3, assumed=True))
    white = np.full((1, 2, 2, 3), 127, np.int8)
    (fed,) = InputFeed([image], [target], "target", warnings.append)([white])
    assert fed.tolist() == [[0xFFFFFF] * 4]
    said = f"pixels are taken for {expected[0]}..{expected[1]}, as the reference's input suggests (scale=)"
    assert (said in warnings) == (expected != (0, 1))


def test_pixels_of_another_impulse_are_passed_on_where_nobody_has_told_what_they_are(tensors: Any) -> None:
    told, assumed = packed(tensors, -1.0), packed(tensors)
    assumed = replace(assumed, pixels=PackedPixels(2, 2, 3, assumed=True))
    features = np.array([[1, 2, 3, 0xFFFFFF]], np.float32)
    (fed,) = InputFeed([told], [assumed], "target")([features])
    assert np.array_equal(fed, features)


def test_the_nearest_inputs_are_those_that_pixels_stand_for(tensors: Any) -> None:
    warnings: list[str] = []
    values = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 3)).astype(np.float32)
    feed = InputFeed([tensors.f32("image", 2, 2, 3)], [packed(tensors)], "target", warnings.append)
    (near,) = feed.nearest([values])
    assert (near.dtype, near.shape) == (np.float32, values.shape)
    assert np.abs(near - values.clip(0, 1)).max() <= 0.5 / 255 + 1e-6
    feed([near])
    assert warnings == []
    (again,) = feed.nearest([near])
    assert np.array_equal(again, near)
    odd = tensors.i8("image", 2, 2, 3, scale=0.003, zero_point=-128)
    (stored,) = InputFeed([odd], [packed(tensors)], "target").nearest([np.full((1, 2, 2, 3), -30, np.int8)])
    assert stored.dtype == np.int8
    assert stored.ravel()[0] == round(round(98 * 0.003 * 255) / 255 / 0.003) - 128


def test_the_nearest_inputs_for_who_takes_any_are_the_same(tensors: Any) -> None:
    values = np.array([[[0.1, 0.2]]], np.float32)
    (near,) = InputFeed([tensors.f32("t", 1, 2)], [tensors.i8("t", 1, 2)], "target").nearest([values])
    assert near is values
