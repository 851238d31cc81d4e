"""Scales and zero points read off operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.drivers.onnx.model import OnnxModel
from ai_runner.drivers.onnx.quantization import quantizations
from ai_runner.quantization import Quantization

SCALES = {"s": np.float32(0.5), "z": np.uint8(7), "s2": np.float32(0.25), "z2": np.uint8(9)}
Q = Quantization((0.5,), (7,))
Q2 = Quantization((0.25,), (9,))


def found(models: Any, nodes: list[Any], constants: dict[str, Any] | None = None) -> dict[str, Quantization]:
    path = models.write(nodes, {"x": ("FLOAT", [1, 2])}, {"y": ("FLOAT", [1, 2])}, constants or SCALES)
    return quantizations(OnnxModel.read(str(path)))


def test_operators_that_compute_with_integers(models: Any) -> None:
    nodes = [
        models.node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        models.node("QLinearConv", ["q", "s", "z", "w", "s", "z", "s2", "z2"], ["conv"]),
        models.node("QLinearAdd", ["conv", "s2", "z2", "q", "s", "z", "s2", "z2"], ["add"], domain="com.microsoft"),
        models.node("QLinearGlobalAveragePool", ["add", "s2", "z2", "s", "z"], ["pool"], domain="com.microsoft"),
        models.node("QLinearConcat", ["s2", "z2", "pool", "s", "z"], ["concat"], domain="com.microsoft"),
        models.node("QGemm", ["concat", "s", "z", "w", "s", "z", "b", "s", "z"], ["gemm"], domain="com.microsoft"),
    ]
    assert found(models, nodes) == {"q": Q, "conv": Q2, "add": Q2, "pool": Q, "concat": Q2, "gemm": Q}


def test_what_moves_integers_keeps_their_meaning_in_both_directions(models: Any) -> None:
    nodes = [
        models.node("Reshape", ["input", "shape"], ["a"]),
        models.node("Transpose", ["a"], ["b"]),
        models.node("DequantizeLinear", ["b", "s", "z"], ["real"]),
        models.node("QuantizeLinear", ["real", "s2", "z2"], ["c"]),
        models.node("MaxPool", ["c"], ["d"], kernel_shape=[1, 1]),
        models.node("Flatten", ["d"], ["e"]),
    ]
    assert found(models, nodes) == {"input": Q, "a": Q, "b": Q, "c": Q2, "d": Q2, "e": Q2}


def test_a_scale_for_each_channel(models: Any) -> None:
    constants = {"s": np.array([0.5, 0.25], np.float32), "z": np.array([0, 3], np.int8)}
    nodes = [
        models.node("QuantizeLinear", ["x", "s", "z"], ["default"]),
        models.node("QuantizeLinear", ["x", "s", "z"], ["last"], axis=-1),
    ]
    axes = {name: q.axis for name, q in found(models, nodes, constants).items()}
    assert axes == {"default": 1, "last": -1}


def test_without_a_zero_point_it_is_zero(models: Any) -> None:
    nodes = [models.node("QuantizeLinear", ["x", "s"], ["a"]), models.node("QuantizeLinear", ["x", "s", ""], ["b"])]
    assert found(models, nodes) == {"a": Quantization((0.5,), (0,)), "b": Quantization((0.5,), (0,))}


@pytest.mark.parametrize(
    "constants",
    [
        {},
        {"s": np.float32(0)},
        {"s": np.float32("nan")},
        {"s": np.float32(-1)},
        {"s": np.array([], np.float32)},
        {"s": np.ones((2, 2), np.float32)},
        {"s": np.array([1, 2], np.float32)},
        {"s": np.int32(1)},
        {"s": np.float32(1), "z": np.float32(0)},
    ],
)
def test_a_scale_that_is_computed_or_absurd_is_none(models: Any, constants: dict[str, Any]) -> None:
    nodes = [models.node("QuantizeLinear", ["x", "s", "z"], ["q"])]
    assert found(models, nodes, {"unused": np.float32(1), "z": np.int8(0)} | constants) == {}
