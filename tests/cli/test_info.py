"""``ai-runner info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_model_is_described(ai_runner: Any, fake_driver: Any) -> None:
    ended = ai_runner("info", "-d", "fake:one")
    assert (ended.code, ended.err) == (0, "")
    assert "network" in ended.out
    assert "Fake 1.0.0" in ended.out
    assert fake_driver.closed == ["fake:one"]


@pytest.mark.parametrize("content", [b"", b"this is text", b"\x1c\x00\x00\x00TFL3" + b"\xff" * 40])
def test_what_is_no_model(ai_runner: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    ended = ai_runner("info", "-d", path)
    assert (ended.code, ended.out) == (4, "")
    assert "m.tflite" in ended.err.splitlines()[0]
    assert "Traceback" not in ended.err


def test_a_missing_file(ai_runner: Any, tmp_path: Path) -> None:
    ended = ai_runner("info", "-d", f"tflite:{tmp_path / 'none.tflite'}")
    assert ended.code == 2
    assert "none.tflite" in ended.err.splitlines()[0]
