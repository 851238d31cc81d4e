"""``ai-runner drivers``."""

from __future__ import annotations

from typing import Any


def test_every_scheme_is_listed(ai_runner: Any) -> None:
    ended = ai_runner("drivers")
    assert (ended.code, ended.err) == (0, "")
    rows = {line.split()[0]: line for line in ended.out.splitlines()}
    assert {"file:", "lib:", "tflite:", "serial:", "fake:"} <= rows.keys()
    assert "ai-runner[onnx]" in rows["onnx:"]
    assert "fake-package" in rows["fake:"]
