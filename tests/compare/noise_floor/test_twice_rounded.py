"""FULLY_CONNECTED rounded twice: gemmlowp's arithmetic, number by number, and what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner, Mode
from ai_runner.compare.noise_floor.twice_rounded import TwiceRounded
from ai_runner.compare.target_judge import NoiseFloor
from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import Verdict
from ai_runner.rerun import Rerun
from ai_runner.tflite_model import TfliteModel

LAYERS = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA


@pytest.fixture(scope="module")
def dense(digits_int8: Path) -> bytes:
    """The FULLY_CONNECTED of the bundled model, alone."""
    model = TfliteModel.read(digits_int8)
    (index,) = (o.index for o in model.operators if o.name == "FULLY_CONNECTED")
    alone = model.single_operator(index)
    assert alone is not None
    return alone


def doubling_high_product(a: int, b: int) -> int:
    nudge = (1 << 30) if a * b >= 0 else 1 - (1 << 30)
    total = a * b + nudge
    return total // (1 << 31) if total >= 0 else -(-total // (1 << 31))


def divided_by_power_of_two(x: int, exponent: int) -> int:
    remainder, threshold = x & ((1 << exponent) - 1), ((1 << exponent) - 1 >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if remainder > threshold else 0)


def test_the_arithmetic_is_gemmlowps(dense: bytes) -> None:
    operator = TwiceRounded.of(dense)
    assert operator is not None
    features, classes = operator.weights.shape
    inputs = np.random.default_rng(3).integers(-128, 128, (20, features)).astype(np.int8)
    away, upwards = operator.run(inputs)
    assert np.abs(away.astype(int) - upwards).max() <= 1
    for row, computed in zip(inputs, away, strict=True):
        for c in range(classes):
            products = zip(row.tolist(), operator.weights[:, c].tolist(), strict=True)
            total = sum((x - operator.input_zero_point) * int(w) for x, w in products) + int(operator.bias[c])
            multiplier, shift = int(operator.multiplier[c]), int(operator.shift[c])
            product = doubling_high_product(total << max(shift, 0), multiplier)
            value = divided_by_power_of_two(product, max(-shift, 0)) + operator.output_zero_point
            assert computed[c] == max(operator.lowest, min(127, value))


@pytest.mark.parametrize("wrong", [b"", b"\0" * 64])
def test_what_is_no_such_operator_has_none(wrong: bytes, digits_int8: Path) -> None:
    assert TwiceRounded.of(wrong) is None
    assert TwiceRounded.of(digits_int8.read_bytes()) is None
    first = TfliteModel.read(digits_int8).single_operator(0)
    assert first is not None
    assert TwiceRounded.of(first) is None


def test_a_kernel_set_that_rounds_twice_passes_where_no_other_does(shared_models: Path, array_source: Any) -> None:
    pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")
    frames = np.load(shared_models / "ad_logmel_f32.npy")
    path = shared_models / "ad01_int8.tflite"
    with (
        AiRunner.open(f"tflite:{path}?kernels=reference") as reference,
        AiRunner.open(f"tflite:{path}?kernels=builtin") as builtin,
    ):

        def without_builtin(*arguments: Any) -> Rerun | None:
            found = reference.rerun(*arguments)
            assert found is not None
            kept = {name: x for name, x in found.outputs.items() if name != "builtin"}
            return Rerun(kept, found.operators, found.inputs, found.model)

        tensor = reference.model_info().inputs[0]
        assert tensor.quantization is not None
        windows = np.stack([frames[i : i + 5].reshape(-1) for i in range(0, 160, 5)])
        inputs = tensor.quantization.quantize(windows, tensor.dtype)
        source, floor = array_source(inputs), NoiseFloor(without_builtin)
        found = validate(reference, [builtin], source, per_layer=True, noise_floor=floor).targets[0]
        differing = [
            a.data[0] != b.data[0]
            for a, b in zip(*(r.run([inputs], mode=LAYERS).nodes for r in (reference, builtin)), strict=True)
        ]
    assert (found.verdict, found.reasons) == (Verdict.PASS, ())
    assert differing[2].any()
