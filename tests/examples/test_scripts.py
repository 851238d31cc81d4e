"""Every example runs on every host runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("runtime", ["tflite", "st-ai", "legacy"])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("minimal.py", "ms a sample"),
        ("checker.py", "PER_LAYER"),
        ("ai_runner_test.py", "sample 2: 1 output(s)"),
    ],
)
def test_example(name: str, shown: str, runtime: str, digits_descriptors: dict[str, str]) -> None:
    done = run(name, "-d", digits_descriptors[runtime])
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize("runtime", ["st-ai", "legacy"])
def test_comparison(runtime: str, digits_descriptors: dict[str, str], digits_int8: Path) -> None:
    done = run("tflite_test.py", "-m", str(digits_int8), "-d", digits_descriptors[runtime])
    assert done.returncode == 0, done.stderr
    assert "max=0.00 LSB" in done.stdout


def test_comparison_fails_where_models_differ(digits_int8: Path) -> None:
    done = run("tflite_test.py", "-m", str(digits_int8), "-d", f"tflite:{digits_int8}", "--max-lsb", "-1")
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize("name", ["checker.py", "ai_runner_test.py"])
def test_a_failing_connect_is_explained(name: str) -> None:
    done = run(name, "-d", "file:nothing/here")
    assert done.returncode == 1
    assert "nothing/here" in done.stderr
    assert "Traceback" not in done.stderr
