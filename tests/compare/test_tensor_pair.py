"""What is found about two tensors, in raw integers, in real values and across the two."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.tensor_pair import TensorComparison, TensorPair, class_count, real_values, step_size
from ai_runner.compare.tolerance import ToleranceRule
from ai_runner.errors import InvalidMsgError
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat

Array = npt.NDArray[Any]


def compared(
    reference: TensorInfo, target: TensorInfo, ours: Any, theirs: Any, rule: ToleranceRule | None = None
) -> TensorComparison:
    pair = TensorPair(reference, target, rule or ToleranceRule())
    pair.update(np.asarray(ours, reference.dtype), np.asarray(theirs, target.dtype))
    return pair.result()


def test_equal_integers(tensors: Any) -> None:
    tensor = tensors.i8("t", 4)
    found = compared(tensor, tensor, [[1, 2, 3, 4]], [[1, 2, 3, 4]])
    assert found.within
    assert (found.max_lsb, found.reason, found.histogram) == (0, "", {0: 4})
    assert found.metrics["cos"] == found.metrics_raw["cos"] == 1
    assert found.metrics["acc"] == found.metrics_raw["acc"] == 1


def test_integers_are_measured_raw_and_dequantized(tensors: Any) -> None:
    tensor = tensors.i8("t", 2, 2, scale=0.5, zero_point=3)
    found = compared(tensor, tensor, [[[1, 2], [3, 4]]], [[[1, 2], [3, 6]]])
    assert found.metrics["max_abs"] == 1.0
    assert found.metrics_raw["max_abs"] == 2
    assert found.metrics["mean"] == pytest.approx(-0.25)
    # The zero point matters to everything that is relative to the reference.
    assert found.metrics["l2r"] == pytest.approx(1.0 / np.linalg.norm([-1.0, -0.5, 0.0, 0.5]))
    assert found.metrics_raw["l2r"] == pytest.approx(2.0 / np.linalg.norm([1, 2, 3, 4]))
    assert (found.max_lsb, found.beyond, found.within) == (2, 1, False)
    assert found.reason == "1 of 4 values beyond 1 LSB, the largest error is 2 LSB"
    assert math.isnan(found.metrics["acc"])


def test_one_step_is_within_the_default(tensors: Any) -> None:
    tensor = tensors.i8("t", 3)
    assert compared(tensor, tensor, [[1, 2, 3]], [[2, 1, 3]]).within
    assert not compared(tensor, tensor, [[1, 2, 3]], [[2, 1, 3]], ToleranceRule(max_lsb=0)).within


def test_the_ends_of_int8_are_far_apart(tensors: Any) -> None:
    tensor = tensors.i8("t", 1)
    assert compared(tensor, tensor, [[-128]], [[127]]).max_lsb == 255


def test_other_quantization_is_compared_in_steps_of_the_reference(tensors: Any) -> None:
    reference = tensors.i8("t", 3, scale=0.5, zero_point=0)
    target = tensors.i8("t", 3, scale=0.25, zero_point=-7)
    same = compared(reference, target, [[1, 2, -3]], [[2 - 7, 4 - 7, -6 - 7]])
    assert same.within
    assert same.max_lsb == 0
    assert math.isnan(same.metrics_raw["rmse"])
    assert same.histogram == {}
    # 1.5 steps of the reference are 3 of the target.
    off = compared(reference, target, [[1, 2, -3]], [[5 - 7, 4 - 7, -6 - 7]])
    assert off.max_lsb == pytest.approx(1.5)
    assert (off.beyond, off.within) == (1, False)


def test_a_quantized_target_of_a_real_reference_is_compared_in_its_own_steps(tensors: Any) -> None:
    reference, target = tensors.f32("t", 3), tensors.i8("t", 3, scale=0.25, zero_point=-7)
    near = compared(reference, target, [[0.4, 1.0, -1.6]], [[2 - 7, 4 - 7, -6 - 7]])
    assert near.within
    assert near.max_lsb == pytest.approx(0.4)
    far = compared(reference, target, [[0.4, 1.0, -1.6]], [[2 - 7, 2 - 7, -6 - 7]])
    assert (far.beyond, far.max_lsb) == (1, pytest.approx(2.0))


def test_exactly_one_step_passes_although_float32_rounds(tensors: Any) -> None:
    scale = float(np.float32(0.1))
    reference = tensors.i8("t", 200, scale=scale, zero_point=0)
    steps = np.arange(-100, 100)
    target = tensors.f32("t", 200)
    found = compared(reference, target, [steps], [np.float32(scale) * (steps + 1).astype(np.float32)])
    assert found.within
    assert found.max_lsb == pytest.approx(1.0, abs=1e-3)


def test_a_target_that_declares_no_quantization_has_the_reference_s(tensors: Any) -> None:
    reference, target = tensors.i8("t", 2, scale=0.5), tensors.i8("t", 2, scale=None)
    found = compared(reference, target, [[3, 5]], [[3, 6]])
    assert found.within
    assert found.metrics["max_abs"] == 0.5
    assert found.metrics_raw["max_abs"] == 1
    other_way = compared(target, reference, [[3, 5]], [[3, 6]])
    assert other_way.metrics["max_abs"] == 0.5
    assert other_way.within


def test_real_values(tensors: Any) -> None:
    tensor = tensors.f32("t", 3)
    assert compared(tensor, tensor, [[1, 1000, 0]], [[1.0001, 1000.09, 9e-6]]).within
    found = compared(tensor, tensor, [[1, 1000, 0]], [[1.001, 1000, 2e-5]])
    assert (found.beyond, found.max_lsb) == (2, None)
    assert found.reason == "2 of 3 values beyond atol 1e-05 + rtol 0.0001, the largest error is 0.001"
    assert found.metrics == found.metrics_raw


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_equal_nan_and_inf_never_pass(tensors: Any, value: float) -> None:
    tensor = tensors.f32("t", 3)
    found = compared(tensor, tensor, [[1, value, 2]], [[1, value, 2]], ToleranceRule(atol=1e30))
    assert not found.within
    assert found.beyond == 1
    assert "the reference has" in found.reason
    assert "the target has" in found.reason


def test_nan_on_one_side_is_named(tensors: Any) -> None:
    tensor = tensors.f32("t", 2)
    assert compared(tensor, tensor, [[1, 2]], [[1, math.nan]]).reason == "the target has 1 NaN and 0 Inf"
    quantized = tensors.i8("t", 2, scale=0.5, zero_point=0)
    found = compared(quantized, tensor, [[2, 4]], [[1, math.nan]])
    assert (found.beyond, found.max_lsb) == (1, 0)


def test_nothing_compared_is_not_within(tensors: Any) -> None:
    tensor = tensors.f32("t", 2)
    found = TensorPair(tensor, tensor, ToleranceRule()).result()
    assert not found.within
    assert found.reason == "no value was compared"


def test_a_target_s_shape_may_have_other_ones(tensors: Any) -> None:
    found = compared(tensors.f32("t", 2, 2), tensors.f32("t", 1, 2, 1, 2), np.ones((5, 2, 2)), np.ones((5, 1, 2, 1, 2)))
    assert found.within
    assert found.count == 20


def test_another_number_of_values_is_the_peer_s_fault(tensors: Any) -> None:
    with pytest.raises(InvalidMsgError, match="3 values returned where 2 were expected"):
        compared(tensors.f32("t", 2), tensors.f32("t", 2), [[1, 2]], [[1, 2, 3]])


@given(
    hnp.arrays(np.int8, st.tuples(st.just(2), st.integers(1, 12), st.just(5))),
    st.integers(0, 12),
    st.sampled_from([(0.5, 3), (0.25, 3), (0.5, 4)]),
)
def test_any_cut_gives_the_same(data: Array, cut: int, quantization: tuple[float, int]) -> None:
    reference = TensorInfo("t", (1, 5), np.dtype(np.int8), Quantization((0.5,), (3,)))
    target = replace(reference, quantization=Quantization((quantization[0],), (quantization[1],)))
    ours, theirs = data
    whole, merged, chunked = (TensorPair(reference, target, ToleranceRule()) for _ in range(3))
    whole.update(ours, theirs)
    for piece in (slice(0, cut), slice(cut, None)):
        part = TensorPair(reference, target, ToleranceRule())
        part.update(ours[piece], theirs[piece])
        merged.merge(part)
        chunked.update(ours[piece], theirs[piece])
    expected = whole.result()
    for other in (merged.result(), chunked.result()):
        assert (other.max_lsb, other.beyond, other.count) == (expected.max_lsb, expected.beyond, expected.count)
        assert other.histogram == expected.histogram
        assert other.metrics == pytest.approx(expected.metrics, rel=1e-9, abs=1e-12, nan_ok=True)
        assert other.metrics_raw == pytest.approx(expected.metrics_raw, rel=1e-9, abs=1e-12, nan_ok=True)


def test_many_samples_are_worked_on_in_blocks(tensors: Any) -> None:
    tensor = tensors.i8("t", 1000)
    rng = np.random.default_rng(0)
    ours = rng.integers(-128, 128, (700, 1000), np.int8)
    theirs = ours.copy()
    theirs[699, 999] ^= 64
    found = compared(tensor, tensor, ours, theirs)
    assert (found.count, found.beyond, found.max_lsb) == (700_000, 1, 64)


def test_per_channel_values_and_steps() -> None:
    tensor = TensorInfo("t", (1, 2, 3), np.dtype(np.int8), Quantization((1.0, 2.0, 4.0), (0, 1, 2), axis=2))
    stored = np.array([[[1, 1, 1], [2, 2, 2]]], np.int8)
    assert real_values(tensor, stored).tolist() == [[[1, 0, -4], [2, 2, 0]]]
    assert step_size(tensor, 3).ravel().tolist() == [1, 2, 4]
    # A first dimension that is no batch: data has one dimension more than the declared shape.
    whole = replace(tensor, shape=(2, 3), quantization=replace(tensor.quantization, axis=1))  # type: ignore[type-var]
    assert real_values(whole, stored).tolist() == [[[1, 0, -4], [2, 2, 0]]]


def test_fixed_point_values() -> None:
    q7 = TensorFormat.decode((1 << 23) | (2 << 17) | (8 << 7) | (7 + 64))
    tensor = TensorInfo("t", (1, 2), np.dtype(np.int8), format=q7)
    assert real_values(tensor, np.array([[64, -128]], np.int8)).tolist() == [[0.5, -1.0]]


@pytest.mark.parametrize(
    ("shape", "classes"), [((1, 10), 10), ((1, 1, 1, 10), 10), ((1, 1), 1), ((1, 2, 5), 0), ((1,), 1), ((10,), 10)]
)
def test_what_counts_as_class_scores(shape: tuple[int, ...], classes: int) -> None:
    assert class_count(TensorInfo("t", shape, np.dtype(np.float32))) == classes
