"""What is run, in which order, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_runner.bench import measurement
from ai_runner.bench.measurement import measure, measure_pairs
from ai_runner.model import Caps, Mode
from ai_runner.profile import TimeSource

PLAIN, LAYERED = Mode.IO_ONLY, Mode.PER_LAYER


def counting() -> Any:
    numbers = iter(range(1, 10_000))
    return lambda: float(next(numbers))


def test_what_counts_is_kept_and_warming_up_is_not(fake: Any) -> None:
    runtime = fake(counting(), [counting()])
    found = measure(runtime, repeats=3, warm_up=2)
    assert found.model.times == (4.0, 6.0, 8.0)  # 1 and 2 warmed up, the odd ones looked at layers
    assert found.model.source is TimeSource.DEVICE
    assert found.host_times == (9.0,) * 3
    assert [layer.series.times for layer in found.layers] == [(2.0, 3.0, 4.0)]
    assert runtime.modes == [PLAIN] * 2 + [LAYERED] + [PLAIN, LAYERED] * 3
    assert (runtime.connections, runtime.open) == (1, 0)


def test_on_the_hosts_clock_a_run_that_does_not_count_goes_before_each(fake: Any) -> None:
    runtime = fake(counting(), [counting()], TimeSource.HOST)
    found = measure(runtime, repeats=2, warm_up=1)
    assert runtime.modes == [PLAIN, LAYERED] + [PLAIN, PLAIN, LAYERED, LAYERED] * 2
    assert found.model.times == (4.0, 8.0)


def test_layers_are_left_out_where_not_wanted_or_not_shown(fake: Any, info: Any) -> None:
    for runtime, wanted in (
        (fake(counting(), [counting()]), False),
        (fake(counting(), [counting()], info=info(runtime={"capabilities": (Caps.IO_ONLY,)})), True),
    ):
        found = measure(runtime, repeats=2, per_layer=wanted)
        assert found.layers == ()
        assert set(runtime.modes) == {PLAIN}


def test_an_estimate_is_taken_once(fake: Any) -> None:
    runtime = fake(counting(), [counting()], node_source=TimeSource.ISOLATED)
    found = measure(runtime, repeats=5)
    assert found.layers[0].series.times == (1.0,)
    assert runtime.modes.count(LAYERED) == 1


def test_pairs_belong_together_whatever_their_order(fake: Any) -> None:
    """Both draw from one clock: the times of pair i are the two numbers of turn i."""
    clock = counting()
    new, old = fake(clock), fake(clock)
    found = measure_pairs(new, old, 100, np.random.default_rng(1), warm_up=1, per_layer=False)
    first_is_new = 0
    for i, (a, b) in enumerate(zip(found.new.model.times, found.old.model.times, strict=True)):
        assert sorted((a, b)) == [3.0 + 2 * i, 4.0 + 2 * i]
        first_is_new += a < b
    assert 25 < first_is_new < 75
    assert (new.connections, old.connections, found.together) == (1, 1, 1)


def test_on_the_hosts_clock_every_pair_is_connected_anew(fake: Any) -> None:
    new, old = (fake(counting(), [counting()], TimeSource.HOST) for _ in range(2))
    found = measure_pairs(new, old, 50, np.random.default_rng(1))
    assert (new.connections, old.connections, found.together) == (50, 50, 1)
    assert len(found.new.model.times) == len(found.old.layers[0].series.times) == 50


def test_each_side_is_connected_first_as_often_as_the_other(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Named(fake):
        def __call__(self) -> Any:
            opened.append(self.info.name)
            return super().__call__()

    sides = [Named(counting(), source=TimeSource.HOST) for _ in range(2)]
    sides[0].info = replace(sides[0].info, name="new")
    measure_pairs(*sides, 40, np.random.default_rng(1), per_layer=False)
    first = opened[::2]
    assert first.count("new") == 20
    assert all(first[i] != first[i + 1] for i in range(0, 40, 2))
    assert len(set(first[::2])) == 2


def test_pairs_share_a_connection_where_connecting_takes_long(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "_CONNECTING_S", 0.0)
    new, old = (fake(counting(), source=TimeSource.HOST) for _ in range(2))
    found = measure_pairs(new, old, 90, np.random.default_rng(1))
    assert (new.connections, found.together, len(found.new.model.times)) == (23, 4, 92)
    few = measure_pairs(new, old, 7, np.random.default_rng(1))
    assert (few.together, len(few.new.model.times)) == (1, 7)


@pytest.mark.parametrize("ms", [9.0, 11.0])
def test_a_short_run_that_was_interrupted_is_made_again(fake: Any, monkeypatch: pytest.MonkeyPatch, ms: float) -> None:
    """The first three runs that count are interrupted."""
    clock = counting()
    sides = [fake(clock, source=TimeSource.HOST, host_ms=ms) for _ in range(2)]
    looks = iter([0, 1, 2, 3, 4, 5, 6, 6])
    monkeypatch.setattr(measurement, "interruptions", lambda: next(looks, 6))
    found = measure_pairs(*sides, 1, np.random.default_rng(1), warm_up=2, per_layer=False)
    made = sorted(len(side.modes) for side in sides)
    again = [side.warnings for side in (found.new, found.old) if side.warnings]
    assert made == ([4, 7] if ms < 10 else [4, 4])
    assert again == ([("3 runs that other processes interrupted were made again",)] if ms < 10 else [])


def test_a_plain_measurement_shows_interrupted_runs_as_well(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "interruptions", counting())
    runtime = fake(counting(), source=TimeSource.HOST)
    found = measure(runtime, 3, 1, per_layer=False)
    assert (len(runtime.modes), found.warnings) == (1 + 3 * 2, ())


def test_progress_ends_at_the_end(fake: Any) -> None:
    heard: list[tuple[int, int]] = []
    measure_pairs(fake(counting()), fake(counting()), 3, np.random.default_rng(1), progress=lambda *x: heard.append(x))
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_what_a_run_raises_arrives_and_connections_end(fake: Any) -> None:
    def fails() -> float:
        raise RuntimeError("of the runtime")

    new, old = fake(counting()), fake(fails)
    with pytest.raises(RuntimeError, match="of the runtime"):
        measure_pairs(new, old, 3, np.random.default_rng(1))
    assert new.open == old.open == 0
