"""Counting pairs of bytes gives the metrics that summing over them does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.byte_pairs import BytePairs
from ai_runner.compare.metrics import ErrorMetrics, IntegerErrors

Array = npt.NDArray[Any]
dtypes = st.sampled_from([np.dtype(np.int8), np.dtype(np.uint8)])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Array, Array]:
    dtype, size = draw(dtypes), draw(st.integers(1, 40))
    reference = draw(hnp.arrays(dtype, size))
    target = draw(hnp.arrays(dtype, size))
    return reference, np.where(draw(hnp.arrays(bool, size)), target, reference)


@given(pairs(), st.floats(1e-3, 10.0), st.integers(-128, 127))
def test_metrics_are_those_of_the_real_values(both: tuple[Array, Array], scale: float, zero: int) -> None:
    reference, target = both
    counted = BytePairs(reference.dtype)
    counted.update(reference, target)
    table = scale * (counted.stored.astype(np.float64) - zero)
    summed = ErrorMetrics()
    summed.update(scale * (reference.astype(np.float64) - zero), scale * (target.astype(np.float64) - zero))
    found, expected = counted.metrics(table, table).values(), summed.values()
    assert found.keys() == expected.keys()
    for metrics in (found, expected):  # the variance of a constant reference is 0 but for rounding
        metrics["nse"] = max(metrics["nse"], -1e15)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True), name


@given(pairs())
def test_the_histogram_is_that_of_the_errors(both: tuple[Array, Array]) -> None:
    counted, summed = BytePairs(both[0].dtype), IntegerErrors()
    counted.update(*both)
    summed.update(*both)
    assert counted.histogram() == summed.histogram()
    assert counted.count == both[0].size


@given(pairs(), st.integers(0, 40))
def test_chunks_and_merging_add_up(both: tuple[Array, Array], cut: int) -> None:
    reference, target = both
    whole, first, second = (BytePairs(reference.dtype) for _ in range(3))
    whole.update(reference, target)
    first.update(reference[:cut], target[:cut])
    second.update(reference[cut:], target[cut:])
    first.merge(second)
    table = first.stored.astype(np.float64)
    assert first.histogram() == whole.histogram()
    assert first.metrics(table, table) == whole.metrics(table, table)


def test_nothing_seen() -> None:
    nothing = BytePairs(np.dtype(np.int8))
    assert (nothing.count, nothing.histogram()) == (0, {})
    assert nothing.metrics(*(np.zeros(256),) * 2).count == 0
