"""The noise band: what any trusted kernel computes is right, what lies clearly outside is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.noise_floor.noise_band import IntroducedError, NoiseBand
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]

INT8 = TensorInfo("y", (1, 10, 4), np.dtype(np.int8), Quantization((0.5,), (3,)))
FLOAT = TensorInfo("y", (1, 10, 4), np.dtype(np.float32))


def judged(target: Array, trusted: Sequence[Array], tensor: TensorInfo = INT8, **options: Any) -> IntroducedError:
    band = NoiseBand(tensor, tensor, **options)
    band.update(target, {f"set {k}": result for k, result in enumerate(trusted)}, 1)
    return band.result()


@pytest.fixture
def base() -> Array:
    return np.random.default_rng(1).integers(-100, 100, (25, 10, 4), np.int8)


int8_batches = hnp.arrays(np.int8, (3, 10, 4), elements=st.integers(-128, 127))


@given(st.lists(int8_batches, min_size=1, max_size=3), st.data())
def test_a_mixture_of_trusted_results_never_diverges(trusted: list[Array], data: st.DataObject) -> None:
    choice = data.draw(hnp.arrays(np.int8, (3, 10, 4), elements=st.integers(0, len(trusted) - 1)))
    found = judged(np.choose(choice, trusted), trusted)
    assert not found.diverges
    assert (found.largest, found.outside) == (0.0, 0)


@given(int8_batches, int8_batches, int8_batches)
def test_chunks_add_up(one: Array, other: Array, target: Array) -> None:
    band = NoiseBand(INT8, INT8)
    for rows in (slice(0, 1), slice(1, 3)):
        band.update(target[rows], {"set 0": one[rows], "set 1": other[rows]}, 1)
    assert band.result() == judged(target, [one, other])


def test_further_correct_results_are_asked_for_where_integers_lie_outside(base: Array) -> None:
    target, asked = base + np.int8(1), []

    def also() -> list[Array]:
        asked.append(True)
        return [base + np.int8(1)]

    for values, tensor in ((base, INT8), (base.astype(np.float32) + 1, FLOAT)):
        NoiseBand(tensor, tensor).update(values, {"set 0": values.astype(tensor.dtype)}, 1, also)
    assert asked == []
    band = NoiseBand(INT8, INT8)
    assert not band.update(target, {"set 0": base}, 1, also).any()
    assert (band.result().outside, band.result().band, band.result().kernels) == (0, 1.0, ("set 0",))
    assert asked == [True]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("share", [1, 1000])
def test_a_real_target_of_an_integer_reference_has_no_nan(base: Array, value: float, share: int) -> None:
    assert INT8.quantization is not None
    target = INT8.quantization.dequantize(base)
    target.reshape(-1)[:share] = value
    band = NoiseBand(INT8, FLOAT)
    band.update(target, {"set 0": base}, 1)
    assert band.result().non_finite == share
    assert "NaN or Inf" in band.result().reason


def test_real_values_that_stand_for_integers_are_judged_in_steps(base: Array) -> None:
    assert INT8.quantization is not None
    trusted = INT8.quantization.dequantize(base)
    target = trusted.copy()
    target[0, 0, :3] += 0.5
    for stored_as, diverges in ((None, True), (INT8.quantization, False)):
        band = NoiseBand(FLOAT, FLOAT)
        band.update(target, {"set 0": trusted}, 1, stored_as=stored_as)
        assert band.result().diverges is diverges
    assert (band.result().outside, band.result().largest, band.result().allowed) == (3, 1.0, 1.0)
    target[0, 0, 0] += 0.5
    band.update(target, {"set 0": trusted}, 1, stored_as=INT8.quantization)
    assert "2 LSB outside" in band.result().reason
    exact = NoiseBand(FLOAT, FLOAT, exact=True)
    exact.update(trusted + np.float32(1e-3), {"set 0": trusted}, 1, stored_as=INT8.quantization)
    assert exact.result().diverges


def test_one_step_in_few_elements_is_noise(base: Array) -> None:
    target = base.copy()
    target[:, 0, :] += np.array([[1], [0], [-1], [0], [0]] * 5, np.int8)  # 40 of 1000, 10 of 250 in each channel
    assert judged(target[:10], [base[:10]]).diverges  # 16 of 400
    target[5:] = base[5:]
    assert not judged(target, [base]).diverges  # 8 of 1000


def test_two_steps_in_one_element_are_not(base: Array) -> None:
    target = base.copy()
    target[7, 3, 2] += 2
    found = judged(target, [base])
    assert found.diverges
    assert (found.largest, found.allowed, found.outside, found.worst_channel) == (2.0, 1.0, 1, (2, 1))
    assert "2 LSB outside" in found.reason


def test_the_band_is_as_wide_as_the_kernels_differ(base: Array) -> None:
    wide = [base - 5, base + 5]
    assert not judged(base, wide).diverges
    assert not judged(base + 5, wide).diverges
    assert judged(base + 7, wide).diverges
    assert judged(base, wide).band == 10.0


def test_one_channel_may_not_be_off_by_a_step(base: Array) -> None:
    target = base.copy()
    target[:3, :, 1] += 1  # 30 of 250, 30 of 1000: below 10 % and above 2 %
    target[:3, :8, 1] = base[:3, :8, 1]  # 6 of 1000
    assert not judged(target, [base]).diverges
    found = judged(target[:3], [base[:3]])  # 6 of 30 in the channel, 6 of 120 in all
    assert found.reason == "6 of 30 elements of channel 1 lie outside of the band of the set 0 kernels"


def test_more_operators_allow_more_steps(base: Array) -> None:
    target = base.copy()
    target[0, 0, 0] += 3
    for operators, diverges in ((2, True), (3, False)):
        band = NoiseBand(INT8, INT8)
        band.update(target, {"reference": base}, operators)
        assert band.result().diverges is diverges


def test_integers_without_steps_have_no_noise() -> None:
    index = TensorInfo("y", (1, 10, 4), np.dtype(np.int32))
    target = np.zeros((1, 10, 4), np.int32)
    target[0, 0, 0] = 1
    assert judged(target, [np.zeros((1, 10, 4), np.int32)], index).diverges


def test_real_values_are_held_to_their_maximum() -> None:
    base = np.random.default_rng(2).normal(size=(8, 10, 4)).astype(np.float32)
    largest = float(np.abs(base).max())
    assert not judged(base + np.float32(0.9e-5 * largest), [base], FLOAT).diverges
    assert judged(base + np.float32(1.5e-5 * largest), [base], FLOAT).diverges


def test_numbers_that_are_none_count_where_the_kernels_have_some() -> None:
    base = np.ones((1, 10, 4), np.float32)
    broken = base.copy()
    broken[0, 0, 0], broken[0, 1, 1] = np.nan, np.inf
    found = judged(broken, [base], FLOAT)
    assert found.non_finite == 2
    assert "2 of 40 elements are NaN or Inf" in found.reason
    assert not judged(broken, [broken], FLOAT).diverges


def test_real_values_stand_for_integers(base: Array) -> None:
    band = NoiseBand(INT8, FLOAT)
    real = (base.astype(np.float32) - 3) * np.float32(0.5)
    band.update(real, {"reference": base}, 1)
    assert not band.result().diverges
    band.update(real + np.float32(1.5), {"reference": base}, 1)
    assert band.result().largest == pytest.approx(3.0, abs=0.01)


def test_exact_wants_one_kernel_set(base: Array) -> None:
    other = base.copy()
    other[0, 0, 0] += 1
    mixed = base.copy()
    mixed[1, 1, 1] += 1
    assert not judged(base, [base, other], exact=True).diverges
    assert not judged(other, [base, other], exact=True).diverges
    assert judged(mixed, [base, other], exact=True).reason == (
        "1 of 1000 elements differ from the set 0 kernels, the nearest ones"
    )


def test_the_answer_has_to_be_the_one_all_agree_on() -> None:
    scores = TensorInfo("y", (1, 3), np.dtype(np.int8), Quantization((0.5,), (0,)))
    trusted = [np.array([[5, 1, 0], [4, 5, 0]], np.int8), np.array([[5, 1, 0], [5, 4, 0]], np.int8)]
    everything = [np.full((2, 3), -128, np.int8), np.full((2, 3), 127, np.int8)]
    tie = np.array([[5, 5, 0], [4, 5, 0]], np.int8)
    wrong = np.array([[4, 5, 0], [5, 4, 0]], np.int8)
    assert judged(tie, trusted, scores, answers=True).answers == 0
    assert judged(wrong, trusted, scores, answers=True).answers == 1  # on the second sample the sets disagree
    assert not judged(wrong, [*trusted, *everything], scores, answers=True).answers
    wide = NoiseBand(scores, scores, answers=True)
    wide.update(wrong, {"low": trusted[0] - 4, "high": trusted[0] + 4}, 1)
    assert wide.result().reason == "in 2 samples the answer is not the one that all trusted kernels agree on"


def test_what_is_known_to_agree_counts_without_being_run(base: Array) -> None:
    band = NoiseBand(INT8, INT8)
    band.agree(base)
    assert (band.result().count, band.result().diverges) == (base.size, False)
