"""Libraries for these tests, each from a line of C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

BuildC = Callable[..., Path]

COUNTER = "int table[3] = {1, 2, 3}; static int hidden; int counter_next(void) { return ++hidden; }"


@pytest.fixture(scope="session")
def build_c(compiler: str) -> BuildC:
    """Builds a library from C code."""

    def build(code: str, path: Path, *flags: str) -> Path:
        command = [*compiler.split(), "-std=gnu11", "-fPIC", "-shared", "-Wl,-z,lazy", "-xc", "-", "-o", str(path)]
        subprocess.run([*command, *flags], input=code.encode(), check=True)
        return path

    return build


@pytest.fixture
def counter(build_c: BuildC, tmp_path: Path) -> Path:
    """A library with a function `counter_next`, data `table`, and a symbol of its own that it hides."""
    return build_c(COUNTER, tmp_path / f"libcounter_{tmp_path.name}.so")
