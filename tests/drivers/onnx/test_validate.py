"""The bundled float model written again as .onnx, held against its .tflite by ``ai-runner validate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.cli import main
from ai_runner.tflite_model import TfliteModel


def transcribed(models: Any, digits: Path, change: float = 0.0, as_exported: bool = False) -> Path:
    """Same weights, channels first inside; `change` is added to one bias of the last layer.

    `as_exported` has no Transpose, as PyTorch writes it: the input has channels first, and the flattened vector too.
    """
    pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")
    model = TfliteModel.read(digits)
    weights = [[model.tensors[i].data for i in operator.inputs[1:]] for operator in model.operators]
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = (weights[i] for i in (0, 1, 2, 5))
    assert all(w is not None for w in (w1, b1, w2, b2, w3, b3, w4, b4))
    constants = {
        **{"w1": w1.transpose(0, 3, 1, 2), "w2": w2.transpose(3, 0, 1, 2), "w3": w3.transpose(0, 3, 1, 2), "w4": w4},
        **{"b1": b1, "b2": b2, "b3": b3, "b4": b4 + np.eye(1, len(b4), 2, dtype=np.float32)[0] * change},
        "flat": np.array([1, 256], np.int64),
    }
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        models.node("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]),
        models.node("Conv", ["x", "w1", "b1"], ["c1"], **same),
        models.node("Relu", ["c1"], ["r1"]),
        models.node("Conv", ["r1", "w2", "b2"], ["c2"], group=8, **same),
        models.node("Relu", ["c2"], ["r2"]),
        models.node("Conv", ["r2", "w3", "b3"], ["c3"]),
        models.node("Relu", ["c3"], ["r3"]),
        models.node("MaxPool", ["r3"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        models.node("Transpose", ["p"], ["last"], perm=[0, 2, 3, 1]),
        models.node("Reshape", ["last", "flat"], ["f"]),
        models.node("Gemm", ["f", "w4", "b4"], ["scores"], transB=1),
        models.node("Softmax", ["scores"], ["y"]),
    ]
    if as_exported:
        del nodes[8], nodes[0]
        constants["w4"] = w4.reshape(-1, 4, 4, 16).transpose(0, 3, 1, 2).reshape(w4.shape)
        nodes[0].input[0], nodes[7].input[0] = "x", "p"
        exported: Path = models.write(nodes, {"x": ("FLOAT", [1, 1, 8, 8])}, {"y": ("FLOAT", [1, 10])}, constants)
        return exported
    path: Path = models.write(nodes, {"image": ("FLOAT", [1, 8, 8, 1])}, {"y": ("FLOAT", [1, 10])}, constants)
    return path


@pytest.mark.parametrize("reference", ["onnx", "tflite"])
def test_an_equivalent_model_passes(
    models: Any, digits_float: Path, digits_test: Path, reference: str, capsys: Any
) -> None:
    descriptors = {"onnx": f"onnx:{transcribed(models, digits_float)}", "tflite": f"tflite:{digits_float}"}
    target = descriptors["tflite" if reference == "onnx" else "onnx"]
    assert main(["validate", "-m", descriptors[reference], "-d", target, "--inputs", str(digits_test)]) == 0
    assert "verdict    PASS" in capsys.readouterr().out


@pytest.mark.parametrize("as_exported", [False, True])
@pytest.mark.parametrize("reference", ["onnx", "tflite"])
def test_layers_are_paired_across_formats(
    models: Any, digits_float: Path, digits_test: Path, as_exported: bool, reference: str, capsys: Any
) -> None:
    """Fused activations, channels first against channels last, cubes of 8 x 8 x 8 that look the same either way."""
    descriptors = [f"onnx:{transcribed(models, digits_float, as_exported=as_exported)}", f"tflite:{digits_float}"]
    mine, theirs = descriptors if reference == "onnx" else reversed(descriptors)
    report = models.folder / "report.json"
    arguments = ["validate", "-m", mine, "-d", theirs, "--inputs", str(digits_test), "--per-layer", "--json"]
    assert main([*arguments, str(report)]) == 0
    capsys.readouterr()
    (target,) = json.loads(report.read_text())["targets"]
    pairs = {(layer["name"], layer["target_name"]) for layer in target["layers"] if layer["within_tolerance"]}
    names = ["relu_1", "relu_3", "relu_5", "maxpool_6", "reshape_7", "gemm_8", "softmax_9"]
    if not as_exported:
        names = ["relu_2", "relu_4", "relu_6", "transpose_8", "reshape_9", "gemm_10", "softmax_11"]
    ours = ["conv_2d_0", "depthwise_conv_2d_1", "conv_2d_2", "max_pool_2d_3", "reshape_4", "fully_connected_5"]
    expected = zip(names, [*ours, "softmax_6"], strict=True)
    assert pairs == {pair if reference == "onnx" else pair[::-1] for pair in expected}
    assert all(layer["metrics"]["cos"] > 0.9999 for layer in target["layers"])


def test_another_bias_fails(models: Any, digits_float: Path, digits_test: Path, capsys: Any) -> None:
    reference = f"onnx:{transcribed(models, digits_float, change=0.1)}"
    assert main(["validate", "-m", reference, "-d", f"tflite:{digits_float}", "--inputs", str(digits_test)]) == 1
    assert "verdict    FAIL" in capsys.readouterr().out
