"""The progress bar shows itself to people, for what takes a while."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from ai_runner.cli import console
from ai_runner.cli.console import ProgressBar, foretell


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, patience: float, steps: list[int]) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(console, "_PATIENCE", patience)
    with ProgressBar("validate") as bar:
        for done in steps:
            bar(done, 10)
    return stream.getvalue()


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = shown(monkeypatch, _Terminal(), -1.0, [0, 5, 10])
    assert "validate" in text
    assert "10/10" in text


@pytest.mark.parametrize(
    ("stream", "patience", "steps"),
    [(io.StringIO(), -1.0, [0, 5, 10]), (_Terminal(), 1e9, [0, 5, 10]), (_Terminal(), -1.0, [10])],
)
def test_not_elsewhere_not_for_short_work_not_at_its_end(
    monkeypatch: pytest.MonkeyPatch, stream: Any, patience: float, steps: list[int]
) -> None:
    assert shown(monkeypatch, stream, patience, steps) == ""


class _Line:
    """What `foretell` asks of a runner."""

    descriptor = "serial:COM3:115200"

    def __init__(self, seconds_each: float | None) -> None:
        self._seconds_each = seconds_each

    def least_seconds(self, samples: int) -> float | None:
        return None if self._seconds_each is None else samples * self._seconds_each


@pytest.mark.parametrize(
    ("seconds_each", "said"),
    [
        (0.036, "ai-runner: info: serial:COM3:115200: 500 samples take 18 s or more on the line\n"),
        (0.001, ""),
        (None, ""),
    ],
)
def test_a_long_run_is_foretold(seconds_each: float | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    foretell(_Line(seconds_each), 500)  # type: ignore[arg-type]
    assert capsys.readouterr().err == said
