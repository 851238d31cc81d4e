"""The inputs that are tried in place of those that were sent, and when one of them is believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.compare.noise_floor.input_fault import input_fault
from ai_runner.compare.noise_floor.introduced import Exhibit
from ai_runner.compare.noise_floor.spoiled_inputs import spoiled_inputs
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization
from ai_runner.rerun import MODEL_INPUT

Array = npt.NDArray[Any]
PLACE = (MODEL_INPUT, 0)
IMAGES = np.random.default_rng(2).integers(-128, 128, (3, 5, 4, 3)).astype(np.int8)


def info(array: Array, scale: float = 0.1, zero_point: int = 3) -> TensorInfo:
    quantization = Quantization((scale,), (zero_point,)) if array.dtype.kind in "iu" else None
    return TensorInfo("image", (1, *array.shape[1:]), array.dtype, quantization)


def fault(array: Array, target: Array, operator: str = "", **quantization: Any) -> str:
    """What is said of a layer that hands its input on unchanged."""
    exhibit = Exhibit({PLACE: array}, target, {"reference": array}, b"", 0)

    def explains(other: Exhibit) -> bool:
        return bool(np.array_equal(other.inputs[PLACE], other.target))

    return input_fault(exhibit, (info(array, **quantization),), explains, operator)


@pytest.mark.parametrize("kind", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("scale", [1e-30, 0.1, 1e30])
@pytest.mark.parametrize("shape", [(2, 7), (2, 3, 4), (2, 5, 4, 3)])
def test_everything_that_is_tried_could_be_an_input(kind: str, scale: float, shape: tuple[int, ...]) -> None:
    raw = np.random.default_rng(1).integers(0, 256, (*shape, 8)).astype(np.uint8)
    array = raw[..., 0] > 99 if kind == "?" else np.ascontiguousarray(raw).view(kind)[..., 0].copy()
    with np.errstate(all="ignore"):
        tried = list(spoiled_inputs(array, info(array, scale)))
    assert len(tried) >= 2
    for description, spoiled in tried:
        assert (spoiled.shape, spoiled.dtype) == (array.shape, array.dtype), description
    assert fault(array, array ^ 1 if array.dtype.kind in "iu" else array[::-1], scale=scale) is not None


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (np.maximum(IMAGES, 0), "had lost its negative values"),
        ((IMAGES.view(np.uint8) ^ 128).view(np.int8), "had its sign bit flipped (signed read as unsigned)"),
        (IMAGES[..., ::-1], "had its channels reversed (RGB and BGR)"),
        (IMAGES >> 1, "were shifted right (1 of 8 bits)"),
        (np.trunc((IMAGES - 3.0) * 0.1).astype(np.int8), "were cast to integers without its scale"),
    ],
)
def test_the_cast_is_named(spoiled: Array, said: str) -> None:
    assert fault(IMAGES, spoiled) == f"the target computes as if input 0 'image' {said}"


def test_what_the_layer_could_have_done_is_not_the_inputs() -> None:
    small = IMAGES // 4
    assert fault(small, small - 3, zero_point=3) == ""  # also a wrong zero point of the layer
    assert fault(IMAGES, np.concatenate([IMAGES[:1], IMAGES[:-1]])) == ""  # also a stale output
    assert fault(IMAGES, np.zeros_like(IMAGES)) == ""  # a constant comes from many inputs


def test_a_constant_is_the_inputs_where_the_operator_makes_none() -> None:
    real = np.random.default_rng(3).uniform(0.1, 0.9, (3, 50)).astype(np.float32)
    exhibit = Exhibit({PLACE: real}, np.full(real.shape, -128, np.int8), {"reference": real}, b"", 0)

    def explains(other: Exhibit) -> bool:
        return not other.inputs[PLACE].any()

    assert input_fault(exhibit, (info(real),), explains, "QUANTIZE").endswith("were all zero")
    assert input_fault(exhibit, (info(real),), explains, "CONV_2D") == ""
    assert fault(IMAGES, np.zeros_like(IMAGES), "RESHAPE") == ""  # also memory that nobody wrote to


def test_real_values_are_cast_too() -> None:
    real = (np.random.default_rng(3).normal(0.0, 40.0, (3, 50))).astype(np.float32)
    assert fault(real, np.trunc(real)).endswith("were cast to integers")
    assert fault(real, real.astype(np.float16).astype(np.float32)).endswith("were cast to float16")
    assert fault(real, real * np.float32(1.01)) == ""
