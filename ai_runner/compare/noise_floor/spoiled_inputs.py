"""The usual ways in which an input is spoiled on its way into a model: casts, lost signs and bits, another order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]
Spoiled = Iterator[tuple[str, Array]]

_WIDEST = 4  # bytes of integers whose arithmetic fits into int64


def spoiled_inputs(array: Array, tensor: TensorInfo) -> Spoiled:
    """What an input may have become, each with a clause that completes "as if the input".

    Args:
        array: the input, ``(samples,) + sample_shape``.
        tensor: as the model declares it.

    Yields:
        Arrays of the same shape and dtype. Numbers may overflow on the way: numpy warns unless it is told not to.
    """
    yield "were all zero", np.zeros_like(array)
    if array.dtype.kind == "f":
        yield from _reals(array)
        yield from _rescaled(array)
    elif array.dtype.kind in "iu" and array.itemsize <= _WIDEST:
        yield from _integers(array)
        if tensor.quantization is not None and not tensor.quantization.per_channel:
            yield from _quantised(array, tensor.quantization.scale[0], tensor.quantization.zero_point[0])
    yield from _reordered(array)


def _integers(array: Array) -> Spoiled:
    limits = np.iinfo(array.dtype)
    bits = 8 * array.itemsize
    wide = array.astype(np.int64)
    half = 1 << (bits - 1)

    def saturated(values: Array) -> Array:
        return np.clip(np.rint(values), limits.min, limits.max).astype(array.dtype)

    yield "had its sign bit flipped (signed read as unsigned)", (wide ^ half).astype(array.dtype)
    yield "were shifted by half its range, saturated", saturated(wide + half)
    yield "were shifted by minus half its range, saturated", saturated(wide - half)
    yield "had lost its negative values", np.maximum(array, 0)
    yield "had its negative values read as unsigned, saturated", saturated(wide & (2 * half - 1))
    yield "had lost its signs", saturated(np.abs(wide))
    yield "had lost its sign bit", (wide & (half - 1)).astype(array.dtype)
    yield "were negated", saturated(-wide)
    yield "were complemented", np.invert(array)
    for shift in range(1, bits // 2 + 1):
        factor = 1 << shift
        yield f"had lost its lowest {shift} bits", (wide & -factor).astype(array.dtype)
        yield f"had lost its lowest {shift} bits by rounding", saturated(np.rint(wide / factor) * factor)
        yield f"were shifted right ({shift} of {bits} bits)", (wide >> shift).astype(array.dtype)
        yield f"were divided by {factor}", saturated(np.trunc(wide / factor))
        yield f"were divided by {factor}, rounded", saturated(wide / factor)
        yield f"were multiplied by {factor}, saturated", saturated(wide * factor)
        yield f"were multiplied by {factor}, wrapped", (wide * factor).astype(array.dtype)
        lower, upper = -(half >> shift), (half >> shift) - 1
        yield f"were clipped to {lower}..{upper}", np.clip(wide, lower, upper).astype(array.dtype)
        kept = bits - shift
        yield f"had only its lowest {kept} bits", (wide & ((1 << kept) - 1)).astype(array.dtype)
        yield f"were wrapped to {kept} bits", (((wide - lower) & ((1 << kept) - 1)) + lower).astype(array.dtype)


def _quantised(array: Array, scale: float, zero_point: int) -> Spoiled:
    """As if the real values had been stored without, or with another, quantization."""
    limits = np.iinfo(array.dtype)
    wide = array.astype(np.int64)
    real = (wide - zero_point) * float(scale)
    unsigned = 1 << (8 * array.itemsize)

    def saturated(values: Array) -> Array:
        return np.clip(np.rint(values), limits.min, limits.max).astype(array.dtype)

    def wrapped(values: Array) -> Array:
        return values.astype(np.int64).astype(array.dtype)

    for how, whole in (("cast", np.trunc(real)), ("rounded", np.rint(real)), ("rounded down", np.floor(real))):
        yield f"were {how} to integers without its scale", saturated(whole)
        yield f"were {how} to integers without its scale, wrapped", wrapped(whole)
        yield f"were {how} to unsigned integers without its scale", wrapped(np.clip(whole, 0, unsigned - 1))
        yield f"were {how} to integers before they were quantised", saturated(whole / scale + zero_point)
    yield "were quantised without its zero point", saturated(wide - zero_point)
    yield "were quantised without its zero point, wrapped", wrapped(wide - zero_point)
    yield "were quantised without its zero point, unsigned", wrapped(np.clip(wide - zero_point, 0, unsigned - 1))
    yield "had its zero point added twice", saturated(wide + zero_point)
    yield "had its zero point added twice, wrapped", wrapped(wide + zero_point)
    yield "were quantised with its zero point negated", saturated(wide - 2 * zero_point)
    yield "were scaled to 0..1 once too often", saturated(real / 255.0 / scale + zero_point)
    yield "were not scaled to 0..1", saturated(real * 255.0 / scale + zero_point)
    yield "were quantised twice", saturated(wide / scale + zero_point)
    yield "were multiplied by its scale once too often", saturated(real + zero_point)


def _reals(array: Array) -> Spoiled:
    kind = array.dtype
    finite = np.clip(np.nan_to_num(array), -(2.0**31), 2.0**31 - 128)
    for how, whole in (("cast", np.trunc(finite)), ("rounded", np.rint(finite)), ("rounded down", np.floor(finite))):
        yield f"were {how} to integers", whole.astype(kind)
        for name in ("int8", "uint8", "int16"):
            limits = np.iinfo(name)
            yield f"were {how} to {name}, wrapped", whole.astype(np.int64).astype(name).astype(kind)
            yield f"were {how} to {name}, saturated", np.clip(whole, limits.min, limits.max).astype(kind)
    yield "were cast to float16", array.astype(np.float16).astype(kind)
    if kind == np.float32:
        raw = array.view(np.uint32)
        yield "were cast to bfloat16", (raw & np.uint32(0xFFFF0000)).view(kind)
        nearest = raw + np.uint32(0x7FFF) + (raw >> np.uint32(16) & np.uint32(1))
        yield "were rounded to bfloat16", (nearest & np.uint32(0xFFFF0000)).view(kind)
    for steps in (127.0, 128.0, 255.0, 256.0):
        for how, whole in (("rounded", np.rint(array * steps)), ("cast", np.trunc(array * steps))):
            yield f"were {how} to steps of 1/{steps:g}", (whole / steps).astype(kind)
            limit = 127.0 if steps < 200.0 else 255.0
            lower = -128.0 if steps < 200.0 else 0.0
            yield f"were {how} to steps of 1/{steps:g}, saturated", (np.clip(whole, lower, limit) / steps).astype(kind)
    yield "had lost its negative values", np.maximum(array, 0)
    yield "had lost its signs", np.abs(array)
    yield "were clipped to -1..1", np.clip(array, -1, 1)
    yield "were clipped to 0..1", np.clip(array, 0, 1)
    yield "were negated", -array
    yield "had its bytes reversed", array.byteswap()


def _rescaled(array: Array) -> Spoiled:
    """As if another normalisation had been applied than the model was trained with."""
    number = array.dtype.type
    for factor in (127, 127.5, 128, 255, 256):
        yield f"were divided by {factor:g}", array / number(factor)
        yield f"were multiplied by {factor:g}", array * number(factor)
    yield "were in -1..1 instead of 0..1", array * number(2) - number(1)
    yield "were in 0..1 instead of -1..1", (array + number(1)) / number(2)
    yield "were in -1..1 instead of 0..255", array / number(127.5) - number(1)
    yield "were in 0..255 instead of -1..1", (array + number(1)) * number(127.5)
    yield "were in -128..127 instead of 0..255", array - number(128)
    yield "were in -128..127 instead of 0..1", array * number(255) - number(128)


def _reordered(array: Array) -> Spoiled:
    flat = array.reshape(len(array), -1)
    if array.ndim >= 3 and array.shape[-1] in (3, 4):
        yield "had its channels reversed (RGB and BGR)", np.ascontiguousarray(array[..., ::-1])
    if array.ndim == 4:
        yield "had height and width exchanged", _reread(array.transpose(0, 2, 1, 3), array)
        yield "were read channel first", _reread(array.transpose(0, 3, 1, 2), array)
        planes = array.reshape(len(array), array.shape[3], *array.shape[1:3])
        yield "were stored channel first", _reread(planes.transpose(0, 2, 3, 1), array)
        yield "were upside down", np.ascontiguousarray(array[:, ::-1])
        yield "were mirrored", np.ascontiguousarray(array[:, :, ::-1])
    elif array.ndim == 3:
        yield "were transposed", _reread(array.transpose(0, 2, 1), array)
    yield "were turned round", np.ascontiguousarray(flat[:, ::-1]).reshape(array.shape)
    if array.dtype.kind in "iu" and array.itemsize > 1:
        yield "had its bytes reversed", array.byteswap()


def _reread(values: Array, like: Array) -> Array:
    return np.ascontiguousarray(values).reshape(like.shape)
