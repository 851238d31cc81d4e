"""Small .onnx models written for one test each, and bare sessions beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.driver import Array
from ai_runner.drivers.onnx.driver import OnnxDriver

Dims = Sequence[int | str | None] | None


@dataclass(frozen=True)
class Writer:
    """Writes models into a folder of the test."""

    folder: Path

    def node(self, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
        from onnx import helper

        return helper.make_node(op_type, inputs, outputs, **attributes)

    def write(
        self,
        nodes: Sequence[Any],
        inputs: Mapping[str, tuple[str, Dims]],
        outputs: Mapping[str, tuple[str, Dims]],
        constants: Mapping[str, Any] | None = None,
        name: str = "small.onnx",
    ) -> Path:
        """Inputs and outputs by name as (ONNX type, dimensions)."""
        from onnx import TensorProto, helper, numpy_helper

        def ends(described: Mapping[str, tuple[str, Dims]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(name, getattr(TensorProto, kind), dims)
                for name, (kind, dims) in described.items()
            ]

        arrays = [numpy_helper.from_array(np.asarray(value), key) for key, value in (constants or {}).items()]
        graph = helper.make_graph(nodes, "small", ends(inputs), ends(outputs), arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = self.folder / name
        path.write_bytes(model.SerializeToString())
        return path

    def mlp(self, batch: int | str = "N", name: str = "mlp.onnx") -> Path:
        """16 -> 8 -> 5, four nodes."""
        random = np.random.default_rng(7)
        return self.write(
            [
                self.node("Gemm", ["x", "w1", "b1"], ["h"], name="first"),
                self.node("Relu", ["h"], ["r"]),
                self.node("MatMul", ["r", "w2"], ["scores"]),
                self.node("Softmax", ["scores"], ["y"]),
            ],
            {"x": ("FLOAT", [batch, 16])},
            {"y": ("FLOAT", [batch, 5])},
            {
                "w1": random.standard_normal((16, 8), np.float32),
                "b1": random.standard_normal(8, np.float32),
                "w2": random.standard_normal((8, 5), np.float32),
            },
            name,
        )

    def qdq(self) -> Path:
        """A convolution between QuantizeLinear and DequantizeLinear, float (1, 3, 6, 6) in, float (1, 4, 6, 6) out."""
        weights = np.random.default_rng(8).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
        nodes = [
            self.node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
            self.node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
            self.node("DequantizeLinear", ["wq", "sw", "zw"], ["w"], axis=0),
            self.node("Conv", ["xd", "w"], ["c"], pads=[1, 1, 1, 1]),
            self.node("Relu", ["c"], ["r"]),
            self.node("QuantizeLinear", ["r", "sy", "zy"], ["yq"]),
            self.node("Transpose", ["yq"], ["moved"], perm=[0, 2, 3, 1]),
            self.node("DequantizeLinear", ["moved", "sy", "zy"], ["y"]),
        ]
        constants = {
            **{"sx": np.float32(0.02), "zx": np.int8(3), "sy": np.float32(0.05), "zy": np.int8(-128), "wq": weights},
            **{"sw": np.array([0.01, 0.02, 0.01, 0.03], np.float32), "zw": np.zeros(4, np.int8)},
        }
        return self.write(nodes, {"x": ("FLOAT", [1, 3, 6, 6])}, {"y": ("FLOAT", [1, 6, 6, 4])}, constants, "qdq.onnx")


@pytest.fixture
def models(tmp_path: Path) -> Writer:
    pytest.importorskip("onnx", reason="onnx writes the models of these tests")
    pytest.importorskip("onnxruntime", reason="no runtime for .onnx models")
    return Writer(tmp_path)


@pytest.fixture
def connect(connect_to: Callable[..., Any]) -> Callable[..., OnnxDriver]:
    """Opens a model, ``connect(path, optimize="all")``."""
    return partial(connect_to, OnnxDriver, "onnx")


@pytest.fixture
def bare() -> Callable[..., list[Array]]:
    """Outputs of a session without this project, sample by sample, stacked without the batch dimension of 1."""

    def outputs(path: Path, inputs: Mapping[str, Array], level: str = "ORT_DISABLE_ALL") -> list[Array]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        samples = len(next(iter(inputs.values())))
        runs = [session.run(None, {name: x[i : i + 1] for name, x in inputs.items()}) for i in range(samples)]
        return [np.concatenate(parts) for parts in zip(*runs, strict=True)]

    return outputs
