"""Which measurements may be compared."""

from __future__ import annotations

from typing import Any

import pytest

from ai_runner.bench.conditions import CONDITIONS, IncomparableError, check_comparable, conditions
from ai_runner.bench.measurement import measure
from ai_runner.errors import ExitCode, InvalidParamError
from ai_runner.profile import TimeSource


def of(fake: Any, same: Any, info: Any, source: TimeSource = TimeSource.DEVICE, **changes: Any) -> dict[str, str]:
    return conditions(measure(fake(same(1.0), source=source, info=info(**changes)), 1))


def test_what_they_are(fake: Any, same: Any, info: Any) -> None:
    found = of(fake, same, info, runtime={"attributes": {"threads": "1", "kernels": "reference"}})
    assert tuple(found) == CONDITIONS
    assert found == {
        "device": "STM32 0x413",
        "clock": "84/42 MHz",
        "caches": "icache",
        "compiler": "gcc 12",
        "firmware": "RT 1.2.3 proto",
        "options": "kernels=reference threads=1",
        "timer": "device",
    }


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("device", {"device": {"dev_id": "0x450"}}),
        ("clock", {"device": {"sys_clock": 168_000_000}}),
        ("clock", {"device": {"bus_clock": 84_000_000}}),
        ("caches", {"device": {"attrs": ()}}),
        ("compiler", {"runtime": {"compiler": "gcc 13"}}),
        ("firmware", {"runtime": {"version": (1, 2, 4)}}),
        ("firmware", {"runtime": {"tools_version": (1, 0, 0)}}),
        ("options", {"runtime": {"attributes": {"threads": "2"}}}),
        ("timer", {"source": TimeSource.HOST}),
    ],
)
def test_a_difference_is_refused_unless_accepted(
    fake: Any, same: Any, info: Any, name: str, changes: dict[str, Any]
) -> None:
    old, new = of(fake, same, info), of(fake, same, info, **changes)
    with pytest.raises(IncomparableError, match=f"times cannot be compared: {name} is ") as caught:
        check_comparable(old, new)
    assert caught.value.EXIT_CODE == ExitCode.ARTEFACT
    assert f"--accept {name}" in caught.value.hint
    assert list(caught.value.evidence) == [name]
    (accepted,) = check_comparable(old, new, [name])
    assert accepted == f"{name} is {new[name] or 'unknown'}, was {old[name] or 'unknown'}"


def test_the_same_and_another_model_can_be_compared(fake: Any, same: Any, info: Any) -> None:
    assert check_comparable(of(fake, same, info), of(fake, same, info, n_nodes=5)) == []


def test_only_conditions_can_be_accepted() -> None:
    with pytest.raises(InvalidParamError, match="'weather' is no condition") as caught:
        check_comparable({}, {}, ["weather"])
    assert caught.value.EXIT_CODE == ExitCode.USAGE
