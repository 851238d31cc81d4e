"""Inputs that lie in arrays: of a .npy or .npz file, mapped or loaded, or of anybody else."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.array_file import listing, load_arrays
from ai_runner.data.labels import LABEL_NAMES, Labels
from ai_runner.data.preprocessing import Preprocessing
from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

STEPS = ("scale", "mean", "std", "layout")
PIXELS = (0.0, 255.0)
_logger = logging.getLogger("ai_runner.data")


class ArrayInputs:
    """Inputs from arrays, samples first.

    An array is stored as the model's integers (same dtype), or holds real values, which are quantized for an integer
    input. Bytes are pixels where the preprocessing has a ``scale``: they become real values.
    """

    seed: int | None = None

    def __init__(
        self,
        arrays: Sequence[Array],
        inputs: Sequence[TensorInfo],
        where: str,
        *,
        labels: Labels | None = None,
        preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 - frozen
        name: str = "",
    ) -> None:
        """Checks everything but the values.

        Args:
            arrays: one an input, ``(samples,) + sample_shape``, dimensions of 1 apart.
            inputs: of the reference.
            where: the arrays come from, for messages.
            labels: of the samples.
            preprocessing: what is done with the values.
            name: of the source in its description; by default `where`.

        Raises:
            InvalidParamError: arrays that do not fit the inputs.
        """
        preprocessing.check_used(STEPS, "arrays")
        self._inputs = tuple(inputs)
        self._preprocessing = preprocessing
        self._arrays = [_with_batch(array, tensor, where) for array, tensor in zip(arrays, inputs, strict=True)]
        for array, tensor in zip(self._arrays, self._inputs, strict=True):
            self._check_dtype(array, tensor, where)
        counts = [len(array) for array in self._arrays]
        if len(set(counts)) > 1:
            told = ", ".join(f"'{t.name}' {n}" for t, n in zip(inputs, counts, strict=True))
            raise InvalidParamError(f"{where}: the inputs have different numbers of samples: {told}")
        if not counts or counts[0] == 0:
            raise InvalidParamError(f"{where}: no samples")
        self.samples = counts[0]
        self.labels = labels
        steps = str(preprocessing)
        self.description = f"{self.samples} samples of {name or where}" + (f", {steps}" if steps else "")
        self._nan_seen: set[int] = set()
        if steps:
            self.chunk(0, 1)

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Samples start..stop-1, one array an input, in the type that the model stores; NaN is warned of once."""
        for array in self._arrays:
            _let_go(array)
        return [self._input(k, tensor, start, stop) for k, tensor in enumerate(self._inputs)]

    def _input(self, k: int, tensor: TensorInfo, start: int, stop: int) -> Array:
        values = np.asarray(self._arrays[k][start:stop]).reshape(stop - start, *tensor.sample_shape)
        if self._preprocessing != Preprocessing():
            axis = 1 if self._preprocessing.layout == "nchw" else -1
            values = self._preprocessing.normalized(values, PIXELS, axis)
        if values.dtype.kind == "f" and _is_quantized(tensor) and k not in self._nan_seen and np.isnan(values).any():
            self._nan_seen.add(k)
            _logger.warning("input '%s' has NaN among its real values: it becomes the zero point", tensor.name)
        return stored(values, tensor)

    def _check_dtype(self, array: Array, tensor: TensorInfo, where: str) -> None:
        """That the values are the model's, or real ones, or pixels that become real ones."""
        real = tensor.dtype.kind == "f" or _is_quantized(tensor)
        if self._preprocessing.scale is not None and array.dtype != np.uint8:
            raise InvalidParamError(
                f"{where}: scale is for pixels of 8 bits, the array for input '{tensor.name}' is {array.dtype.name}"
            )
        if self._preprocessing.scale is not None:
            return
        if (self._preprocessing.mean or self._preprocessing.std) and not (real and array.dtype.kind == "f"):
            raise InvalidParamError(
                f"{where}: mean and std are for real values, the array for input '{tensor.name}' is "
                f"{array.dtype.name}, the input {tensor.dtype.name}"
            )
        check_dtype(array.dtype, tensor, where)


class FileInputs(ArrayInputs):
    """Inputs from a .npy or .npz file.

    Arrays of an .npz go to inputs by name, or by ST's names ``m_inputs_1``, ``m_inputs_2``, ..., or in the order of the
    file; arrays that are named like labels or outputs are left out of the last, and so are texts.
    """

    def __init__(
        self,
        path: str | Path,
        inputs: Sequence[TensorInfo],
        labels_key: str | None = None,
        preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 - frozen
    ) -> None:
        """Opens the file and checks everything but the values.

        Args:
            path: the file.
            inputs: of the reference.
            labels_key: name of an array in the file that holds labels.
            preprocessing: what is done with the values.

        Raises:
            InvalidParamError: no such file, not a .npy or .npz file, or arrays that do not fit the inputs.
        """
        arrays = load_arrays(path, text=True)
        if "" in arrays and arrays[""].dtype.kind == "U":
            raise InvalidParamError(f"{path}: dtype {arrays[''].dtype} is no number", hint="save integers or floats")
        numbers = {name: array for name, array in arrays.items() if array.dtype.kind != "U"}
        chosen = arrays_of_inputs(numbers, inputs, str(path), labels_key)
        super().__init__(chosen, inputs, str(path), preprocessing=preprocessing, name=Path(path).name)


def stored(values: Array, tensor: TensorInfo) -> Array:
    """Values ``(batch,) + sample_shape``, real or as they are stored, in the type that the model stores.

    Raises:
        InvalidParamError: real values for integers without quantization that are not such integers.
    """
    if tensor.dtype.kind == "f" or values.dtype.kind != "f":
        return np.ascontiguousarray(values, tensor.dtype)
    if tensor.quantization is not None:
        return tensor.quantization.quantize(values, tensor.dtype)
    low, high = (0, 1) if tensor.dtype.kind == "b" else (np.iinfo(tensor.dtype).min, np.iinfo(tensor.dtype).max)
    if (values != np.round(values)).any() or values.min() < low or values.max() > high:
        raise InvalidParamError(
            f"input '{tensor.name}' takes {tensor.dtype.name} without a scale: {values.min():g}..{values.max():g} are "
            f"not whole numbers in {low}..{high}",
            hint="pixels as they are: --preprocess scale=0..255",
        )
    return values.astype(tensor.dtype)


def check_dtype(given: np.dtype[Any], tensor: TensorInfo, where: str) -> None:
    """Raises InvalidParamError unless values of a type are an input's own, or real values that it can take."""
    given, expected = given.newbyteorder("="), tensor.dtype.newbyteorder("=")
    if given == expected or (given.kind == "f" and (expected.kind == "f" or tensor.quantization is not None)):
        return
    real = " or real values as float32" if tensor.quantization is not None else ""
    raise InvalidParamError(
        f"{where}: the array for input '{tensor.name}' is {given.name}, expected {expected.name}{real}",
        hint=f"convert it with .astype('{'float32' if expected.kind == 'f' else expected.name}')"
        + (" or dequantize it first" if real and given.kind in "iu" else ""),
    )


def arrays_of_inputs(
    arrays: Mapping[str, Array], inputs: Sequence[TensorInfo], where: str, labels_key: str | None = None
) -> list[Array]:
    """The arrays for the inputs, found by name or order; see `FileInputs`."""
    for names in ([tensor.name for tensor in inputs], [f"m_inputs_{k + 1}" for k in range(len(inputs))]):
        found = [name for name in names if name in arrays]
        if len(found) == len(inputs):
            return [arrays[name] for name in names]
        if found:
            missing = next(name for name in names if name not in arrays)
            raise InvalidParamError(f"{where}: no array for input '{missing}'", hint=f"there are {listing(arrays)}")
    rest = {
        name: array
        for name, array in arrays.items()
        if name not in LABEL_NAMES and name != labels_key and not name.startswith("m_outputs_")
    }
    if len(rest) > len(inputs):
        rest = {name: array for name, array in rest.items() if any(_fits(array, tensor) for tensor in inputs)}
    if len(rest) != len(inputs):
        raise InvalidParamError(
            f"{where}: {len(rest)} arrays that may be inputs where the model has {len(inputs)} "
            f"({', '.join(tensor.name for tensor in inputs)})",
            hint=f"name them as the inputs or m_inputs_1, ...; there are {listing(arrays)}",
        )
    return list(rest.values())


def _let_go(array: Array) -> None:
    """Takes what was read of a mapped file out of this process's memory: it would grow to the size of the file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _is_quantized(tensor: TensorInfo) -> bool:
    return tensor.quantization is not None and tensor.dtype.kind != "f"


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _fits(array: Array, tensor: TensorInfo) -> bool:
    expected = _without_ones(tensor.sample_shape)
    return _without_ones(array.shape[1:]) == expected or _without_ones(array.shape) == expected


def _with_batch(array: Array, tensor: TensorInfo, where: str) -> Array:
    """`array` with its samples along the first axis; a single sample may come without that axis."""
    expected = _without_ones(tensor.sample_shape)
    if array.ndim and _without_ones(array.shape[1:]) == expected:
        return array
    if _without_ones(array.shape) == expected and prod(array.shape):
        return array.reshape(1, *array.shape)
    raise InvalidParamError(
        f"{where}: the array for input '{tensor.name}' has shape {list(array.shape)}, "
        f"expected [samples, {', '.join(map(str, tensor.sample_shape))}]"
    )
