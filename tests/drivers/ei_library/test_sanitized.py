"""The C interface under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize(
    ("kind", "sdk"), [("tracking", 2026), ("freeform", 2026), ("tracking", 2025), ("visual_anomaly", 2024)]
)
def test_every_call_keeps_to_its_memory(
    kind: str, sdk: int, stub_export: Callable[..., Path], repository: Path, tmp_path: Path
) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    (tmp_path / "empty.cpp").write_text("int main() {}\n")
    probe = [compiler, *SANITIZE, str(tmp_path / "empty.cpp"), "-o", str(tmp_path / "empty")]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("no sanitizers")
    export, interface = stub_export(kind, sdk), repository / "drivers" / "ei_library"
    folders = (export, export / "model-parameters", export / "tflite-model", interface)
    sources = [
        interface / "ei_c_api.cpp",
        repository / "tests" / "drivers" / "ei_library" / "sanitized" / "main.cpp",
        export / "tflite-model" / "tflite_learn.cpp",
        export / "edge-impulse-sdk" / "porting" / "posix" / "ei_classifier_porting.cpp",
    ]
    c_source = export / "edge-impulse-sdk" / "tensorflow" / "lite" / "c" / "common.c"
    program = tmp_path / "program"
    command = [compiler, "-std=c++17", "-O0", "-g", *SANITIZE, *(f"-I{folder}" for folder in folders)]
    command += [*map(str, sources), "-x", "c", "-std=gnu11", str(c_source), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
