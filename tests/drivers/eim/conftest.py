"""What the tests of the eim driver share: captures of real engines, and drivers that are closed at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import Driver
from ai_runner.registry import create_driver

CAPTURES = ["kws-classifier", "kws-stdin", "fomo-detector"]


@pytest.fixture(params=CAPTURES)
def capture(request: pytest.FixtureRequest, shared: Path) -> list[dict[str, Any]]:
    """The lines of each capture of a real engine in turn."""
    path = shared / "captures" / "eim" / f"{request.param}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def open_engine(scripted_engine: Callable[..., Path]) -> Iterator[Callable[..., Driver]]:
    """Opens a scripted engine: ``open_engine({"shm": False}, "timeout=1", wrap=...)``."""
    opened: list[Driver] = []

    def make(scenario: dict[str, Any] | None = None, options: str = "", **keywords: Any) -> Driver:
        descriptor = f"eim:{scripted_engine(scenario)}" + (f"?{options}" if options else "")
        driver = create_driver(parse_descriptor(descriptor), **keywords)
        opened.append(driver)
        driver.open(Deadline(20))
        return driver

    yield make
    for driver in opened:
        driver.close()
