"""Random samples: the same on every machine, and over the whole range of a type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.data import RandomInputs
from ai_runner.errors import InvalidParamError

Array = npt.NDArray[Any]

ALL_TYPES = [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, np.float16, np.float32, np.float64, np.bool_]


@given(first=st.integers(0, 30), second=st.integers(0, 30), seed=st.integers(0, 2**64 - 1))
def test_a_sample_does_not_depend_on_the_chunk(first: int, second: int, seed: int, tensor: Any) -> None:
    inputs = [tensor("a", 3, 2), tensor("x", 2, 3, dtype=np.int8, scale=0.5)]
    start, stop = sorted((first, second))
    whole = RandomInputs(inputs, 30, seed).chunk(0, 30)
    part = RandomInputs(inputs, stop + 1, seed).chunk(start, stop)
    for one, other in zip(whole, part, strict=True):
        assert np.array_equal(one[start:stop], other)


@pytest.mark.parametrize("dtype", ALL_TYPES)
def test_random_values_fill_their_range(dtype: Any, tensor: Any) -> None:
    source = RandomInputs([tensor("x", 500, dtype=dtype)], 40)
    (values,) = source.chunk(0, 40)
    assert values.dtype == dtype
    assert values.shape == (40, 500)
    if values.dtype.kind == "f":
        assert values.min() >= -1.0
        assert values.max() < 1.0
        assert values.astype(float).mean() == pytest.approx(0.0, abs=0.02)
        assert values.astype(float).std() == pytest.approx(1 / np.sqrt(3), abs=0.01)
    elif values.dtype.kind == "b":
        assert values.mean() == pytest.approx(0.5, abs=0.02)
    else:
        limits = np.iinfo(values.dtype)
        span = float(limits.max) - float(limits.min)
        assert values.astype(float).min() < limits.min + 0.01 * span
        assert values.astype(float).max() > limits.max - 0.01 * span


def test_random_values_are_these_on_every_machine(tensor: Any) -> None:
    """Literal values: another number of bits, byte order or stream would change what a seed means."""
    integers, floats = RandomInputs([tensor("a", 4, dtype=np.int16), tensor("b", 2)], 2, 42).chunk(1, 2)
    assert integers.tolist() == [EXPECTED_INT16]
    assert floats.tolist() == [EXPECTED_FLOAT]


EXPECTED_INT16 = [-7213, 25027, -21879, 24125]
EXPECTED_FLOAT = [-0.9500248432159424, -0.3048340082168579]


def test_inputs_of_a_model_and_seeds_differ(tensor: Any) -> None:
    one, other = RandomInputs([tensor("x", 2, 3)] * 2, 1).chunk(0, 1)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, RandomInputs([tensor("x", 2, 3)], 1, 43).chunk(0, 1)[0])
    assert not np.array_equal(*RandomInputs([tensor("x", 2, 3)], 2).chunk(0, 2)[0])


def test_random_says_what_it_is_and_refuses_nonsense(tensor: Any) -> None:
    assert RandomInputs([tensor("x", 2, 3)], 5, 7).description == "5 random samples, seed 7"
    with pytest.raises(InvalidParamError, match="0 random samples"):
        RandomInputs([tensor("x", 2, 3)], 0)
    with pytest.raises(InvalidParamError, match="seed -1"):
        RandomInputs([tensor("x", 2, 3)], 1, -1)
    with pytest.raises(InvalidParamError, match="no random values for dtype"):
        RandomInputs([tensor("s", 1, dtype="S4")])
