"""What the gate calls slower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.bench.gate import MODEL, LatencyRule, Method, judge_pairs, pair_layers
from ai_runner.bench.measurement import LayerSeries, Measurement, PairedMeasurement, Series, measure_pairs
from ai_runner.model import NodeInfo
from ai_runner.profile import TimeSource

DEVICE = TimeSource.DEVICE


def node(name: str, kind: str = "CONV") -> NodeInfo:
    return NodeInfo(name, -1, 0, kind, ())


def paired(fake: Any, new: Any, old: Any, pairs: int = 200, **keywords: Any) -> PairedMeasurement:
    sides = [fake(model, layers, **keywords) for model, layers in (new, old)]
    return measure_pairs(*sides, pairs, np.random.default_rng(3))


def test_five_per_cent_in_one_layer_are_found_and_named(fake: Any, noisy: Any) -> None:
    old = noisy(0.4, 1), [noisy(0.1, 2), noisy(0.3, 3)]
    new = noisy(0.42, 4), [noisy(0.1, 5), noisy(0.3 * 1.05, 6)]
    verdict = judge_pairs(paired(fake, new, old))
    assert [shift.name for shift in verdict.slower] == [MODEL, "layer_1"]
    shift = verdict.slower[1]
    assert shift.method is Method.PAIRS
    assert shift.p is not None
    assert shift.p < 1e-6
    assert shift.shift == pytest.approx(0.05, abs=0.015)


def test_faster_is_no_alarm(fake: Any, noisy: Any) -> None:
    old, new = (noisy(0.4, 1), [noisy(0.1, 2)]), (noisy(0.3, 3), [noisy(0.05, 4)])
    assert judge_pairs(paired(fake, new, old)).slower == ()


def test_equal_times_hardly_ever_alarm(fake: Any, noisy: Any) -> None:
    alarms = 0
    for seed in range(100):
        sides = [(noisy(0.4, 10 * seed + k), [noisy(0.1, 10 * seed + k + i) for i in (2, 4, 6)]) for k in (0, 1)]
        alarms += bool(judge_pairs(paired(fake, *sides, pairs=60)).slower)
    assert alarms <= 2


def test_a_shift_must_matter_and_must_not_be_chance(fake: Any, same: Any, noisy: Any) -> None:
    """1.5 % for sure are no alarm in a layer, but one in the model; 5 % drowned in noise are none."""
    certain = judge_pairs(paired(fake, (same(1.015), [same(1.015)]), (same(1.0), [same(1.0)])))
    assert [shift.name for shift in certain.slower] == [MODEL]
    wild = judge_pairs(paired(fake, (noisy(1.05, 1, 50.0), []), (noisy(1.0, 2, 50.0), []), pairs=30))
    assert wild.slower == ()


class TestCoarseClock:
    """A clock that counts whole microseconds: single readings of a layer of 8 us differ by 12 %."""

    @staticmethod
    def reading(us: float, seed: int) -> Any:
        random = np.random.default_rng(seed)
        return lambda: float(int(us * random.normal(1.0, 0.01) + random.random())) / 1000

    def verdict(self, fake: Any, us: float, slower: float, seed: int) -> Any:
        old, new = ((lambda: 1.0, [self.reading(t, seed + k)]) for k, t in enumerate((us, us * slower)))
        return judge_pairs(paired(fake, new, old))

    def test_five_per_cent_are_found_and_no_more_than_that(self, fake: Any) -> None:
        found = [self.verdict(fake, 8.0, 1.05, 2 * seed).slower for seed in range(20)]
        assert sum(bool(slower) for slower in found) >= 19
        assert np.median([slower[0].shift for slower in found if slower]) == pytest.approx(0.05, abs=0.01)
        assert sum(bool(self.verdict(fake, 8.0, 1.0, 2 * seed).slower) for seed in range(50)) <= 1

    def test_readings_of_zero_tell_something_together(self, fake: Any) -> None:
        shift = self.verdict(fake, 1.2, 1.0, 5).shifts[1]
        assert (shift.method, shift.slower) == (Method.PAIRS, False)
        assert self.verdict(fake, 1.2, 2.0, 5).shifts[1].slower

    def test_one_that_never_ticks_tells_nothing(self, fake: Any, same: Any) -> None:
        sides = [(same(0.0), [same(1.0)]) for _ in range(2)]
        verdict = judge_pairs(paired(fake, *sides))
        assert (verdict.shifts[0].reason, verdict.missing) == ("too short for its clock",) * 2


def test_what_noise_may_hide_is_told(fake: Any, noisy: Any) -> None:
    calm = judge_pairs(paired(fake, (noisy(1.0, 1), [noisy(0.5, 2)]), (noisy(1.0, 3), [noisy(0.5, 4)])))
    wild = judge_pairs(paired(fake, (noisy(1.0, 1), [noisy(0.5, 2, 3.0)]), (noisy(1.0, 3), [noisy(0.5, 4, 3.0)])))
    assert "layer_0" not in [shift.name for shift in calm.uncertain]
    (layer,) = (shift for shift in wild.uncertain if shift.name == "layer_0")
    assert 0.02 < layer.margin < 1.0


def test_the_level_is_shared_by_the_layers_that_are_judged(fake: Any) -> None:
    """p of the same data stays, and is enough for one layer, not for forty."""
    above, below = (
        Series(
            tuple((a if i % 10 < 7 or i == 19 else b) * (1 + i * 1e-6) for i in range(40)), DEVICE
        )  # no coarse clock
        for a, b in ((1.05, 1.0), (1.0, 1.05))
    )
    even = Series((1.0,) * 40, DEVICE)

    def verdict(layers: int) -> Any:
        new, old = (
            Measurement(fake(None).info, even, even.times, tuple(LayerSeries(node(f"n{i}"), s) for i in range(layers)))
            for s in (above, below)
        )
        return judge_pairs(PairedMeasurement(new, old))

    alone, among = verdict(1), verdict(40)
    assert alone.shifts[1].p == among.shifts[1].p
    assert 0.01 / 40 < alone.shifts[1].p < 0.01
    assert len(alone.slower) == 1
    assert among.slower == ()


@given(st.lists(st.floats(0.01, 10), min_size=20, max_size=60))
def test_a_measurement_is_never_slower_than_itself(times: list[float]) -> None:
    series = Series(tuple(times), DEVICE)
    side = Measurement(None, series, series.times, (LayerSeries(node("a"), series),))  # type: ignore[arg-type]
    verdict = judge_pairs(PairedMeasurement(side, side))
    assert verdict.slower == ()
    assert [shift.shift for shift in verdict.shifts] == [0.0, 0.0]


@given(st.lists(st.tuples(st.floats(0.1, 2), st.floats(0.1, 2)), min_size=20, max_size=80), st.randoms())
def test_the_order_of_pairs_does_not_matter(pairs: list[tuple[float, float]], random: Any) -> None:
    def shifts(some: list[tuple[float, float]]) -> Any:
        new, old = (Series(tuple(times), DEVICE) for times in zip(*some, strict=True))
        sides = (Measurement(None, s, s.times, (LayerSeries(node("a"), s),)) for s in (new, old))  # type: ignore[arg-type]
        return [(s.p, s.shift, s.slower) for s in judge_pairs(PairedMeasurement(*sides)).shifts]

    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert shifts(shuffled) == shifts(pairs)


def test_pairs_of_one_connection_count_as_one() -> None:
    """A connection that happens to be slow proves nothing, however many of its pairs agree."""
    random = np.random.default_rng(5)
    moods = np.repeat(random.normal(0, 0.05, 25), 8) * 1.0
    moods += 0.02 - np.median(moods)
    series = Series(tuple(np.exp(moods + random.normal(0, 0.001, 200))), DEVICE), Series((1.0,) * 200, DEVICE)
    new, old = (Measurement(None, s, s.times) for s in series)  # type: ignore[arg-type]
    assert judge_pairs(PairedMeasurement(new, old, together=1)).slower != ()
    assert judge_pairs(PairedMeasurement(new, old, together=8)).slower == ()


class TestNotJudged:
    def reasons(self, verdict: Any) -> dict[str, str]:
        return {s.name: s.reason for s in verdict.shifts if s.method is Method.NONE}

    def test_layers_below_a_microsecond(self, fake: Any, same: Any) -> None:
        verdict = judge_pairs(paired(fake, (same(1.0), [same(0.0009), same(0.0011)]), (same(1.0), [same(0.0005)] * 2)))
        assert self.reasons(verdict) == {"layer_0": "shorter than 1 us"}
        assert [shift.name for shift in verdict.slower] == ["layer_1"]

    def test_estimates(self, fake: Any, same: Any) -> None:
        sides = (same(1.0), [same(2.0)]), (same(1.0), [same(1.0)])
        verdict = judge_pairs(paired(fake, *sides, node_source=TimeSource.ISOLATED))
        assert verdict.slower == ()
        assert "estimated" in self.reasons(verdict)["layer_0"]

    def test_too_few_pairs(self, fake: Any, same: Any) -> None:
        verdict = judge_pairs(paired(fake, (same(2.0), []), (same(1.0), []), pairs=19))
        assert self.reasons(verdict) == {MODEL: "19 pairs are too few"}

    def test_a_clock_that_does_not_tick(self, fake: Any, same: Any) -> None:
        verdict = judge_pairs(paired(fake, (same(2.0), []), (same(0.0), [])))
        assert self.reasons(verdict) == {MODEL: "too short for its clock"}


class TestExact:
    def test_an_emulators_times_are_compared_as_they_are(self, fake: Any, same: Any) -> None:
        sides = (same(1.0002), [same(0.5), same(0.0001)]), (same(1.0), [same(0.5), same(0.0001)])
        verdict = judge_pairs(paired(fake, *sides, pairs=2, source=TimeSource.SIMULATED))
        assert [(s.name, s.method) for s in verdict.slower] == [(MODEL, Method.EXACT)]
        back = judge_pairs(paired(fake, *sides[::-1], pairs=2, source=TimeSource.SIMULATED))
        assert back.slower == ()

    def test_a_tick_or_two_are_the_reading_of_the_clock(self, fake: Any) -> None:
        ticks = np.random.default_rng(1)
        sides = [(lambda ms=ms: ms + 6e-6 * float(ticks.integers(3)), []) for ms in (0.02, 0.02)]
        verdict = judge_pairs(paired(fake, *sides, pairs=20, source=TimeSource.SIMULATED))
        assert [(s.method, s.slower) for s in verdict.shifts] == [(Method.EXACT, False)]
        sides[0] = (lambda: 0.02003 + 6e-6 * float(ticks.integers(3)), [])
        verdict = judge_pairs(paired(fake, *sides, pairs=20, source=TimeSource.SIMULATED))
        assert [(s.method, s.slower) for s in verdict.shifts] == [(Method.EXACT, True)]

    def test_of_a_real_clock_they_are_not(self, fake: Any, same: Any) -> None:
        verdict = judge_pairs(paired(fake, (same(1.0001), []), (same(1.0), [])))
        assert verdict.slower == ()

    def test_counters_that_never_change(self, fake: Any, same: Any) -> None:
        times = (same(1.0), [same(0.5)])
        new, old = fake(*times, counts=[[10, 21]]), fake(*times, counts=[[11, 20]])
        verdict = judge_pairs(measure_pairs(new, old, 20, np.random.default_rng(1)))
        assert [(s.name, s.unit, s.old, s.new) for s in verdict.slower] == [("layer_0", "ops", 20, 21)]

    def test_counters_that_change_say_nothing(self, fake: Any) -> None:
        series = Series((1.0,) * 20, DEVICE, "ops", tuple((i,) for i in range(20)))
        more = Series((1.0,) * 20, DEVICE, "ops", tuple((i + 5,) for i in range(20)))
        new, old = (Measurement(fake(None).info, s, s.times) for s in (more, series))
        assert judge_pairs(PairedMeasurement(new, old)).slower == ()


def test_layers_are_paired_in_order_or_by_name() -> None:
    old = [node("a"), node("b", "POOL"), node("c")]
    assert pair_layers(old, [node("x"), node("y", "POOL"), node("z")]) == ([(0, 0), (1, 1), (2, 2)], ())
    assert pair_layers(old, [node("c"), node("a"), node("d")]) == (
        [(2, 0), (0, 1)],
        ("d is new", "b is gone"),
    )
    assert pair_layers([], []) == ([], ())


def test_the_rule_can_be_another_one(fake: Any, same: Any) -> None:
    measured = paired(fake, (same(1.1), []), (same(1.0), []))
    assert judge_pairs(measured).slower != ()
    assert judge_pairs(measured, LatencyRule(model_shift=0.2)).slower == ()
