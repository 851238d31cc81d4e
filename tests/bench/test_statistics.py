"""Quantiles and the signed-rank test, against definitions and against counting all signs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.bench import statistics
from ai_runner.bench.statistics import clock_step, log_ratios, median_margin, median_shift, summary, wilcoxon_greater

DIFFERENCES = st.lists(st.integers(-20, 20).map(lambda n: n / 4), max_size=11)


def counted(differences: list[float]) -> float:
    """The test by its definition: every choice of signs is equally likely."""
    magnitudes = np.array([abs(d) for d in differences if d])
    if not len(magnitudes):
        return 1.0
    ranks = np.array([(magnitudes < m).sum() + ((magnitudes == m).sum() + 1) / 2 for m in magnitudes])
    observed = sum(rank for rank, d in zip(ranks, [d for d in differences if d], strict=True) if d > 0)
    sums = [float(ranks @ signs) for signs in product((0, 1), repeat=len(ranks))]
    return sum(s >= observed - 1e-9 for s in sums) / len(sums)


@given(DIFFERENCES)
def test_p_is_the_part_of_all_signs_that_is_as_extreme(differences: list[float]) -> None:
    assert wilcoxon_greater(differences) == pytest.approx(counted(differences), abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=200), st.randoms())
def test_order_does_not_matter(differences: list[float], random: object) -> None:
    shuffled = list(differences)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert wilcoxon_greater(shuffled) == wilcoxon_greater(differences)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=150), st.floats(0.01, 100))
def test_the_unit_does_not_matter(differences: list[int], unit: float) -> None:
    assert wilcoxon_greater(np.array(differences) * unit) == pytest.approx(wilcoxon_greater(differences))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=150))
def test_p_is_a_probability_and_falls_as_differences_grow(differences: list[int]) -> None:
    values = np.array(differences, float)
    p = wilcoxon_greater(values)
    assert 0.0 <= p <= 1.0
    assert wilcoxon_greater(np.abs(values)) <= p + 1e-9
    assert wilcoxon_greater(-np.abs(values)) >= 0.5 or not values.any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [61, 100, 200])
def test_the_normal_distribution_is_close_to_the_exact_one(
    seed: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(random.uniform(0, 0.4), 1, count)
    if seed % 2:
        values = np.round(values * 3)  # ties and zeros
    monkeypatch.setattr(statistics, "_EXACT", 0)
    approximate = wilcoxon_greater(values)
    monkeypatch.setattr(statistics, "_EXACT", 10_000)
    exact = wilcoxon_greater(values)
    assert approximate != exact
    assert approximate == pytest.approx(exact, rel=0.25, abs=2e-4)


def test_known_values() -> None:
    """Of n differences, all positive: 2 ** -n."""
    assert wilcoxon_greater([1, 2, 3, 4, 5]) == 1 / 32
    assert wilcoxon_greater([-1, -2, -3]) == 1.0
    assert wilcoxon_greater([1.0] * 20) == pytest.approx(2**-20)
    assert wilcoxon_greater([]) == wilcoxon_greater([0.0, 0.0]) == 1.0


@pytest.mark.parametrize("count", [30, 200])
def test_an_alarm_without_reason_is_as_rare_as_its_level(count: int) -> None:
    random = np.random.default_rng(count)
    p = np.array([wilcoxon_greater(random.standard_t(2, count)) for _ in range(2000)])
    for level in (0.01, 0.05, 0.5):
        assert abs((p < level).mean() - level) < 4 * np.sqrt(level * (1 - level) / len(p))


def test_a_summary() -> None:
    found = summary([1.0] * 90 + [2.0] * 9 + [100.0])
    assert (found.count, found.minimum, found.maximum, found.p50) == (100, 1.0, 100.0, 1.0)
    assert found.p90 == pytest.approx(1.1)
    assert found.mean == pytest.approx(2.08)
    assert found.outliers == 10
    assert summary([3.0]) == statistics.Summary(1, 3.0, 3.0, 0.0, 3.0, 3.0, 3.0, 3.0, 0)
    with pytest.raises(ValueError, match="no times"):
        summary([])


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=50))
def test_quantiles_are_in_order(times: list[float]) -> None:
    found = summary(times)
    assert found.minimum <= found.p50 <= found.p90 <= found.p99 <= found.maximum
    assert found.minimum * (1 - 1e-12) <= found.mean <= found.maximum * (1 + 1e-12)


def test_shifts_are_those_of_the_median_pair() -> None:
    ratios = log_ratios([2.0, 3.3, 50.0], [2.0, 3.0, 5.0])
    assert median_shift(ratios) == pytest.approx(0.1)
    assert len(log_ratios([0.0, 1.0, 1.0], [1.0, 0.0, 1.0])) == 1
    assert median_shift(log_ratios([], [])) == 0.0


def test_swapped_pairs_are_ties() -> None:
    """Ten times up and ten times down by the same ratio: no evidence at all."""
    new, old = [7.0] * 10 + [5.0] * 10, [5.0] * 10 + [7.0] * 10
    assert wilcoxon_greater(log_ratios(new, old)) == pytest.approx(0.588, abs=0.001)


@given(st.lists(st.tuples(st.floats(0.001, 1000), st.floats(0.001, 1000)), min_size=1, max_size=99))
def test_shifts_of_swapped_sides_are_inverse(pairs: list[tuple[float, float]]) -> None:
    new, old = zip(*pairs, strict=True)
    if len(pairs) % 2:
        forth, back = median_shift(log_ratios(new, old)), median_shift(log_ratios(old, new))
        assert (1 + forth) * (1 + back) == pytest.approx(1.0)


def test_the_margin_holds_the_median_99_times_in_100() -> None:
    random = np.random.default_rng(1)
    series = [np.log(random.lognormal(0.0, 0.1, 200)) for _ in range(500)]
    assert np.mean([abs(median_shift(values)) <= median_margin(values) for values in series]) >= 0.98
    assert np.mean([median_margin(values) for values in series]) == pytest.approx(0.1 * 1.2533 * 2.576 / 200**0.5, 0.1)
    assert median_margin(log_ratios([], [])) == 0.0
    assert median_margin(log_ratios([1.1], [1.0])) == 0.0


def test_the_step_of_a_clock() -> None:
    assert clock_step([0.003, 0.011, 0.004, 0.003 + 1e-12]) == pytest.approx(0.001)
    assert clock_step([0.25, 0.25]) == clock_step([]) == 0.0
