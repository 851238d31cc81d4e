"""Models of other kinds than the digits: several outputs, a memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner import AiRunner
from ai_runner.eim_engine import build_engine


def test_several_outputs_are_freeform(start: Callable[[Path], Any], two_outputs_eim: Path) -> None:
    engine = start(two_outputs_eim)
    hello = engine.ask(hello=1)
    assert hello["model_parameters"]["model_type"] == "freeform"
    assert [(block["index"], block["elements"]) for block in hello["freeform_output_shm"]] == [(0, 36), (1, 144)]
    image = np.zeros((24, 32, 3))
    image[:8, :8] = (0.2, 0.4, 0.6)
    coarse, fine = engine.ask(classify=image.reshape(-1).tolist())["result"]["freeform"]
    np.testing.assert_allclose(coarse[:6], [0.2, 0.4, 0.6, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(fine[:9], [0.2, 0.4, 0.6, 0.2, 0.4, 0.6, 0, 0, 0], atol=1e-6)


def test_our_driver_gets_both(two_outputs_eim: Path) -> None:
    with AiRunner.open(f"eim:{two_outputs_eim}") as runner:
        shapes = [tensor.shape for tensor in runner.model_info().outputs]
        outputs = runner.run([np.ones((2, 24 * 32 * 3), np.float32)]).outputs
    assert shapes == [(1, 36), (1, 144)]
    assert all((output == 1).all() for output in outputs)


def test_a_memory_is_cleared_before_each_window(
    start: Callable[[Path], Any], counting_tflite: bytes, tmp_path: Path
) -> None:
    (tmp_path / "counting.tflite").write_bytes(counting_tflite)
    engine = start(build_engine(tmp_path / "counting.tflite", tmp_path / "counting.eim").path)
    engine.ask(hello=1)
    answers = [engine.ask(classify=[1, 1])["result"]["classification"] for _ in range(3)]
    assert answers == [{"0": 1.0, "1": 1.0}] * 3
