"""Whether the first layer is at fault, or got something else than the inputs that were sent.

A target that casts, shifts or reorders its inputs computes its first layer correctly on the wrong numbers. So the usual
ways to spoil an input are tried: when trusted kernels give the target's result on one of them, the input is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ai_runner.compare.introduced import Array, Exhibit
from ai_runner.compare.tolerance import is_integer
from ai_runner.model import TensorInfo
from ai_runner.rerun import MODEL_INPUT, TensorPlace

Judge = Callable[[Exhibit], bool]


def input_fault(exhibit: Exhibit, inputs: tuple[TensorInfo, ...], explains: Judge) -> str:
    """What happened to an input, one clause; '' when nothing that is known explains the target's result.

    Args:
        exhibit: samples in which a layer that reads the model's inputs lies outside of its band.
        inputs: of the model.
        explains: whether trusted kernels give the target's result on the inputs of an exhibit.
    """
    for place, array in exhibit.inputs.items():
        if place[0] != MODEL_INPUT:
            continue
        tensor = inputs[place[1]]
        for description, spoiled in _spoiled(array, tensor, exhibit.earlier.get(place)):
            if not np.array_equal(spoiled, array) and explains(exhibit.on({**exhibit.inputs, place: spoiled})):
                return f"the target computes as if {_called(place, tensor)} {description}"
    return ""


def _called(place: TensorPlace, tensor: TensorInfo) -> str:
    return f"input {place[1]} '{tensor.name}'"


def _spoiled(array: Array, tensor: TensorInfo, earlier: Array | None) -> Iterator[tuple[str, Array]]:
    """What an input may have become, in its own type."""
    if earlier is not None:
        yield "were that of the sample before", earlier
    yield "were all zero", np.zeros_like(array)
    if is_integer(tensor):
        yield from _spoiled_integers(array, tensor)
    else:
        yield from _spoiled_reals(array)
    if array.ndim >= 3 and 1 < array.shape[-1] <= 4:
        yield "had its channels reversed (RGB and BGR)", np.ascontiguousarray(array[..., ::-1])
    if array.ndim == 4:
        yield "had height and width exchanged", _reread(array.transpose(0, 2, 1, 3), array)
        yield "were read channel first", _reread(array.transpose(0, 3, 1, 2), array)
        planes = array.reshape(len(array), array.shape[3], *array.shape[1:3])
        yield "were stored channel first", _reread(planes.transpose(0, 2, 3, 1), array)
    yield "had its bytes reversed", array.byteswap() if array.itemsize > 1 else array
    yield "were turned round", np.ascontiguousarray(array.reshape(len(array), -1)[:, ::-1]).reshape(array.shape)


def _spoiled_integers(array: Array, tensor: TensorInfo) -> Iterator[tuple[str, Array]]:
    limits = np.iinfo(array.dtype)
    wide = array.astype(np.int64)
    half = 1 << (8 * array.itemsize - 1)

    def saturated(values: Array) -> Array:
        return np.clip(np.rint(values), limits.min, limits.max).astype(array.dtype)

    yield "had its sign bit flipped (signed read as unsigned)", (wide ^ half).astype(array.dtype)
    yield "were shifted by half its range, saturated", saturated(wide + half)
    yield "were shifted by minus half its range, saturated", saturated(wide - half)
    yield "had lost its negative values", np.maximum(array, 0)
    yield "had lost its signs", saturated(np.abs(wide))
    yield "were negated", saturated(-wide)
    for factor, said in ((2.0, "doubled"), (0.5, "halved")):
        yield f"were {said}", saturated(wide * factor)
    if tensor.quantization is None or tensor.quantization.per_channel:
        return
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zero_point[0]
    real = tensor.quantization.dequantize(array).astype(np.float64)
    yield "were cast to integers without its scale", saturated(np.trunc(real))
    yield "were rounded to integers without its scale", saturated(real)
    yield "were cast to integers without its scale, wrapped", np.trunc(real).astype(np.int64).astype(array.dtype)
    yield "were quantised without its zero point", saturated(wide - zero_point)
    yield "were quantised without its zero point, wrapped", (wide - zero_point).astype(array.dtype)
    yield "had its zero point added twice", saturated(wide + zero_point)
    yield "were quantised by truncation", saturated(np.trunc(real / scale - 0.5) + zero_point)
    yield "were scaled to 0..1 once too often", saturated(real / 255.0 / scale + zero_point)
    yield "were not scaled to 0..1", saturated(real * 255.0 / scale + zero_point)


def _spoiled_reals(array: Array) -> Iterator[tuple[str, Array]]:
    kind = array.dtype
    finite = np.nan_to_num(array)
    yield "were cast to integers", np.trunc(array)
    yield "were rounded to integers", np.rint(array)
    with np.errstate(over="ignore"):
        yield "were cast to float16", array.astype(np.float16).astype(kind)
    yield (
        "were cast to int8, wrapped",
        np.clip(np.trunc(finite), -(2**31), 2**31 - 1).astype(np.int64).astype(np.int8).astype(kind),
    )
    yield "were cast to int8, saturated", np.clip(np.trunc(finite), -128, 127).astype(kind)
    yield "were cast to uint8, saturated", np.clip(np.trunc(finite), 0, 255).astype(kind)
    yield "had lost its negative values", np.maximum(array, 0)
    yield "were clipped to -1..1", np.clip(array, -1, 1)
    yield "were clipped to 0..1", np.clip(array, 0, 1)
    yield "were negated", -array
    yield "were scaled to 0..1 once too often", (array / kind.type(255)).astype(kind)
    yield "were not scaled to 0..1", (array * kind.type(255)).astype(kind)
    for factor, said in ((2, "doubled"), (0.5, "halved")):
        yield f"were {said}", (array * kind.type(factor)).astype(kind)


def _reread(values: Array, like: Array) -> Array:
    return np.ascontiguousarray(values).reshape(like.shape)
