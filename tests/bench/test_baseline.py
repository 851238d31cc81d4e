"""Latencies kept in a file, and what is slower than they were."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.bench.baseline import Baseline, judge_baseline, read_baseline
from ai_runner.bench.conditions import CONDITIONS
from ai_runner.bench.gate import MODEL, Method
from ai_runner.bench.measurement import measure
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.profile import TimeSource

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def best(fake: Any, model: Any, layers: Any = (), processes: int = 10, **keywords: Any) -> Baseline:
    """So many processes of one runtime."""
    runtime = fake(model, layers, **keywords)
    parts = [Baseline.of(measure(runtime, 20), "fake:x") for _ in range(processes)]
    return reduce(Baseline.joined, parts)


def read_dict(path: Path, found: Any) -> Baseline:
    path.write_text(json.dumps(found))
    return read_baseline(path)


def test_what_was_written_is_read(fake: Any, noisy: Any, tmp_path: Path) -> None:
    written = best(fake, noisy(1.0, 1), [noisy(0.1, 2), noisy(0.2, 3)], counts=[[3], [4]])
    assert read_dict(tmp_path / "b.json", written.to_dict()) == written
    assert [len(written.model), len(written.bests), len(written.bests[0])] == [10, 10, 2]
    assert written.bests[0][1].counters == (4,)
    assert written.conditions["clock"] == "84/42 MHz"


def test_a_process_is_remembered_by_its_minimum(fake: Any) -> None:
    times = iter([5.0, 4.0, 3.0] * 100)
    assert best(fake, lambda: next(times), processes=1).model[0].ms == 3.0


def test_estimates_are_not_remembered(fake: Any, same: Any) -> None:
    found = best(fake, same(1.0), [same(0.5)], node_source=TimeSource.ISOLATED)
    assert found.bests[0][0].ms is None
    assert [s.name for s in judge_baseline(found, found).shifts] == [MODEL]


def test_slower_by_more_than_three_per_cent(fake: Any, same: Any) -> None:
    old = best(fake, same(1.0), [same(0.1), same(0.1), same(0.0005)])
    new = best(fake, same(1.02), [same(0.1029), same(0.1031), same(0.0009)])
    verdict = judge_baseline(old, new)
    assert [(s.name, s.method) for s in verdict.slower] == [("layer_1", Method.MINIMA)]
    assert [s.reason for s in verdict.shifts if s.method is Method.NONE] == ["shorter than 1 us"]
    assert judge_baseline(new, old).slower == ()


def test_one_lucky_process_is_enough(fake: Any, same: Any) -> None:
    old, slow = best(fake, same(1.0)), best(fake, same(1.5))
    assert judge_baseline(old, slow).slower != ()
    assert judge_baseline(old, slow.joined(best(fake, same(1.0), processes=1))).slower == ()


def test_one_lucky_process_before_is_no_alarm(fake: Any, same: Any) -> None:
    """Nine processes of ten are as fast as they were."""
    lucky = best(fake, same(1.0), processes=9).joined(best(fake, same(0.95), processes=1))
    new = best(fake, same(1.0))
    verdict = judge_baseline(lucky, new)
    assert verdict.shifts[0].shift > 0.05
    assert verdict.slower == ()


def test_minima_of_other_numbers_of_runs_are_refused(fake: Any, same: Any) -> None:
    """The best of three is longer than the best of twenty, without any change of the model."""
    old = best(fake, same(1.0))
    assert old.runs == 20
    with pytest.raises(InvalidParamError, match="3 runs a process, where the baseline is the best of 20") as refused:
        judge_baseline(old, replace(old, runs=3))
    assert "--repeats 20" in refused.value.hint
    assert judge_baseline(replace(old, runs=0), old).slower == ()


def test_noise_does_not_alarm(fake: Any, noisy: Any) -> None:
    alarms = 0
    for seed in range(30):
        sides = [best(fake, noisy(1.0, 2 * seed + k), [noisy(0.3, 100 + 2 * seed + k)]) for k in (0, 1)]
        alarms += bool(judge_baseline(*sides).slower)
    assert alarms == 0


def test_fewer_than_ten_processes_are_refused(fake: Any, same: Any) -> None:
    old, few = best(fake, same(1.0)), best(fake, same(1.0), processes=9)
    for sides, who in (((few, old), "the baseline"), ((old, few), "this measurement")):
        with pytest.raises(InvalidParamError, match=f"{who} has 9 processes"):
            judge_baseline(*sides)


def test_an_emulator_needs_one_and_is_compared_exactly(fake: Any, same: Any) -> None:
    old, new = (best(fake, same(1.0), [same(ms)], 1, source=TimeSource.SIMULATED) for ms in (0.1, 0.1001))
    assert [(s.name, s.method) for s in judge_baseline(old, new).slower] == [("layer_0", Method.EXACT)]
    assert judge_baseline(new, old).slower == ()


def test_counters_are_compared_exactly(fake: Any, same: Any) -> None:
    old, new = (best(fake, same(1.0), [same(0.1)], counts=[[n]]) for n in (100, 101))
    assert [(s.name, s.unit) for s in judge_baseline(old, new).slower] == [("layer_0", "counts")]


def test_processes_that_found_different_things_are_not_joined(fake: Any, same: Any) -> None:
    one = best(fake, same(1.0), processes=1)
    with pytest.raises(InvalidModelError, match="another process"):
        one.joined(replace(one, model_hash="0x2"))
    with pytest.raises(InvalidModelError, match="another process"):
        one.joined(replace(one, conditions={**one.conditions, "clock": "1 MHz"}))


class TestBrokenFiles:
    @pytest.fixture
    def good(self, fake: Any, same: Any) -> dict[str, Any]:
        return best(fake, same(1.0), [same(0.1)], 2).to_dict()

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.json", tmp_path):
            with pytest.raises(InvalidParamError, match="cannot read the baseline"):
                read_baseline(path)

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "null", "1", "[" * 100_000, '{"schema": "ai-runner/other/1"}', "\xff"]
    )
    def test_what_is_no_baseline(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "b.json"
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(InvalidModelError, match="no latency baseline"):
            read_baseline(path)

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (["schema"], "ai-runner/latency-baseline/2"),
            (["processes"], []),
            (["processes"], {}),
            (["processes", 0, "model", "ms"], -1),
            (["processes", 0, "model", "ms"], float("nan")),
            (["processes", 0, "model", "ms"], float("inf")),
            (["processes", 0, "model", "ms"], True),
            (["processes", 0, "model", "ms"], "1"),
            (["processes", 0, "model", "counters"], [1.5]),
            (["processes", 1, "layers"], []),
            (["layers", 0, "name"], None),
            (["layers"], [{"name": "a", "type": "b"}] * 2),
            (["processes", 0, "model", "extra"], 1),
            (["conditions"], {}),
            (["emulated"], "no"),
            (["runs"], -1),
            (["model"], []),
        ],
    )
    def test_a_broken_part(self, good: dict[str, Any], tmp_path: Path, place: list[Any], value: Any) -> None:
        reduce(lambda part, key: part[key], place[:-1], good)[place[-1]] = value
        with pytest.raises(InvalidModelError, match="no latency baseline"):
            read_dict(tmp_path / "b.json", good)

    @given(JSON, st.data())
    def test_anything_in_any_place_is_read_or_refused(self, value: Any, data: Any) -> None:
        found: dict[str, Any] = {
            "schema": "ai-runner/latency-baseline/1",
            "desc": "d",
            "model": {"name": "n", "hash": "h"},
            "conditions": dict.fromkeys(CONDITIONS, ""),
            "emulated": False,
            "layers": [],
            "processes": [{"model": {"ms": 1.0, "counters": []}, "layers": []}],
        }
        found[data.draw(st.sampled_from(sorted(found)))] = value
        with TemporaryDirectory() as folder, suppress(InvalidModelError):
            read_dict(Path(folder) / "b.json", found)
