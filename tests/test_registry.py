"""Drivers are found by scheme: built in, or installed by another package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ai_runner import registry
from ai_runner.descriptor import parse_descriptor
from ai_runner.errors import InvalidParamError, MissingRuntimeError
from ai_runner.registry import create_driver, driver_class, entries, is_valid_exec_domain

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_driver_installs_and_runs(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    (source / "doubler.py").write_text(blocks("drivers.md", "python")[0])
    (source / "pyproject.toml").write_text(blocks("drivers.md", "toml")[0])
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    script = """
import numpy as np
from ai_runner import AiRunner
with AiRunner.open("doubler:?factor=3") as runner:
    result = runner.run(np.ones((2, 4), np.float32))
    assert (result.outputs[0] == 3).all() and result.outputs[0].shape == (2, 4)
runner = AiRunner()
assert not runner.connect("doubler:?fctor=3")
assert "factor" in runner.get_error()
"""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    command = re.search(r"\$ ai-runner (.*)", blocks("drivers.md", "console")[0])
    assert command
    done = subprocess.run(
        [sys.executable, "-m", "ai_runner.cli", *command.group(1).split()],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "doubler" in done.stdout


def test_the_documented_driver_is_twenty_lines() -> None:
    code = [line for line in blocks("drivers.md", "python")[0].splitlines() if line.strip()]
    assert len(code) <= 20


def test_every_built_in_is_listed_once_with_a_summary() -> None:
    schemes = [entry.scheme for entry in entries()]
    assert {"file", "lib", "tflite", "serial", "eim"} <= set(schemes)
    assert len(schemes) == len(set(schemes))
    assert all(entry.summary for entry in entries())


def test_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(InvalidParamError) as caught:
        driver_class("tfilte")
    assert "tflite" in caught.value.hint


def test_a_driver_that_is_still_to_come_is_a_bench_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BUILT_IN", (registry.DriverEntry("later", "what will come", ""),))
    with pytest.raises(MissingRuntimeError, match="no driver for it") as caught:
        create_driver(parse_descriptor("later:m"))
    assert caught.value.EXIT_CODE == 3


@pytest.mark.parametrize("desc", ["", "serial:COM3", "file:x", "x.so", "m.tflite", "eim:m.eim"])
def test_known_domains(desc: str) -> None:
    assert is_valid_exec_domain(desc)


@pytest.mark.parametrize("desc", ["ftp:x", "serial:COM3:fast"])
def test_unknown_domains(desc: str) -> None:
    assert not is_valid_exec_domain(desc)
