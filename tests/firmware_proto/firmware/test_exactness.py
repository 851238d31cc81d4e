"""Every node of every model, on every port, answers as LiteRT's reference kernels do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.drivers.stm32.protocol import Tensor
from ai_runner.firmware import PORTS, build_firmware
from ai_runner.tflite_model import TfliteModel

INT8 = ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8"]


def reference_nodes(path: Path, array: np.ndarray) -> list[bytes]:
    """The output of every operator."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is the reference")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    model = TfliteModel.read(path)
    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(model.inputs[0], array)
    interpreter.invoke()
    return [interpreter.get_tensor(operator.outputs[0]).tobytes() for operator in model.operators]


@pytest.mark.parametrize("port", PORTS)
def test_two_models_in_one_image(port: str, client: Any, digits_int8: Path, digits_float: Path) -> None:
    peer = client(port=port)
    rng = np.random.default_rng(1)
    for _ in range(2):
        for name, path in (("digits", digits_int8), ("real", digits_float)):
            model = peer.model(name)
            if name == "digits":
                array: np.ndarray = rng.integers(-128, 128, (1, 8, 8, 1), np.int8)
            else:
                array = rng.random((1, 8, 8, 1), np.float32)
            reports, nodes = peer.nodes(model, array)
            expected = reference_nodes(path, array)
            assert [report.id for report in reports] == list(range(model.n_nodes))
            # The float model ends with SOFTMAX, whose exp() is the C library's: exact where that is the reference's.
            exact = len(nodes) - (name == "real" and port != "host")
            assert nodes[:exact] == expected[:exact]
            assert all(report.duration is not None and report.duration >= 0 for report in reports)
            if exact < len(nodes):
                last, wanted = (np.frombuffer(data, np.float32) for data in (nodes[-1], expected[-1]))
                np.testing.assert_allclose(last, wanted, rtol=1e-6)


def test_every_dialect(dialect: str, client: Any, digits_int8: Path, image: np.ndarray) -> None:
    peer = client(dialect=dialect)
    model = peer.model("digits")
    expected = reference_nodes(digits_int8, image)
    assert peer.nodes(model, image)[1] == expected
    output = peer.run(model, image)[-1]
    assert isinstance(output, Tensor)
    assert output.data == expected[-1]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("stem", INT8)
def test_the_mlperf_tiny_models(
    stem: str, port: str, shared_models: Path, compiler: str, need_port: Any, connect: Any, tmp_path: Path
) -> None:
    need_port(port)
    path = shared_models / f"{stem}.tflite"
    peer = connect(build_firmware({stem: path}, tmp_path / "out", port=port))
    model = peer.model(stem)
    array = np.random.default_rng(2).integers(-128, 128, model.inputs[0].shape, np.int8)
    array = array.reshape(TfliteModel.read(path).tensors[TfliteModel.read(path).inputs[0]].shape)
    assert peer.nodes(model, array)[1] == reference_nodes(path, array)
