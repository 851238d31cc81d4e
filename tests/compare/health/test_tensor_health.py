"""What is odd about a tensor by itself, and only what the reference does not show as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.health.tensor_health import HealthMonitor, TensorHealth, changed
from ai_runner.compare.validation import validate
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]
INT8 = TensorInfo("y", (1, 4, 4), np.dtype(np.int8), Quantization((0.5,), (3,)))
FLOAT = TensorInfo("y", (1, 4, 4), np.dtype(np.float32))
RANDOM = np.random.default_rng(4).integers(-128, 128, (20, 4, 4)).astype(np.int8)


def seen(
    values: Array,
    expected: Array | None = None,
    tensor: TensorInfo = INT8,
    step: int = 7,
    reference: TensorInfo | None = None,
) -> TensorHealth:
    monitor = HealthMonitor(tensor, "y", reference)
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        part = None if expected is None else expected[rows]
        monitor.update(values[rows], part, np.ones(len(values[rows]), bool))
    return monitor.result()


def test_a_healthy_tensor_has_no_findings() -> None:
    found = seen(RANDOM, RANDOM)
    assert found.findings == ()
    assert (found.samples, found.count, found.constant, found.dead_channels, found.repeated) == (20, 320, False, 0, 0)


def test_constants_and_dead_channels() -> None:
    assert seen(np.full_like(RANDOM, 5), RANDOM).findings[-1] == "every element is 5"
    dead = RANDOM.copy()
    dead[..., 2] = 0
    assert seen(dead, RANDOM).findings == ("1 of 4 channels never change",)
    assert seen(dead, dead).findings == ()


def test_stale_values() -> None:
    stale = RANDOM.copy()
    stale[10:] = stale[9]
    found = seen(stale, RANDOM)
    assert found.repeated == 10
    assert "in 10 of 20 samples it did not change though it should have" in found.findings
    assert seen(stale, stale).repeated == 0
    assert seen(stale).repeated == 10


def test_saturation() -> None:
    saturated = np.where(RANDOM > 100, np.int8(127), RANDOM)
    assert "of its elements are at the upper end of the range" in seen(saturated, RANDOM).findings[0]
    assert seen(saturated, saturated).findings == ()


def test_saturation_is_beside_that_of_the_reference() -> None:
    saturated = np.where(RANDOM > 100, np.int8(127), RANDOM)
    share = f"{(RANDOM > 100).mean():.1%}"
    right = f"{(RANDOM >= 125).mean():.1%}"  # a rounding may make 127 of it
    text = f"{share} of its elements are at the upper end of the range, the reference {right}"
    assert seen(saturated, RANDOM).findings == (text,)
    low = seen(np.where(RANDOM < -100, np.int8(-128), RANDOM), RANDOM)
    assert low.kinds == ("saturation",)
    assert "at the lower end of the range" in low.findings[0]


def test_zeros_of_a_relu_are_no_saturation() -> None:
    relu = np.maximum(RANDOM, 3)
    assert seen(relu, relu).findings == ()
    assert seen(np.maximum(RANDOM, -128)).findings == ()
    real = np.maximum(RANDOM, 0).astype(np.float32)
    assert seen(real, real, FLOAT).findings == ()


def test_real_values_that_are_clipped() -> None:
    real = np.random.default_rng(5).normal(size=(20, 4, 4)).astype(np.float32)
    clipped = np.minimum(real, np.float32(0.5))
    found = seen(clipped, real, FLOAT)
    assert found.at_upper == (real >= 0.5).sum()
    assert found.at_lower == 1
    assert found.kinds == ("saturation",)
    assert "are at its upper end 0.5, the reference" in found.findings[0]
    assert seen(clipped, clipped, FLOAT).findings == ()


def test_what_a_rounding_makes_of_a_value_is_no_finding() -> None:
    """Another correct kernel is a step off here and there: saturated scores repeat, a channel does not move."""
    scores = np.zeros((40, 1, 4), np.int8)
    reference = scores + np.tile(np.array([0, 1], np.int8), 20)[:, None, None]
    assert seen(scores, reference, step=40).findings == ()
    sure = np.where(RANDOM > 0, np.int8(127), np.int8(-128))
    almost = np.where(RANDOM > 0, np.int8(126), np.int8(-127))
    assert seen(sure, almost).findings == ()
    certain = np.where(RANDOM > 0, 1, 0).astype(np.float32)
    nearly = certain * np.float32(0.99999) + RANDOM.astype(np.float32) * np.float32(1e-8)
    assert seen(certain, nearly, FLOAT).findings == ()


def test_a_reference_that_is_not_quantised() -> None:
    """A saturated softmax: the reference is at 0.99 or so, the integers at their upper end throughout."""
    softmax = TensorInfo("y", (1, 4), np.dtype(np.int8), Quantization((1 / 256,), (-128,)))
    real = TensorInfo("y", (1, 4), np.dtype(np.float32))
    random = np.random.default_rng(0)
    winner = random.integers(0, 4, 60)
    right = np.full((60, 4), 0.0005, np.float32)
    right[np.arange(60), winner] = random.uniform(0.9961, 0.9999, 60)
    stored = softmax.quantization.quantize(right, np.int8) if softmax.quantization is not None else right
    assert (stored == 127).mean() > 0.2
    assert seen(stored, right, softmax, reference=real).findings == ()
    assert seen(np.repeat(stored[:1], 60, axis=0), right, softmax, reference=real).kinds[0] == "stale"


@pytest.mark.parametrize("stored", [np.bool_, np.int32, np.int64, np.float32])
def test_class_numbers_do_not_saturate(stored: Any) -> None:
    classes = np.tile(np.array([0, 1, 1], np.int64), 20)[:, None]
    target, real = (TensorInfo("y", (1, 1), np.dtype(kind)) for kind in (stored, np.int64))
    assert seen(classes.astype(stored), classes, target, reference=real).findings == ()


def test_class_numbers_have_no_steps_to_be_off_by() -> None:
    classes = np.tile(np.array([0, 1, 1], np.int64), 20)[:, None]
    found = seen(np.zeros_like(classes), classes, TensorInfo("y", (1, 1), np.dtype(np.int64)))
    assert found.kinds == ("stale", "constant")


def test_unused_range() -> None:
    assert seen((RANDOM // 8).astype(np.int8), RANDOM).findings == (
        "uses -16..15, 12% of its range, the reference 100%",
    )


def test_numbers_that_are_none() -> None:
    real = RANDOM.astype(np.float32)
    broken = real.copy()
    broken[3, 0, 0], broken[4, 0, 0] = np.nan, np.inf
    found = seen(broken, real, FLOAT)
    assert (found.nan, found.inf) == (1, 1)
    assert "1 NaN and 1 Inf in 320 elements" in found.findings
    assert found.lowest is not None
    assert np.isfinite([found.lowest, found.highest]).all()


@given(hnp.arrays(np.int8, (9, 4, 4)), hnp.arrays(np.int8, (9, 4, 4)), st.integers(1, 9))
def test_chunks_add_up(values: Array, expected: Array, step: int) -> None:
    assert seen(values, expected, step=step) == seen(values, expected, step=9)


def test_which_inputs_are_new() -> None:
    first, second = np.array([[1], [1], [2]]), np.array([[0], [0], [0]])
    np.testing.assert_array_equal(changed([first, second], None), [True, False, True])
    np.testing.assert_array_equal(changed([first], [np.array([[1]])]), [False, False, True])


@pytest.fixture
def session(tensors: Any, fake_session: Any) -> Callable[..., Any]:
    def make(compute: Callable[[list[Array]], list[Array]], **options: Any) -> Any:
        return fake_session([tensors.f32("x", 6)], [tensors.f32("y", 6)], compute, **options)

    return make


def test_an_echoed_input(session: Callable[..., Any], array_source: Any) -> None:
    source = array_source(np.random.default_rng(6).normal(size=(20, 6)).astype(np.float32))
    (found,) = validate(session(lambda x: [x[0] * 2]), [session(lambda x: [x[0]])], source).targets
    assert found.health.findings == ("output 'y': it is the input itself, in every sample",)
    assert found.health.repeatable is True


def test_an_input_that_is_the_right_answer(session: Callable[..., Any], array_source: Any) -> None:
    source = array_source(np.random.default_rng(6).normal(size=(20, 6)).astype(np.float32))
    (found,) = validate(session(lambda x: [x[0].copy()]), [session(lambda x: [x[0].copy()])], source).targets
    assert found.health.findings == ()


def test_a_target_that_answers_differently(session: Callable[..., Any], array_source: Any) -> None:
    random = np.random.default_rng(0)
    source = array_source(np.ones((4, 6), np.float32))
    noisy = session(lambda x: [x[0] + random.normal(size=x[0].shape).astype(np.float32)])
    (found,) = validate(session(lambda x: [x[0]]), [noisy], source).targets
    assert found.health.repeatable is False
    assert found.health.findings[0] == "the same input gave other outputs when it was run again"


@pytest.mark.parametrize(("samples", "period"), [(3, 2), (4, 2), (16, 2), (4, 3), (6, 3), (16, 3)])
def test_a_target_whose_buffers_alternate(
    session: Callable[..., Any], array_source: Any, samples: int, period: int
) -> None:
    calls = iter(range(1000))

    def alternating(x: list[Array]) -> list[Array]:
        return [np.stack([row * (2 if next(calls) % period else 1) for row in x[0]])]

    source = array_source(np.ones((samples, 6), np.float32))
    (found,) = validate(session(lambda x: [x[0]]), [session(alternating)], source).targets
    assert found.health.repeatable is False
