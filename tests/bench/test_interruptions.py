"""What the scheduler is asked."""

from __future__ import annotations

import sys

import pytest

from ai_runner.bench.interruptions import interruptions


def test_the_count_never_goes_back() -> None:
    counts = [interruptions() for _ in range(100)]
    assert counts == sorted(counts)
    assert counts[0] >= 0


def test_a_system_that_does_not_count_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert interruptions() == 0
