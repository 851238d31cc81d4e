"""A validation as it may come out, made without running anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from ai_runner.compare.alignment.layer_alignment import Unpaired
from ai_runner.compare.tensor_pair import TensorComparison, TensorPair
from ai_runner.compare.tolerance import ToleranceRule
from ai_runner.compare.verdict import (
    LayerComparison,
    OutputComparison,
    RunSummary,
    TargetResult,
    Validation,
    reasons_against,
)
from ai_runner.errors import TargetCrashError
from ai_runner.model import Caps, DeviceInfo, MemoryPool, ModelInfo, RuntimeInfo, TensorInfo
from ai_runner.quantization import Quantization

INT8 = TensorInfo("scores", (1, 4), np.dtype(np.int8), Quantization((0.5,), (3,)))
FLOAT = TensorInfo("feature\x1b[31m", (1, 2, 2), np.dtype(np.float32))


def compared(tensor: TensorInfo, ours: Any, theirs: Any) -> TensorComparison:
    pair = TensorPair(tensor, tensor, ToleranceRule())
    pair.update(np.asarray(ours, tensor.dtype), np.asarray(theirs, tensor.dtype))
    return pair.result()


def information(kernels: str) -> ModelInfo:
    return ModelInfo(
        "network",
        (INT8,),
        (INT8, FLOAT),
        RuntimeInfo("Python API", "LiteRT", (2, 3, 0), capabilities=(Caps.IO_ONLY,), attributes={"kernels": kernels}),
        DeviceInfo("HOST", "a machine", "x86_64"),
        n_nodes=2,
        hash="0xabc",
        params=(MemoryPool("weights", np.int64(12)),),  # type: ignore[arg-type]
    )


@pytest.fixture
def validation() -> Callable[..., Validation]:
    """A maker: a target that passes, one that fails at a layer, one that crashed."""

    def make(*which: str, accuracy: float | None = None) -> Validation:
        good = compared(INT8, [[1, 2, 3, 4]], [[1, 2, 3, 4]])
        bad = compared(INT8, [[1, 2, 3, 4]], [[1, 2, 3, 9]])
        broken = compared(FLOAT, [[[1, np.nan], [2, 3]]], [[[1, np.nan], [2, 3]]])
        layers = (
            LayerComparison(
                0, "a_rather_long_name_of_a_layer_in_a_real_model/conv", "CONV_2D", "n0", "id", good, 0.25, "isolated"
            ),
            LayerComparison(1, "feature\x1b[31m", "RELU", "n1", "content", broken, None, None),
            LayerComparison(2, "shown_by_nobody", "SOFTMAX", "n2", "order", None, 0.5, "isolated"),
        )
        unpaired = (Unpaired("reference", 3, "reshape", "RESHAPE", "no node of the target matches it"),)
        crash = TargetCrashError("the process died of SIGSEGV", hint="see the log", retryable=True)
        wrong = (OutputComparison(bad), OutputComparison(broken))
        run = RunSummary("file:good", information("c"), 1, 0.5, "batch_mean", accuracy, ("is\nwarm",))
        targets = {
            "good": TargetResult(run, (OutputComparison(good),)),
            "bad": TargetResult(run, wrong, layers, unpaired, reasons_against(wrong)),
            "crashed": TargetResult(RunSummary("file:crashed", error=crash), reasons=reasons_against((), error=crash)),
        }
        return Validation(
            RunSummary("tflite:m.tflite", information("reference"), 1, 2.0, "host", accuracy),
            tuple(targets[name] for name in which),
            "1 random samples, seed 42",
            1,
            42,
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            per_layer=True,
            notes=("a note",),
        )

    return make
