"""``ai-runner bench``: measuring, comparing, keeping; on fakes, and on the bundled model as C."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ai_runner.bench import statistics
from ai_runner.bench.baseline import read_baseline
from ai_runner.errors import InvalidParamError
from ai_runner.schemas import check


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("ascii"))
    assert list(path.parent.glob("*.part")) == []
    check(found, "bench" if "measured" in found else "latency-baseline")
    return found


def test_a_measurement(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    report = tmp_path / "report.json"
    ended = ai_runner("bench", "-d", "fake:x", "--repeats", 7, "--warm-up", 1, "--json", report)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("target     fake:x  |  ")
    assert any(line.split()[:5] == ["model", "1", "1", "1", "1"] for line in lines)
    assert any(line.split()[:3] == ["0", "double", "MUL"] for line in lines)
    found = read(report)
    assert (found["schema"], found["verdict"], found["shifts"]) == ("ai-runner/bench/1", None, [])
    (measured,) = found["measured"]
    assert (measured["name"], measured["model"]["ms"]) == ("fake:x", [1.0] * 7)
    assert measured["model"]["summary_ms"]["p50"] == 1.0
    assert fake_driver.closed == ["fake:x"]


def test_equal_ones_pass(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    report = tmp_path / "report.json"
    ended = ai_runner("bench", "-d", "fake:new", "--against", "fake:old", "--repeats", 30, "--json", report)
    assert (ended.code, ended.err) == (0, "")
    assert "against    fake:old" in ended.out
    assert "verdict    PASS: not slower" in ended.out
    assert len(fake_driver.closed) == 2 + 2 * 30
    found = read(report)
    assert found["verdict"] == "pass"
    assert [side["name"] for side in found["measured"]] == ["fake:new", "fake:old"]
    assert found["shifts"][0] == {
        **{"name": "model", "type": "", "old": 1.0, "new": 1.0, "unit": "ms", "shift": 0.0, "p": 1.0},
        **{"method": "pairs", "slower": False, "reason": "", "margin": 0.0},
    }


def test_a_slower_one_fails(ai_runner: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fake takes 1 ms always: pairs are told that the new side took 10 % more."""
    original = statistics.log_ratios
    monkeypatch.setattr("ai_runner.bench.gate.log_ratios", lambda new, old: original([t * 1.1 for t in new], old))
    report = tmp_path / "report.json"
    ended = ai_runner("bench", "-d", "fake:new", "--against", "fake:old", "--repeats", 30, "--json", report)
    assert ended.code == 1
    assert "SLOWER" in ended.out
    assert "verdict    FAIL: slower in" in ended.out
    assert "model: 1 -> 1 ms, +10.00% in the median pair, p 9.3e-10" in ended.out
    assert read(report)["verdict"] == "fail"


def test_a_model_that_was_not_judged_does_not_pass(ai_runner: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    ended = ai_runner("bench", "-d", "fake:new", "--against", "fake:old", "--repeats", 19, "--json", report)
    assert ended.code == 2
    assert "verdict    none" in ended.out
    assert "fake:new: the model was not judged: 19 pairs are too few; --repeats 20 or more" in ended.err
    assert read(report)["verdict"] is None


def test_other_conditions_are_found_out_before_ten_processes_run(
    ai_runner: Any, tmp_path: Path, fake_driver: Any
) -> None:
    path = tmp_path / "b.json"
    assert ai_runner("bench", "-d", "fake:x", "--save-baseline", path, "--processes", 1).code == 0
    found = read(path)
    found["conditions"]["clock"], found["processes"] = "84/84 MHz", found["processes"] * 10
    path.write_text(json.dumps(found))
    fake_driver.runs.clear()
    ended = ai_runner("bench", "-d", "fake:x", "--baseline", path)
    assert (ended.code, len(fake_driver.runs)) == (4, 3)
    assert "clock is unknown, was 84/84 MHz" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "fake:y", "--baseline", "b.json"], "not allowed with"),
        (["--against", "fake:y", "--save-baseline", "b.json"], "both in this process"),
        (["--against", "fake:y", "--processes", "3"], "both in this process"),
        (["--against", "fake:y", "--accept", "weather"], "'weather' is no condition"),
        (["--repeats", "0"], "whole number from 1"),
        (["--baseline", "none.json"], "cannot read the baseline"),
        (["--json", "no/such/folder/r.json"], "cannot be written"),
    ],
)
def test_wrong_use(ai_runner: Any, arguments: list[str], message: str) -> None:
    ended = ai_runner("bench", "-d", "fake:x", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_broken_baseline_is_a_broken_artefact(ai_runner: Any, tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text("{}")
    assert ai_runner("bench", "-d", "fake:x", "--baseline", path).code == 4


def test_too_few_processes_are_found_out_first(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    path = tmp_path / "b.json"
    assert ai_runner("bench", "-d", "fake:x", "--save-baseline", path, "--processes", 1).code == 0
    assert len(read_baseline(path).model) == 1
    fake_driver.runs.clear()
    ended = ai_runner("bench", "-d", "fake:x", "--baseline", path)
    assert (ended.code, fake_driver.runs) == (2, [])
    assert "has 1 processes, too few" in ended.err


def test_runs_are_those_of_the_baseline(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    path = tmp_path / "b.json"
    one = ("bench", "-d", "fake:x", "--repeats", 7, "--save-baseline", path, "--processes", 1)
    assert ai_runner(*one).code == 0
    found = read(path)
    found["processes"] *= 10
    path.write_text(json.dumps(found))
    fake_driver.runs.clear()
    ended = ai_runner("bench", "-d", "fake:x", "--baseline", path, "--repeats", 3)
    assert (ended.code, fake_driver.runs) == (2, [])
    assert "3 runs a process, where the baseline is the best of 7; --repeats 7" in ended.err


def test_processes_of_their_own_get_every_argument_of_the_inputs(
    ai_runner: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    def measured(command: Any, processes: int, progress: Any) -> Any:
        seen.append(command(tmp_path / "0.json"))
        raise InvalidParamError("seen")

    monkeypatch.setattr("ai_runner.bench.processes.measure_in_processes", measured)
    given = ["--inputs=data.csv", "--samples=3", "--seed=4", "--columns=A,3-9", "--preprocess", "scale=0..1", "mono"]
    ai_runner("bench", "-d", "fake:x", "--save-baseline", tmp_path / "b.json", *given)
    (command,) = seen
    assert set(given) <= set(command)
    assert command[-3:] == given[-3:]


class TestOnTheBundledModel:
    def test_two_runtimes_are_not_compared_unless_told_to(
        self, ai_runner: Any, digits_descriptors: dict[str, str]
    ) -> None:
        sides = ("-d", digits_descriptors["st-ai"], "--against", digits_descriptors["legacy"], "--repeats", 20)
        ended = ai_runner("bench", *sides)
        assert (ended.code, ended.out) == (4, "")
        assert "--accept firmware" in ended.err
        accepted = [word for name in ("firmware", "options", "compiler") for word in ("--accept", name)]
        ended = ai_runner("bench", *sides, *accepted)
        assert ended.code in (0, 1)
        assert "accepted   firmware is " in ended.out

    def test_a_baseline_of_ten_processes(
        self, ai_runner: Any, digits_descriptors: dict[str, str], tmp_path: Path
    ) -> None:
        old, new, report = (tmp_path / name for name in ("old.json", "new.json", "report.json"))
        runs = ("bench", "-d", digits_descriptors["legacy"], "--repeats", 5, "--warm-up", 1)
        assert ai_runner(*runs, "--processes", 1, "--save-baseline", old).code == 0
        fast = read(old)
        fast["processes"] = 10 * [{"model": {"ms": 1e-4, "counters": []}, "layers": fast["processes"][0]["layers"]}]
        old.write_text(json.dumps(fast))
        ended = ai_runner(*runs, "--baseline", old, "--save-baseline", new, "--json", report)
        assert (ended.code, ended.err) == (1, "")
        assert "minima in ms, of 10 processes" in ended.out
        assert "in the best run of all processes" in ended.out
        baseline = read_baseline(new)
        assert (len(baseline.model), len(baseline.layers)) == (10, 7)
        assert all(best.ms is not None and best.ms > 0 for best in baseline.model)
        assert read(report)["verdict"] == "fail"
        assert [side["name"] for side in read(report)["measured"]] == [digits_descriptors["legacy"], str(old)]

    def test_a_process_that_fails_is_told_in_its_words(self, ai_runner: Any, tmp_path: Path) -> None:
        ended = ai_runner("bench", "-d", f"file:{tmp_path}/none", "--save-baseline", tmp_path / "b.json")
        assert ended.code == 2
        assert "a measuring process failed:" in ended.err
        assert "no such file" in ended.err
        assert not (tmp_path / "b.json").exists()
