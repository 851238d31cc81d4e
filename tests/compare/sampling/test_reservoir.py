"""A reservoir keeps a fair part of a stream, however the stream is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.compare.sampling.latency_sample import KEPT, LatencySampler
from ai_runner.compare.sampling.reservoir import Reservoir
from ai_runner.compare.sampling.scatter_sample import FAIR, WORST, ScatterSampler

CUTS = st.lists(st.integers(0, 3000), max_size=6)


@given(CUTS)
def test_cutting_the_stream_changes_nothing(cuts: list[int]) -> None:
    stream = np.arange(3000.0)
    whole, parts = Reservoir(50, 2), Reservoir(50, 2)
    whole.update(stream, -stream)
    for part in np.split(stream, sorted(cuts)):
        parts.update(part, -part)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_array_equal(whole.positions, parts.positions)
    assert parts.count == 3000


def test_a_short_stream_is_kept_whole_and_in_order() -> None:
    reservoir = Reservoir(50, 1)
    reservoir.update(np.arange(20))
    reservoir.update(np.arange(20, 30))
    assert reservoir.rows[:, 0].tolist() == list(range(30))


@pytest.mark.parametrize("period", [2, 10, 16, 1000])
def test_every_place_of_a_period_has_its_share(period: int) -> None:
    reservoir = Reservoir(4000, 1)
    for _ in range(10):
        reservoir.update(np.arange(10_000) % period)
    shares = np.bincount(reservoir.rows[:, 0].astype(int), minlength=period)
    assert len(reservoir.rows) == 4000
    assert shares.min() >= 0.5 * 4000 / period - 2 * np.sqrt(4000 / period)
    halves = (reservoir.positions < 50_000).sum()
    assert 1800 < halves < 2200


@given(CUTS, st.integers(0, 5))
def test_a_scatter_sample_does_not_depend_on_the_chunks(cuts: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.integers(-100, 100, 3000).astype(np.float32)
    target = reference + generator.integers(-3, 4, 3000)  # many ties among the worst
    whole, parts = ScatterSampler(), ScatterSampler()
    whole.update(reference, target)
    for mine, theirs in zip(np.split(reference, sorted(cuts)), np.split(target, sorted(cuts)), strict=True):
        parts.update(mine, theirs)
    assert whole.result() == parts.result()
    assert len(whole.result().fair) == FAIR
    assert len(whole.result().worst) == WORST


def test_the_one_wrong_value_of_a_million_is_kept() -> None:
    values = np.zeros((1000, 1000), np.float32)
    target = values.copy()
    target[777, 7] = 5.0
    sampler = ScatterSampler()
    sampler.update(values, target)
    assert sampler.result().worst == ((0.0, 5.0),)


def test_what_is_no_number_is_left_out_of_a_scatter_sample() -> None:
    sampler = ScatterSampler()
    sampler.update(np.array([1.0, np.nan, np.inf, 2.0]), np.array([1.0, 0.0, 1.0, np.nan]))
    assert sampler.result().fair == ((1.0, 1.0),)
    assert sampler.result().count == 1


def test_an_error_beyond_all_numbers_is_the_largest() -> None:
    sampler = ScatterSampler()
    sampler.update(np.array([0.0, 1e308, 3.0]), np.array([1.0, -1e308, 3.0]))
    assert sampler.result().worst == ((1e308, -1e308), (0.0, 1.0))


def test_latencies_keep_their_extremes() -> None:
    sampler = LatencySampler()
    assert sampler.result() is None
    times = [1.0 + 0.001 * (k % 7) for k in range(20 * KEPT)]
    times[4321] = 99.0
    sampler.update(times[:5])
    sampler.update([])
    sampler.update(times[5:])
    found = sampler.result()
    assert found is not None
    assert (found.count, found.minimum, found.maximum, len(found.times)) == (20 * KEPT, 1.0, 99.0, KEPT)
