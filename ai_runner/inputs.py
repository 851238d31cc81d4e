"""The inputs of a run, checked before anything runs; and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]


def check_inputs(given: Any, expected: Sequence[TensorInfo]) -> list[Array]:
    """Brings the inputs into the form that drivers get.

    Args:
        given: one array, or a list with one array per input, batch first. Dimensions of 1 may be missing or added, and
            a single sample may come without its batch dimension. Non-contiguous arrays are copied.
        expected: the inputs of the model.

    Returns:
        The arrays, each ``(batch,) + sample_shape``, C-contiguous; views of what was given where possible.

    Raises:
        InvalidParamError: E804 that names the input, what was given and what is expected.
    """
    arrays = [given] if isinstance(given, np.ndarray) else list(given) if isinstance(given, list | tuple) else None
    if arrays is None:
        raise InvalidParamError(f"inputs: {type(given).__name__} given, an array or a list of arrays expected")
    if len(arrays) != len(expected):
        names = ", ".join(_describe(info) for info in expected)
        raise InvalidParamError(f"inputs: {len(arrays)} given, {len(expected)} expected: {names}")
    for i, (array, info) in enumerate(zip(arrays, expected, strict=True)):
        if not isinstance(array, np.ndarray):
            raise InvalidParamError(f"input {i} {_describe(info)}: {type(array).__name__} given, an array expected")
        sample_shape = info.sample_shape
        if array.dtype != info.dtype:
            raise InvalidParamError(
                f"input {i} {_describe(info)}: dtype {array.dtype} given, {info.dtype} expected",
                hint="io_mode='quantize' converts real values to the integers of the model"
                if info.quantization
                else "",
            )
        if array.shape[1:] != sample_shape or not array.ndim:
            array = array.reshape((_batch_of(array, sample_shape, i, info), *sample_shape))
        if not array.flags.c_contiguous:
            array = np.ascontiguousarray(array)
        arrays[i] = array
        if len(array) != len(arrays[0]):
            raise InvalidParamError(
                f"input {i} {_describe(info)}: {len(array)} samples given, {len(arrays[0])} expected as in input 0"
            )
    if expected and not len(arrays[0]):
        raise InvalidParamError(f"input 0 {_describe(expected[0])}: 0 samples given, at least one expected")
    return arrays


def nan_warnings(arrays: Sequence[Array], infos: Sequence[TensorInfo]) -> list[str]:
    """A warning for each float input that holds NaN."""
    warnings = []
    for i, array in enumerate(arrays):
        # Counting takes half the time of any(), which is written in Python; nearly every invoke does this.
        if array.dtype.kind == "f" and np.count_nonzero(np.isnan(array)):
            warnings.append(f"input {i} '{infos[i].name}' holds NaN")
    return warnings


def generate_rnd(
    types: Any, shapes: Any, batch_size: int = 4, rng: np.random.RandomState | None = None, val: Any = None
) -> list[Array]:
    """Random arrays, batch first: integers over their whole range, floats uniform in [-1, 1), bools 0 or 1.

    Args:
        types: numpy type, or a list of them.
        shapes: shape of one input, or a list of them; a first dimension of 1 is the batch.
        batch_size: number of samples.
        rng: source of randomness; RandomState(42) made for this call by default.
        val: ``[low, high]`` limits the values; one value: a constant.
    """
    rng = np.random.RandomState(42) if rng is None else rng
    many_shapes = list(shapes) if isinstance(shapes, list) else [shapes]
    many_types = list(types) if isinstance(types, list | tuple) else [types] * len(many_shapes)
    limits = None if val is None else [float(v) for v in np.ravel(val)]
    arrays = []
    for shape, kind in zip(many_shapes, many_types, strict=True):
        sample = tuple(shape[1:]) if shape and shape[0] == 1 else tuple(shape)
        arrays.append(_random_array(rng, np.dtype(kind), (batch_size, *sample), limits))
    return arrays


def _random_array(
    rng: np.random.RandomState, dtype: np.dtype[Any], shape: tuple[int, ...], limits: list[float] | None
) -> Array:
    if limits is not None and len(limits) == 1:
        return np.full(shape, limits[0]).astype(dtype)
    if dtype.kind == "b":
        return rng.randint(0, 2, shape).astype(dtype)
    if dtype.kind == "f":
        low, high = (min(limits), max(limits)) if limits else (-1.0, 1.0)
        return rng.uniform(low, high, shape).astype(dtype)
    range_ = np.iinfo(dtype)
    low_int = max(int(min(limits)), range_.min) if limits else int(range_.min)
    high_int = min(int(max(limits)), range_.max) if limits else int(range_.max)
    return rng.randint(low_int, high_int + 1, shape, dtype=dtype.type)


def _batch_of(array: Array, sample_shape: tuple[int, ...], index: int, info: TensorInfo) -> int:
    wanted = tuple(d for d in sample_shape if d != 1)
    if array.ndim and tuple(d for d in array.shape[1:] if d != 1) == wanted:
        return len(array)
    if tuple(d for d in array.shape if d != 1) == wanted and array.size == prod(sample_shape):
        return 1
    raise InvalidParamError(
        f"input {index} {_describe(info)}: shape {array.shape} given, {('batch', *sample_shape)} expected".replace(
            "'", ""
        )
    )


def _describe(info: TensorInfo) -> str:
    return f"'{info.name}' {info.dtype}{list(info.shape)}"
