"""Which tolerance a pair of tensors gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_runner.compare.tolerance import Tolerance, ToleranceRule, same_integers
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat


def tensor(dtype: Any, scale: float | None = None, zero_point: int = 0) -> TensorInfo:
    quantization = None if scale is None else Quantization((scale,), (zero_point,))
    return TensorInfo("t", (1, 4), np.dtype(dtype), quantization)


REAL = Tolerance(atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("reference", "target", "expected"),
    [
        (tensor(np.int8, 0.5), tensor(np.int8, 0.5), Tolerance(max_lsb=1)),
        (tensor(np.int8, 0.5), tensor(np.uint8, 0.25, 128), Tolerance(max_lsb=1)),
        (tensor(np.int8, 0.5), tensor(np.float32), Tolerance(max_lsb=1)),
        (tensor(np.float32), tensor(np.float32), REAL),
        (tensor(np.float32), tensor(np.int8, 0.5), Tolerance(max_lsb=1)),
        (tensor(np.float32), tensor(np.int32), REAL),
        (tensor(np.int64), tensor(np.int32), Tolerance(max_lsb=0)),
        (tensor(np.bool_), tensor(np.bool_), Tolerance(max_lsb=0)),
        (tensor(np.int32), tensor(np.float32), REAL),
    ],
)
def test_defaults(reference: TensorInfo, target: TensorInfo, expected: Tolerance) -> None:
    assert ToleranceRule().of(reference, target) == expected


def test_what_the_user_says_wins() -> None:
    rule = ToleranceRule(max_lsb=3, atol=0.1)
    assert rule.of(tensor(np.int8, 0.5), tensor(np.int8, 0.5)) == Tolerance(max_lsb=3)
    assert rule.of(tensor(np.int32), tensor(np.int32)) == Tolerance(max_lsb=3)
    assert rule.of(tensor(np.float32), tensor(np.float32)) == Tolerance(atol=0.1, rtol=1e-4)
    assert ToleranceRule(max_lsb=0).of(tensor(np.int8, 0.5), tensor(np.int8, 0.5)) == Tolerance(max_lsb=0)
    assert rule.of(tensor(np.float32), tensor(np.int8, 0.5)) == Tolerance(atol=0.1, rtol=1e-4)
    assert ToleranceRule(max_lsb=3).of(tensor(np.float32), tensor(np.int8, 0.5)) == Tolerance(max_lsb=3)
    assert ToleranceRule(atol=0, rtol=0).of(tensor(np.float32), tensor(np.float32)) == Tolerance()


def test_a_tolerance_reads_well() -> None:
    assert str(Tolerance(max_lsb=1)) == "1 LSB"
    assert str(REAL) == "atol 1e-05 + rtol 0.0001"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (tensor(np.int8, 0.5), tensor(np.int8, 0.5), True),
        (tensor(np.int8, 0.1), tensor(np.int8, float(np.float32(0.1))), True),
        (tensor(np.int8, 0.5), tensor(np.int8, 0.5, 1), False),
        (tensor(np.int8, 0.5), tensor(np.int8, 0.50001), False),
        (tensor(np.int8, 0.5), tensor(np.uint8, 0.5), False),
        (tensor(np.int8, 0.5), tensor(np.int8), True),
        (tensor(np.int8), tensor(np.int8, 0.5), True),
        (tensor(np.int8, 0.5), tensor(np.int16), False),
        (tensor(np.int64), tensor(np.int32), True),
        (tensor(np.float32), tensor(np.float32), False),
    ],
)
def test_when_raw_integers_mean_the_same(one: TensorInfo, other: TensorInfo, expected: bool) -> None:
    assert same_integers(one, other) is expected


def test_fixed_point_formats_differ_by_their_fractional_bits() -> None:
    q7 = replace(tensor(np.int8), format=TensorFormat.decode((1 << 23) | (2 << 17) | (8 << 7) | (7 + 64)))
    q5 = replace(tensor(np.int8), format=TensorFormat.decode((1 << 23) | (2 << 17) | (8 << 7) | (5 + 64)))
    assert q7.format is not None
    assert q7.format.fixed_point
    assert same_integers(q7, q7)
    assert not same_integers(q7, q5)
    assert ToleranceRule().of(q7, q7) == Tolerance(max_lsb=1)
