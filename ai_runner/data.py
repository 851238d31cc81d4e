"""Where the inputs of a run come from: random numbers or .npy/.npz files, read in chunks; and their labels.

A source has `samples`, `seed`, `description` and `chunk(start, stop)`, which gives one array an input,
``(stop - start,) + sample_shape`` in the type that the model stores.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

DEFAULT_SEED = 42
DEFAULT_SAMPLES = 16
_PHILOX_WORDS = 4  # of 64 bits, made for each value of the counter
MAX_NPZ_BYTES = 4 << 30  # of all members that are loaded; a .npy file of any size is mapped, not loaded

_LABEL_NAMES = ("labels", "label", "y_test", "y_true", "y", "targets", "classes")
_logger = logging.getLogger("ai_runner.data")


class RandomInputs:
    """Random inputs: integers over their full range, floats uniform in [-1, 1), booleans 0 or 1.

    Sample i of input k depends on the seed, i and k only: not on the number of samples, the chunks, the machine or
    the version of numpy. (The words of the counter-based Philox4x64-10 are used as they come; numpy keeps the bit
    streams of its bit generators, but not what its distributions make of them.)
    """

    def __init__(self, inputs: Sequence[TensorInfo], samples: int = DEFAULT_SAMPLES, seed: int = DEFAULT_SEED) -> None:
        """Raises InvalidParamError for no samples, a negative seed or a dtype that has no random values."""
        if samples < 1:
            raise InvalidParamError(f"{samples} random samples", hint="at least one sample is needed")
        if not 0 <= seed < 2**64:
            raise InvalidParamError(f"the seed {seed} is not in 0..2**64-1")
        for tensor in inputs:
            if tensor.dtype.kind not in "iubf":
                raise InvalidParamError(f"input '{tensor.name}': no random values for dtype {tensor.dtype}")
        self._inputs = tuple(inputs)
        self.samples = samples
        self.seed = seed
        self.description = f"{samples} random samples, seed {seed}"

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Samples start..stop-1, one array an input."""
        return [self._input(k, tensor, start, stop) for k, tensor in enumerate(self._inputs)]

    def _input(self, k: int, tensor: TensorInfo, start: int, stop: int) -> Array:
        size = prod(tensor.sample_shape)
        words = -(-size * tensor.dtype.itemsize // 8) if tensor.dtype.kind in "iu" else size
        blocks = -(-words // _PHILOX_WORDS)
        # Every sample has its own range of the counter, so that a chunk is one run of the generator from anywhere.
        counter = [(start * blocks >> shift) & (2**64 - 1) for shift in (0, 64, 128, 192)]
        generator = np.random.Philox(key=np.array([self.seed, k], np.uint64), counter=np.array(counter, np.uint64))
        stream = generator.random_raw((stop - start, blocks * _PHILOX_WORDS))
        batch = _values(stream[:, :words], tensor.dtype, size)
        return batch.reshape(stop - start, *tensor.sample_shape)


def _values(words: npt.NDArray[np.uint64], dtype: np.dtype[Any], size: int) -> Array:
    if dtype.kind in "iu":
        octets = np.ascontiguousarray(words, "<u8")
        return octets.view(dtype.newbyteorder("<")).astype(dtype, copy=False)[:, :size]
    if dtype.kind == "b":
        values: Array = words >> np.uint64(63) != 0
        return values
    # As many bits as the float holds: every value is exact, and 1 is never reached by rounding.
    bits = min(np.finfo(dtype).nmant + 1, 53)
    unit = (words >> np.uint64(64 - bits)).astype(np.float64) * 2.0**-bits
    return (2.0 * unit - 1.0).astype(dtype)


class FileInputs:
    """Inputs from a .npy or .npz file.

    Arrays of an .npz go to inputs by name, or by ST's names ``m_inputs_1``, ``m_inputs_2``, ..., or in the order of the
    file; arrays that are named like labels or outputs are left out of the last. An array is stored as the model's
    integers (same dtype), or holds real values, which are quantized for an integer input.
    """

    seed: int | None = None

    def __init__(self, path: str | Path, inputs: Sequence[TensorInfo], labels_key: str | None = None) -> None:
        """Opens the file and checks everything but the values.

        Args:
            path: the file.
            inputs: of the reference.
            labels_key: name of an array in the file that holds labels.

        Raises:
            InvalidParamError: no such file, not a .npy or .npz file, or arrays that do not fit the inputs.
        """
        arrays = load_arrays(path)
        self._arrays = _arrays_of_inputs(arrays, inputs, path, labels_key)
        self._inputs = tuple(inputs)
        counts = []
        for k, tensor in enumerate(self._inputs):
            array = self._arrays[k] = _with_batch(self._arrays[k], tensor, path)
            _check_dtype(array, tensor, path)
            counts.append(len(array))
        if len(set(counts)) > 1:
            listing = ", ".join(f"'{t.name}' {n}" for t, n in zip(inputs, counts, strict=True))
            raise InvalidParamError(f"{path}: the inputs have different numbers of samples: {listing}")
        if not counts or counts[0] == 0:
            raise InvalidParamError(f"{path}: no samples")
        self.samples = counts[0]
        self.description = f"{self.samples} samples of {Path(path).name}"
        self._nan_seen: set[int] = set()

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Samples start..stop-1, one array an input, in the type that the model stores; NaN is warned of once."""
        return [self._input(k, tensor, start, stop) for k, tensor in enumerate(self._inputs)]

    def _input(self, k: int, tensor: TensorInfo, start: int, stop: int) -> Array:
        values = np.asarray(self._arrays[k][start:stop]).reshape(stop - start, *tensor.sample_shape)
        quantization = tensor.quantization
        if quantization is None or tensor.dtype.kind == "f" or values.dtype.kind != "f":
            return np.ascontiguousarray(values, tensor.dtype)
        if k not in self._nan_seen and np.isnan(values).any():
            self._nan_seen.add(k)
            _logger.warning("input '%s' has NaN among its real values: it becomes the zero point", tensor.name)
        return quantization.quantize(values, tensor.dtype)


def load_labels(text: str | Path, samples: int | None = None) -> npt.NDArray[np.integer[Any]]:
    """Class numbers ``(samples,)`` from ``F.npy``, ``F.npz`` or ``F.npz:key``.

    Without a key an .npz has to hold one array named like labels (``labels``, ``y_test``, ...), or one array only.

    Raises:
        InvalidParamError: no such file or key, no integers, more than one number a sample, or not `samples` of them.
    """
    path, key = split_labels(text)
    arrays = load_arrays(path)
    if key is None:
        named = [name for name in arrays if name in _LABEL_NAMES]
        candidates = named or list(arrays)
        if len(candidates) != 1:
            raise InvalidParamError(
                f"{path}: which array holds the labels?", hint=f"name it, {path}:KEY; there are {_names(arrays)}"
            )
        key = candidates[0]
    if key not in arrays:
        raise InvalidParamError(f"{path}: no array {key!r} with labels", hint=f"there are {_names(arrays)}")
    labels = arrays[key]
    if labels.dtype.kind not in "iu":
        raise InvalidParamError(
            f"{path}: labels are {labels.dtype.name}, expected integers", hint="one class number a sample"
        )
    flat = np.asarray(labels).reshape(-1)
    if flat.size != (len(labels) if labels.ndim else 1):
        raise InvalidParamError(
            f"{path}: labels of shape {list(labels.shape)}, expected one class number a sample",
            hint="for one-hot labels save labels.argmax(axis=1)",
        )
    if samples is not None and flat.size != samples:
        raise InvalidParamError(f"{path}: {flat.size} labels for {samples} samples")
    return flat


def split_labels(text: str | Path) -> tuple[Path, str | None]:
    """``F.npz:key`` -> (F.npz, key); a drive letter is no file name."""
    whole = Path(text)
    head, colon, key = str(text).rpartition(":")
    if whole.exists() or not colon or not key or not head.lower().endswith((".npz", ".npy")):
        return whole, None
    return Path(head), key


def load_arrays(path: str | Path, *, text: bool = False) -> dict[str, Array]:
    """The arrays of a .npz file by name, loaded; or that of a .npy file under ``''``, mapped read-only.

    Nothing is unpickled, and no more is loaded than the file says it holds. With `text`, arrays of strings too.

    Raises:
        InvalidParamError: no such file, not such a file, damaged, too large, or arrays of objects.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidParamError(f"{path}: no such file", hint="inputs and labels are .npy or .npz files of numpy")
    kinds = "iubfU" if text else "iubf"
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        if magic == b"\x93NUMPY":
            return {"": _map_npy(path, kinds)}
        if magic[:2] == b"PK":
            return _load_npz(path, kinds)
    except InvalidParamError:
        raise
    except Exception as error:  # numpy, zipfile and zlib raise a dozen types on damaged files
        raise InvalidParamError(
            f"{path}: cannot be read: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
    raise InvalidParamError(f"{path}: is no .npy or .npz file", hint="save inputs with numpy.save or numpy.savez")


def _map_npy(path: Path, kinds: str) -> Array:
    with path.open("rb") as file:
        shape, _, dtype = _header(file, str(path), kinds)
    if prod(shape) == 0:
        return np.empty(shape, dtype)
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _load_npz(path: Path, kinds: str) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    total = 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                continue
            where = f"{path}:{member.filename.removesuffix('.npy')}"
            with archive.open(member) as file:
                shape, _, dtype = _header(file, where, kinds)
            size = prod(shape) * dtype.itemsize
            if size > member.file_size:
                raise InvalidParamError(f"{where}: claims {size} bytes of data, the file holds {member.file_size}")
            total += size
            if total > MAX_NPZ_BYTES:
                raise InvalidParamError(
                    f"{path}: more than {MAX_NPZ_BYTES >> 30} GiB of arrays",
                    hint="save the input as .npy: it is mapped, not loaded",
                )
            with archive.open(member) as file:
                arrays[member.filename.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _header(file: Any, where: str, kinds: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise InvalidParamError(f"{where}: .npy version {version} holds no plain numbers")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, order, dtype = read(file)
    if dtype.kind not in kinds:
        raise InvalidParamError(f"{where}: dtype {dtype} is no number", hint="save integers or floats")
    if any(size < 0 for size in shape):
        raise InvalidParamError(f"{where}: shape {list(shape)}")
    return shape, order, dtype


def _arrays_of_inputs(
    arrays: Mapping[str, Array], inputs: Sequence[TensorInfo], path: str | Path, labels_key: str | None
) -> list[Array]:
    for names in ([tensor.name for tensor in inputs], [f"m_inputs_{k + 1}" for k in range(len(inputs))]):
        found = [name for name in names if name in arrays]
        if len(found) == len(inputs):
            return [arrays[name] for name in names]
        if found:
            missing = next(name for name in names if name not in arrays)
            raise InvalidParamError(f"{path}: no array for input '{missing}'", hint=f"there are {_names(arrays)}")
    rest = {
        name: array
        for name, array in arrays.items()
        if name not in _LABEL_NAMES and name != labels_key and not name.startswith("m_outputs_")
    }
    if len(rest) > len(inputs):
        rest = {name: array for name, array in rest.items() if any(_fits(array, tensor) for tensor in inputs)}
    if len(rest) != len(inputs):
        raise InvalidParamError(
            f"{path}: {len(rest)} arrays that may be inputs where the model has {len(inputs)} "
            f"({', '.join(tensor.name for tensor in inputs)})",
            hint=f"name them as the inputs or m_inputs_1, ...; there are {_names(arrays)}",
        )
    return list(rest.values())


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _fits(array: Array, tensor: TensorInfo) -> bool:
    expected = _without_ones(tensor.sample_shape)
    return _without_ones(array.shape[1:]) == expected or _without_ones(array.shape) == expected


def _with_batch(array: Array, tensor: TensorInfo, path: str | Path) -> Array:
    """`array` with its samples along the first axis; a single sample may come without that axis."""
    expected = _without_ones(tensor.sample_shape)
    if array.ndim and _without_ones(array.shape[1:]) == expected:
        return array
    if _without_ones(array.shape) == expected:
        return array.reshape(1, *array.shape)
    raise InvalidParamError(
        f"{path}: the array for input '{tensor.name}' has shape {list(array.shape)}, "
        f"expected [samples, {', '.join(map(str, tensor.sample_shape))}]"
    )


def _check_dtype(array: Array, tensor: TensorInfo, path: str | Path) -> None:
    given, expected = array.dtype.newbyteorder("="), tensor.dtype.newbyteorder("=")
    if given == expected or (given.kind == "f" and (expected.kind == "f" or tensor.quantization is not None)):
        return
    real = " or real values as float32" if tensor.quantization is not None else ""
    raise InvalidParamError(
        f"{path}: the array for input '{tensor.name}' is {given.name}, expected {expected.name}{real}",
        hint=f"convert it with .astype('{'float32' if expected.kind == 'f' else expected.name}')"
        + (" or dequantize it first" if real and given.kind in "iu" else ""),
    )


def _names(arrays: Mapping[str, Array]) -> str:
    return ", ".join(f"{name or 'one array'} {array.dtype.name}{list(array.shape)}" for name, array in arrays.items())
