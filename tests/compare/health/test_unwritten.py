"""Elements that were not written are found, whatever their type; values that only look like it are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.canary import canary_patterns
from ai_runner.compare.health.unwritten import Unwritten
from ai_runner.compare.validation import validate
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]
STILL = "what the memory held before is still there"
LEFT = f"not written: {STILL}"


def canary(dtype: str, rows: int, turn: int, elements: int = 6) -> Array:
    patterns = canary_patterns(TensorInfo("y", (1, elements), np.dtype(dtype)))
    assert patterns is not None
    return np.frombuffer(patterns[turn] * rows, dtype).reshape(rows, elements).copy()


def finding(*chunks: Array) -> str:
    found = Unwritten(chunks[0].shape[1])
    for chunk in chunks:
        found.update(chunk)
    return found.finding


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float16", "float32"])
@pytest.mark.parametrize("rows", [1, 16])
def test_nothing_is_written(dtype: str, rows: int) -> None:
    assert finding(canary(dtype, rows, 0), canary(dtype, 1, 1)) == f"it was {LEFT}"


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_some_elements_are_not_written(dtype: str) -> None:
    chunks = [canary(dtype, 8, turn) for turn in (0, 1)]
    for written, text in (([0, 1, 2, 4, 5], "element 3 of 6 was"), ([0, 1, 5], "elements 2 to 4 of 6 were")):
        parts = [chunk.copy() for chunk in chunks]
        for part in parts:
            part[:, written] = np.arange(8)[:, None]
        assert finding(*parts) == f"{text} {LEFT}"
    for chunk in chunks:
        chunk[:, 1:3] = 5
    assert finding(*chunks) == f"4 of 6 elements, from 0 to 5, were {LEFT}"


def test_a_constant_of_that_value_is_written() -> None:
    assert finding(canary("int8", 16, 0), canary("int8", 1, 0)) == ""


def test_real_values_that_are_written_in_some_runs() -> None:
    values = np.ones((10, 6), np.float32)
    values[3:5] = canary("float32", 2, 0)
    assert finding(values) == f"it was not written in at least 2 of 10 runs: {STILL}"


def test_integers_that_are_written_in_some_runs() -> None:
    right = np.arange(60).reshape(10, 6).astype(np.int8)
    values = right.copy()
    values[3:5] = canary("int8", 2, 0)
    found = Unwritten(6)
    found.update(values, right)
    assert found.finding == f"it was not written in at least 2 of 10 runs: {STILL}"
    assert not found.never
    assert found.count == 6
    expected = Unwritten(6)
    expected.update(values, values)
    assert expected.finding == ""


def test_nan_of_other_origin_is_written() -> None:
    assert finding(np.full((4, 3), np.nan, np.float32)) == ""


@given(hnp.arrays(np.int8, (20, 6), elements=st.integers(-128, 127)))
def test_integers_are_not_taken_for_canaries(values: Array) -> None:
    places = Unwritten(6)
    places.update(values)
    both = np.isin(values, [-91, 90]).all(axis=0) & (values == -91).any(axis=0) & (values == 90).any(axis=0)
    np.testing.assert_array_equal(places.places, both)


@pytest.mark.parametrize("kind", ["f32", "i8"])
@pytest.mark.parametrize("samples", [1, 3, 40])
def test_a_target_that_writes_nothing(
    tensors: Any, fake_session: Any, array_source: Any, kind: str, samples: int
) -> None:
    output = getattr(tensors, kind)("y", 6)
    calls = iter(range(100))

    def silent(x: list[Array]) -> list[Array]:
        return [canary(output.dtype.name, len(x[0]), next(calls) % 2)]

    reference = fake_session([tensors.f32("x", 6)], [output], lambda x: [np.round(x[0] * 9).astype(output.dtype)])
    target = fake_session([tensors.f32("x", 6)], [output], silent)
    source = array_source(np.random.default_rng(6).normal(size=(samples, 6)).astype(np.float32))
    (found,) = validate(reference, [target], source).targets
    assert found.health.findings == (f"output 'y': it was {LEFT}",)
    assert found.health.kinds == ("stale",)
    assert found.health.repeatable is True
    assert found.health.outputs[0].unwritten == 6
