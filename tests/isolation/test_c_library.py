"""C-models that crash: real segmentation faults and aborts of native code, in a child process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import Array, Driver
from ai_runner.errors import TargetCrashError
from ai_runner.model import Mode
from ai_runner.registry import create_driver

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

Build = Callable[..., Path]
ABORTS = "#include <stdio.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { %s abort(); }"
SAYS = 'fputs("no licence\\n", stderr);'


@pytest.fixture
def build(repository: Path, compiler: str, tmp_path: Path) -> Build:
    """Builds the network of sources/twin.h, which crashes for an image that begins with 77, and more C beside it."""
    sources = repository / "tests" / "drivers" / "c_library" / "sources"

    def built(api: str, more: str = "") -> Path:
        path = tmp_path / "libai_network.so"
        command = [compiler, "-std=gnu11", "-fPIC", "-shared", "-Wno-psabi", str(sources / f"{api}_twin.c")]
        subprocess.run([*command, "-xc", "-", "-o", str(path)], input=more.encode(), check=True)
        return path

    return built


def isolated(path: Path) -> Driver:
    return create_driver(parse_descriptor(f"file:{path}?isolate=process"))


def inputs(driver: Driver, first: float) -> list[Array]:
    arrays = [np.zeros((2, *t.sample_shape), t.dtype) for t in driver.info("network").inputs]
    arrays[0].reshape(2, -1)[1, 0] = first
    return arrays


@pytest.mark.parametrize("api", ["legacy", "stai"])
@pytest.mark.parametrize("mode", [Mode.IO_ONLY, Mode.PER_LAYER_WITH_DATA])
def test_a_segmentation_fault_in_run(build: Build, api: str, mode: Mode) -> None:
    driver = isolated(build(api))
    driver.open(Deadline(60))
    try:
        for _ in range(2):
            with pytest.raises(TargetCrashError, match="SIGSEGV") as caught:
                driver.invoke("network", inputs(driver, 77.0), mode)
            assert caught.value.evidence["signal"] == "SIGSEGV"
            driver.open(Deadline(60))
        result = driver.invoke("network", inputs(driver, 3.0), mode)
        assert result.outputs[0].reshape(2, -1)[1, 0] == 7.0
    finally:
        driver.close()


@pytest.mark.parametrize("api", ["legacy", "stai"])
def test_an_abort_while_loading(build: Build, api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    driver = isolated(build(api, ABORTS % SAYS))
    with pytest.raises(TargetCrashError, match="SIGABRT") as caught:
        driver.open(Deadline(60))
    assert "no licence" in caught.value.evidence["stderr"]
    driver.close()
    assert list(temporary.iterdir()) == [], "a dead child left its copy of the library behind"
    driver = isolated(build(api))
    driver.open(Deadline(60))
    assert driver.names() == ("network",)
    driver.close()
