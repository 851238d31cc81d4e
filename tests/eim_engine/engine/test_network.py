"""What the engine computes is what the .tflite computes, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.compare.tensor_pair import real_values
from ai_runner.eim_engine.engine import network
from ai_runner.eim_engine.engine.network import Network, NoRuntime

MODELS = ["kws_ref_model", "vww_96_int8", "pretrainedResnet_quant", "str_ww_ref_model", "ad01_int8", "ad01_fp32"]


def directly(path: Path, real: np.ndarray) -> np.ndarray:
    """The dequantised first output of ``tflite:`` with its default kernels."""
    with AiRunner.open(f"tflite:{path}") as runner:
        info = runner.model_info()
        tensor = info.inputs[0]
        values = real.reshape(1, *tensor.sample_shape).astype(np.float32)
        if tensor.quantization is not None:
            values = tensor.quantization.quantize(values, tensor.dtype)
        return real_values(info.outputs[0], runner.run([values]).outputs[0]).reshape(-1)


@pytest.mark.parametrize("name", MODELS)
def test_bit_exact_with_the_model(shared_models: Path, name: str) -> None:
    path = shared_models / f"{name}.tflite"
    with AiRunner.open(f"tflite:{path}") as runner:
        tensor = runner.model_info().inputs[0]
    engine = Network(path.read_bytes())
    generator = np.random.default_rng(3)
    for _ in range(5):
        real = generator.normal(0, 1, tensor.sample_shape).astype(np.float32)
        if tensor.quantization is not None:
            raw = generator.integers(-128, 128, tensor.sample_shape).astype(tensor.dtype)
            real = real_values(tensor, raw)
        assert np.array_equal(engine.run(real.reshape(-1))[0], directly(path, real))


def test_digits(digits_int8: Path, digits_test: Path) -> None:
    engine = Network(digits_int8.read_bytes())
    for image in np.load(digits_test)["m_inputs_1"][:20]:
        assert np.array_equal(engine.run(image.reshape(-1))[0], directly(digits_int8, image))


def tensor(dtype: Any, scale: float, zero_point: int) -> network._Tensor:
    quantization = {"scales": np.array([scale], np.float32), "zero_points": np.array([zero_point])}
    return network._Tensor({"index": 0, "shape": (1, 6), "dtype": dtype, "quantization_parameters": quantization})


def test_halves_are_rounded_away_from_zero_and_ends_saturate() -> None:
    values = np.array([0.5, -0.5, 1.49, -2.5, 1e9, -np.inf], np.float32)
    assert tensor(np.int8, 1, 0).stored(values).tolist() == [[1, -1, 1, -3, 127, -128]]
    assert tensor(np.uint8, 1, 10).stored(values).tolist() == [[11, 9, 11, 7, 255, 0]]
    assert tensor(np.int32, 1, 0).stored(values).tolist() == [[1, -1, 1, -3, 1_000_000_000, -(2**31)]]


def test_not_a_number_gives_some_value() -> None:
    assert tensor(np.int8, 1, 0).stored(np.full(6, np.nan, np.float32)).shape == (1, 6)


def test_without_a_runtime_it_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise ImportError("No module named 'x'")

    monkeypatch.setattr(network, "_RUNTIMES", {"one": missing, "other": missing})
    with pytest.raises(NoRuntime, match=r"one: ImportError: No module.*; other: ") as caught:
        Network(b"")
    assert caught.value.missing


def test_a_model_that_is_refused_is_not_a_missing_runtime() -> None:
    with pytest.raises(NoRuntime) as caught:
        Network(b"nonsense")
    assert not caught.value.missing
