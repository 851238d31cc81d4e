"""Metrics against their textbook formulas, and the law that every cut of the data gives the same."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.metrics import (
    BLOCK,
    HISTOGRAM_REACH,
    METRICS,
    NON_FINITE,
    Agreement,
    ErrorMetrics,
    IntegerErrors,
    LabelAccuracy,
    Moments,
    exact_difference,
    no_metrics,
)

Array = npt.NDArray[Any]


def measured(reference: Any, target: Any) -> ErrorMetrics:
    metrics = ErrorMetrics()
    metrics.update(np.asarray(reference), np.asarray(target))
    return metrics


def textbook(reference: Array, target: Array) -> dict[str, float]:
    r, t = reference.astype(np.float64).ravel(), target.astype(np.float64).ravel()
    e = r - t
    return {
        "rmse": np.sqrt(np.mean(e**2)),
        "mae": np.mean(np.abs(e)),
        "l2r": np.linalg.norm(e) / np.linalg.norm(r),
        "mean": np.mean(e),
        "std": np.std(e, ddof=1),
        "nse": 1 - np.sum(e**2) / np.sum((r - r.mean()) ** 2),
        "cos": r @ t / np.linalg.norm(r) / np.linalg.norm(t),
        "snr": 10 * np.log10(np.sum(r**2) / np.sum(e**2)),
        "max_abs": np.max(np.abs(e)),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8, np.uint8, np.int16, np.int32])
def test_metrics_are_those_of_the_textbook(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    reference = (rng.normal(size=(7, 30)) * 40).astype(dtype)
    target = (rng.normal(size=(7, 30)) * 40).astype(dtype)
    values = measured(reference, target).values()
    for name, expected in textbook(reference, target).items():
        assert values[name] == pytest.approx(expected, rel=1e-12), name
    assert values["count"] == 210
    assert math.isnan(values["acc"])


def test_more_values_than_one_block_holds() -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(size=2 * BLOCK + 17)
    target = reference + 1e-3 * rng.normal(size=reference.size)
    target[:BLOCK] = reference[:BLOCK]  # one block without an error
    values = measured(reference, target).values()
    for name, expected in textbook(reference, target).items():
        assert values[name] == pytest.approx(expected, rel=1e-9), name


def test_a_small_error_on_a_large_offset_keeps_its_digits() -> None:
    reference = 1e8 + np.arange(1000.0)
    target = reference - 5.0 - (np.arange(1000) % 2)
    metrics = measured(reference, target)
    assert metrics.mean == pytest.approx(5.5, rel=1e-12)
    assert metrics.std == pytest.approx(np.std(5.0 + np.arange(1000) % 2, ddof=1), rel=1e-12)
    assert metrics.nse == pytest.approx(textbook(reference, target)["nse"], rel=1e-12)


@pytest.mark.parametrize(
    ("reference", "target", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], {"rmse": 0, "l2r": 0, "nse": 1, "cos": 1, "snr": math.inf, "max_abs": 0}),
        ([0.0, 0.0], [0.0, 0.0], {"rmse": 0, "l2r": 0, "nse": 1, "cos": 1, "snr": math.inf}),
        ([0.0, 0.0], [1.0, 1.0], {"rmse": 1, "l2r": math.inf, "nse": -math.inf, "cos": 0, "snr": -math.inf}),
        ([2.0, 2.0], [3.0, 3.0], {"nse": -math.inf, "cos": 1, "mean": -1, "std": 0}),
        ([1.0, -1.0], [-1.0, 1.0], {"cos": -1, "mae": 2}),
        ([1e200, 1.0], [-1e200, 1.0], {"rmse": math.inf, "max_abs": 2e200}),
    ],
)
def test_limits(reference: list[float], target: list[float], expected: dict[str, float]) -> None:
    values = measured(reference, target).values()
    assert {name: values[name] for name in expected} == pytest.approx(expected)


def test_one_value_has_no_standard_deviation() -> None:
    assert math.isnan(measured([1.0], [2.0]).std)


def test_nothing_measured_is_nan_everywhere() -> None:
    values = ErrorMetrics().values()
    assert all(math.isnan(values[name]) for name in METRICS)
    assert values["count"] == 0
    assert no_metrics().keys() == values.keys()


def test_nan_and_inf_are_counted_and_left_out() -> None:
    nan, inf = math.nan, math.inf
    metrics = measured([nan, 1.0, inf, 2.0, nan, -inf], [nan, 1.0, inf, 4.0, 0.0, 1.0])
    counts = metrics.values()
    assert [counts[name] for name in NON_FINITE] == [2, 2, 1, 1]
    assert metrics.non_finite == 6
    assert metrics.count == 2
    assert metrics.rmse == pytest.approx(math.sqrt(2))


def test_only_nan_leaves_nothing_to_measure() -> None:
    metrics = measured([math.nan], [math.nan])
    assert (metrics.count, metrics.non_finite) == (0, 2)
    assert math.isnan(metrics.rmse)


def test_shapes_must_be_equal() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        measured([1.0, 2.0], [1.0])


numbers = st.floats(-1e6, 1e6, width=32) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])
pairs = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, n, elements=numbers),
        hnp.arrays(np.float32, n, elements=numbers),
        st.lists(st.integers(0, n), max_size=4),
    )
)


def pieces(size: int, cuts: list[int]) -> list[slice]:
    edges = [0, *sorted(cuts), size]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def same(one: dict[str, float], other: dict[str, float], scale: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        # nse and snr divide by what may be rounding noise alone.
        tolerance = 1e-6 if name in ("nse", "snr") else 1e-9
        absolute = 1e-9 * scale if name in ("mean", "std", "rmse") else 1e-12
        if name == "nse" and abs(value) > 1e9:
            continue
        assert other[name] == pytest.approx(value, rel=tolerance, abs=absolute, nan_ok=True), name


@given(pairs)
def test_any_cut_of_the_data_gives_the_same_metrics(data: tuple[Array, Array, list[int]]) -> None:
    reference, target, cuts = data
    whole = measured(reference, target)
    chunked, merged = ErrorMetrics(), ErrorMetrics()
    for piece in pieces(reference.size, cuts):
        chunked.update(reference[piece], target[piece])
        merged.merge(measured(reference[piece], target[piece]))
    scale = max(1.0, float(np.abs(np.nan_to_num(reference, posinf=0, neginf=0)).max()))
    same(whole.values(), chunked.values(), scale)
    same(whole.values(), merged.values(), scale)


@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e9, 1e9)), st.lists(st.integers(0, 40), max_size=3)
)
def test_moments_of_any_cut(values: Array, cuts: list[int]) -> None:
    merged = Moments()
    for piece in pieces(values.size, [min(cut, values.size) for cut in cuts]):
        part = Moments()
        part.update(values[piece])
        merged.merge(part)
    spread = max(1.0, float(np.abs(values).max()))
    assert merged.count == values.size
    assert merged.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9 * spread)
    assert merged.m2 == pytest.approx(((values - values.mean()) ** 2).sum(), rel=1e-9, abs=1e-6 * spread)


@given(
    hnp.arrays(np.int16, st.tuples(st.just(2), st.integers(1, 50))),
    st.lists(st.integers(0, 50), max_size=3),
)
def test_integer_errors_of_any_cut(data: Array, cuts: list[int]) -> None:
    reference, target = data
    errors = IntegerErrors()
    for piece in pieces(reference.size, [min(cut, reference.size) for cut in cuts]):
        part = IntegerErrors()
        part.update(reference[piece], target[piece])
        errors.merge(part)
    difference = reference.astype(int) - target.astype(int)
    clipped = np.clip(difference, -HISTOGRAM_REACH, HISTOGRAM_REACH)
    expected = {int(value): int(count) for value, count in zip(*np.unique(clipped, return_counts=True), strict=True)}
    assert errors.histogram() == expected
    assert errors.largest == np.abs(difference).max()


def test_the_sign_of_an_error_is_reference_minus_target() -> None:
    errors = IntegerErrors()
    errors.update(np.array([5, 5, 5], np.int8), np.array([5, 4, 8], np.int8))
    assert errors.histogram() == {-3: 1, 0: 1, 1: 1}
    assert measured(np.array([5], np.int8), np.array([4], np.int8)).mean == 1


@pytest.mark.parametrize(
    ("reference", "target", "expected"),
    [
        (np.array([2**62 + 1], np.int64), np.array([2**62], np.int64), 1.0),
        (np.array([-(2**63)], np.int64), np.array([2**63 - 1], np.int64), -float(2**64 - 1)),
        (np.array([0], np.uint64), np.array([2**64 - 1], np.uint64), -float(2**64 - 1)),
        (np.array([127], np.int8), np.array([-128], np.int8), 255.0),
        (np.array([True]), np.array([False]), 1.0),
    ],
)
def test_differences_of_integers_do_not_wrap(reference: Array, target: Array, expected: float) -> None:
    assert exact_difference(reference, target).tolist() == [expected]


def test_acc_is_the_share_of_samples_with_the_same_answer() -> None:
    agreement = Agreement()
    agreement.update(np.array([[1, 2, 3], [3, 2, 1], [1, 9, 1]]), np.array([[0, 0, 9], [0, 9, 0], [2, 3, 2]]))
    assert agreement.acc == pytest.approx(2 / 3)
    other = Agreement()
    other.update(np.array([[1, 2]]), np.array([[2, 1]]))
    agreement.merge(other)
    assert agreement.acc == pytest.approx(0.5)
    assert math.isnan(Agreement().acc)


@pytest.mark.parametrize(
    ("reference", "target", "agrees"),
    [
        ([5, 5, 1], [1, 9, 1], True),  # the target chose one of the reference's maxima
        ([1, 9, 1], [9, 9, 1], False),  # its first maximum is another class
        ([1, 9, 1], [0, 0, 0], False),  # a dead target agrees with class 0 only
        ([1.0, 9.0, 1.0], [1.0, math.nan, 1.0], False),
        ([math.nan, 9.0, 1.0], [1.0, 9.0, 1.0], False),
    ],
)
def test_ties_and_nan_in_acc(reference: list[float], target: list[float], agrees: bool) -> None:
    agreement = Agreement()
    agreement.update(np.array([reference]), np.array([target]))
    assert agreement.acc == float(agrees)


def test_accuracy_against_labels() -> None:
    accuracy = LabelAccuracy()
    accuracy.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5], [np.nan, 1.0]]), np.array([1, 1, 0, 1]))
    assert accuracy.value == pytest.approx(0.5)
    other = LabelAccuracy()
    other.update(np.array([[0.7], [0.2], [0.5]]), np.array([1, 0, 1]))
    assert other.value == pytest.approx(2 / 3)
    accuracy.merge(other)
    assert accuracy.value == pytest.approx(4 / 7)
    assert math.isnan(LabelAccuracy().value)
