"""``ai-runner run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.data import RandomInputs
from ai_runner.model import TensorInfo


def test_outputs_and_times_are_shown(ai_runner: Any, fake_driver: Any) -> None:
    ended = ai_runner("run", "-d", "fake:one", "--random", "70")
    assert (ended.code, ended.err) == (0, "")
    assert "70 random samples, seed 42" in ended.out
    assert "float32[70, 3]" in ended.out
    assert len(fake_driver.runs) == 3
    assert fake_driver.closed == ["fake:one"]


def test_nodes_are_shown_when_asked_for(ai_runner: Any) -> None:
    assert "MUL" not in ai_runner("run", "-d", "fake:one").out
    assert "MUL" in ai_runner("run", "-d", "fake:one", "--per-layer").out


@pytest.mark.parametrize("options", [[], ["--per-layer"], ["--with-data"]])
def test_what_ran_is_saved(ai_runner: Any, tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "run.npz"
    ended = ai_runner("run", "-d", "fake:one", "--random", 40, "--seed", 7, "--save", path, *options)
    assert ended.code == 0
    saved = np.load(path)
    tensor = TensorInfo("x", (1, 3), np.dtype(np.float32))
    assert np.array_equal(saved["m_inputs_1"], RandomInputs([tensor], 40, 7).chunk(0, 40)[0])
    assert np.array_equal(saved["m_outputs_1"], saved["m_inputs_1"] * 2)
    assert ("N.0.0" in saved) == ("--with-data" in options)
    if "--with-data" in options:
        assert np.array_equal(saved["N.0.0"], saved["m_outputs_1"])
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_saved_can_be_run_again(ai_runner: Any, tmp_path: Path) -> None:
    path, again = tmp_path / "run.npz", tmp_path / "again.npz"
    ai_runner("run", "-d", "fake:one", "--save", path)
    assert ai_runner("run", "-d", "fake:one", "--inputs", path, "--save", again).code == 0
    assert np.array_equal(np.load(path)["m_outputs_1"], np.load(again)["m_outputs_1"])


def test_a_crash_leaves_no_file(ai_runner: Any, tmp_path: Path) -> None:
    ended = ai_runner("run", "-d", "fake:one?dies=2", "--random", 40, "--save", tmp_path / "run.npz")
    assert (ended.code, ended.out) == (3, "")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_file_is_said_before_anything_runs(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    ended = ai_runner("run", "-d", "fake:one", "--save", tmp_path / "none" / "run.npz")
    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert fake_driver.closed == []


def test_inputs_that_do_not_fit(ai_runner: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 5), np.float32))
    ended = ai_runner("run", "-d", "fake:one", "--inputs", tmp_path / "x.npy")
    assert ended.code == 2
    assert "input 'x' has shape [4, 5], expected [samples, 3]" in ended.err.splitlines()[0]
