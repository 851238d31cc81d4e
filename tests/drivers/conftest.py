"""Drivers that are closed at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import Driver


@pytest.fixture
def connect_to() -> Iterator[Callable[..., Driver]]:
    """Opens a model, ``connect_to(OnnxDriver, "onnx", path, optimize="all")``."""
    made: list[Driver] = []

    def connected(cls: type[Driver], scheme: str, path: Path, **options: Any) -> Driver:
        text = "&".join(f"{key}={value}" for key, value in options.items())
        driver = cls(parse_descriptor(f"{scheme}:{path}" + (f"?{text}" if text else "")))
        made.append(driver)
        driver.open(Deadline(None))
        return driver

    yield connected
    for driver in made:
        driver.close()
