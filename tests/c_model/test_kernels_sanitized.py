"""The operator tests once more with a compiler that watches every access and every shift of the kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def sanitizer_library(compiler: str) -> Path:
    """The run-time library that has to be loaded before Python."""
    command = [*compiler.split(), "-print-file-name=libasan.so"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(path).is_absolute() or not Path(path).exists():
        pytest.skip(f"{compiler} has no address sanitizer")
    return Path(path)


def test_no_undefined_behaviour_and_no_access_out_of_bounds(compiler: str) -> None:
    if sys.platform != "linux":
        pytest.skip("loads the address sanitizer as Linux does")
    environment = os.environ | {
        "LD_PRELOAD": str(sanitizer_library(compiler)),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "KERNEL_CFLAGS": "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all",
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-m", "pytest", str(HERE / "operators"), "-q", "-p", "no:cacheprovider", "-n", "0"]
    result = subprocess.run(
        [*command, "--hypothesis-profile=sanitized"], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert "passed" in result.stdout
