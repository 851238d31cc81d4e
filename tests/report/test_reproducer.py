"""A divergence that somebody else can run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.compare.noise_floor.introduced import Exhibit
from ai_runner.compare.noise_floor.noise_band import IntroducedError
from ai_runner.compare.verdict import LayerComparison, RunSummary, TargetResult
from ai_runner.errors import InvalidParamError
from ai_runner.report.reproducer import write_reproducer


@pytest.fixture
def target(digits_int8: Path) -> TargetResult:
    """A target whose whole model came out one too high."""
    model = digits_int8.read_bytes()
    inputs = np.full((2, 8, 8, 1), 7, np.int8)
    exhibit = Exhibit({(-1, 0): inputs}, np.ones((2, 10), np.int8), {"reference": np.zeros((2, 10), np.int8)}, model, 0)
    error = IntroducedError(7, ("reference",), 20, 20, 9.0, 1.0, 0.0, reason='it says "x"""\n\\')
    layer = LayerComparison(3, 'a"""name\n', "CONV_2D", "n", "id", None, None, None, error)
    return TargetResult(RunSummary("file:x"), layers=(layer,), exhibit=exhibit)


def test_the_script_runs_and_names_cannot_escape_into_it(target: Any, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="the script uses LiteRT")
    folder = write_reproducer(target, tmp_path / "deep" / "folder")
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == ["operator.tflite", "reproduce.py", "tensors.npz"]
    done = subprocess.run([sys.executable, "reproduce.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.count("from BUILTIN_REF\n") == 2
    with np.load(folder / "tensors.npz", allow_pickle=False) as tensors:
        assert sorted(tensors) == ["input_0", "kernels_reference", "target"]


def test_kernels_that_lack_the_operator_are_left_out_and_real_targets_are_held_against_real_values(
    target: Any, digits_int8: Path, tmp_path: Path
) -> None:
    interpreters = pytest.importorskip("ai_edge_litert.interpreter", reason="the script uses LiteRT")
    scale, zero_point = interpreters.Interpreter(str(digits_int8)).get_output_details()[0]["quantization"]
    stored = np.zeros((2, 10), np.int8)
    real = Exhibit(
        target.exhibit.inputs,
        np.full((2, 10), (0 - zero_point) * scale + 5.0, np.float32),
        {"builtin": stored, "xnnpack": stored},
        target.exhibit.model,
        0,
    )
    folder = write_reproducer(replace(target, exhibit=real), tmp_path / "folder")
    done = subprocess.run([sys.executable, "reproduce.py"], cwd=folder, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["BUILTIN_WITHOUT_DEFAULT_DELEGATES"] * 2 + ["BUILTIN"] * 2
    assert all(4.5 <= float(line.split()[5]) <= 5.5 for line in lines)


def test_nothing_is_written_without_a_divergence(tmp_path: Path) -> None:
    assert write_reproducer(TargetResult(RunSummary("file:x")), tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be(target: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParamError, match="cannot be written"):
        write_reproducer(target, tmp_path / "file" / "folder")
