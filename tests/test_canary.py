"""The patterns: recognised in every type that has them, equal to nothing that a model computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_runner.canary import canary_patterns, holds_canary
from ai_runner.model import TensorInfo
from ai_runner.tensor_format import TensorFormat

NUMBERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]


def tensor(dtype: Any) -> TensorInfo:
    return TensorInfo("y", (1, 3, 2), np.dtype(dtype))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_patterns_are_found_again(dtype: str) -> None:
    patterns = canary_patterns(tensor(dtype))
    assert patterns is not None
    for turn, pattern in enumerate(patterns):
        values = np.frombuffer(pattern, dtype).reshape(3, 2)
        assert holds_canary(values, turn).all()
        assert not holds_canary(values, 1 - turn).any()
        assert not np.isfinite(values).any() or values.dtype.kind in "iu"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_computed_nan_is_none(dtype: str) -> None:
    with np.errstate(invalid="ignore"):
        computed = np.array([np.nan, np.inf, -np.inf, 0], dtype) * np.array(0, dtype)
    assert np.isnan(computed[:3]).all()
    assert not (holds_canary(computed, 0) | holds_canary(computed, 1)).any()
    assert not (holds_canary(-computed, 0) | holds_canary(-computed, 1)).any()


def test_truth_values_records_and_packed_elements_have_none() -> None:
    packed = replace(tensor(np.uint32), format=TensorFormat.decode(0x00040000 | 1 << 7 | 64))
    assert packed.format is not None
    assert packed.format.packed
    for other in (tensor(np.bool_), tensor([("x", np.int8)]), packed):
        assert canary_patterns(other) is None
    assert not holds_canary(np.zeros(3, bool), 0).any()
