"""Outputs are filled with a canary where that changes no result; what a library does not write still holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.canary import holds_canary
from ai_runner.model import Mode

CASES = [("legacy", ""), ("legacy", "?loop=sample"), ("stai", "")]
SAMPLES = 40


@pytest.fixture
def arrays() -> list[Any]:
    random = np.random.default_rng(1)
    image = random.random((SAMPLES, 3, 2, 2)).astype(np.float32)
    return [image, random.integers(-80, 80, (SAMPLES, 4)).astype(np.int8)]


def given(api: str, arrays: list[Any], samples: int = SAMPLES) -> list[Any]:
    bias = arrays[1].reshape(-1, 1, 1, 4) if api == "legacy" else arrays[1]
    return [arrays[0][:samples], bias[:samples]]


def held(values: Any) -> Any:
    flat = values.reshape(len(values), -1)
    return [holds_canary(flat, turn) for turn in (0, 1)]


@pytest.mark.parametrize(("api", "options"), CASES)
@pytest.mark.parametrize("mode", [Mode.IO_ONLY, Mode.PER_LAYER_WITH_DATA])
def test_what_is_not_written_holds_a_canary(
    build_twin: Any, open_driver: Any, arrays: list[Any], api: str, options: str, mode: Mode
) -> None:
    driver = open_driver(build_twin(api, define=["UNWRITTEN=2"]), options)
    runs = [driver.invoke("network", given(api, arrays), mode).outputs for _ in range(2)]
    for output in (0, 1):
        first, second = (held(run[output]) for run in runs)
        for pattern in (first, second):
            assert (pattern[0] | pattern[1])[:, :2].all()
            assert not (pattern[0] | pattern[1])[:, 2:].any()
        assert (first[0] | second[0])[:, :2].any()
        assert (first[1] | second[1])[:, :2].any()


@pytest.mark.parametrize(("api", "options"), CASES)
def test_patterns_take_turns_from_call_to_call(
    build_twin: Any, open_driver: Any, arrays: list[Any], api: str, options: str
) -> None:
    driver = open_driver(build_twin(api, define=["UNWRITTEN=1"]), options)
    calls = [driver.invoke("network", given(api, arrays, 1)).outputs[1].reshape(1, -1) for _ in range(4)]
    turns = [int(holds_canary(values, 1)[0, 0]) for values in calls]
    assert sorted(turns[:2]) == [0, 1]
    assert turns[2:] == turns[:2]


def test_an_output_where_an_input_lies_is_left_alone(build_twin: Any, open_driver: Any, arrays: list[Any]) -> None:
    driver = open_driver(build_twin("stai", define=["OUTPUTS_INSIDE"]))
    image, bias = driver.invoke("network", arrays).outputs
    np.testing.assert_array_equal(image, arrays[0] * 2 + 1)
    np.testing.assert_array_equal(bias, -arrays[1])


def test_an_output_inside_the_activations_takes_one(build_twin: Any, open_driver: Any, arrays: list[Any]) -> None:
    driver = open_driver(build_twin("stai", define=["OUTPUTS_INSIDE", "UNWRITTEN=4"]))
    image, bias = driver.invoke("network", arrays).outputs
    assert (held(bias)[0] | held(bias)[1]).all()
    np.testing.assert_array_equal(image.reshape(SAMPLES, -1)[:, :4], arrays[0].reshape(SAMPLES, -1)[:, :4])
