"""Reads .npy and .npz files of anybody: nothing is unpickled, and no more is loaded than a file holds."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.spool import no_room
from ai_runner.errors import AiRunnerError, InvalidParamError

Array = npt.NDArray[Any]

MAX_NPZ_BYTES = 4 << 30  # of all members; a .npy file of any size is mapped where it is
LOADED_BYTES = 16 << 20  # larger members of an archive go to a temporary file, which is mapped
BOMB_BYTES = 64 << 20  # arrays of this size, one or all together, that were packed
BOMB_RATIO = 200  # so many times smaller is no data
_BLOCK = 1 << 20


def load_arrays(path: str | Path, *, text: bool = False) -> dict[str, Array]:
    """The arrays of a .npz file by name, large ones mapped; or that of a .npy file under ``''``, mapped read-only.

    Nothing is unpickled, and no more is loaded than the file says it holds. With `text`, arrays of strings too.

    Raises:
        InvalidParamError: no such file, not such a file, damaged, too large, or arrays of objects.
        HwIOError: the folder for temporary files is full.
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
    except AiRunnerError:
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
    total = packed = 0
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
            total, packed = total + size, packed + member.compress_size
            _check_ratio(size, member.compress_size, where)
            _check_ratio(total, min(packed, path.stat().st_size), str(path))  # members may share their bytes
            if total > MAX_NPZ_BYTES:
                raise InvalidParamError(
                    f"{path}: more than {MAX_NPZ_BYTES >> 30} GiB of arrays",
                    hint="save the input as .npy: it is mapped where it is",
                )
            with archive.open(member) as file:
                name = member.filename.removesuffix(".npy")
                if size > LOADED_BYTES:
                    arrays[name] = _unpacked(file, where, kinds)
                else:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _check_ratio(size: int, packed: int, where: str) -> None:
    if size > BOMB_BYTES and size > BOMB_RATIO * packed:
        raise InvalidParamError(
            f"{where}: inflates {packed:,} bytes to {size:,}",
            hint="data that is so regular is no test; if it is meant, save it with numpy.savez, unpacked",
        )


def _unpacked(file: IO[bytes], where: str, kinds: str) -> Array:
    """The array of a member, in a temporary file that vanishes with it."""
    shape, is_fortran, dtype = _header(file, where, kinds)
    size = prod(shape) * dtype.itemsize
    try:
        with tempfile.TemporaryFile(prefix="ai-runner-") as unpacked:
            shutil.copyfileobj(file, unpacked, _BLOCK)
            if unpacked.tell() != size:
                raise InvalidParamError(f"{where}: {unpacked.tell()} bytes of data, its header announces {size}")
            unpacked.flush()
            array: Array = np.memmap(unpacked, dtype, "r", shape=shape, order="F" if is_fortran else "C")
    except OSError as error:
        raise no_room(error) from error
    return array


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


def listing(arrays: Mapping[str, Array]) -> str:
    """What there is, for a hint."""
    return ", ".join(f"{name or 'one array'} {array.dtype.name}{list(array.shape)}" for name, array in arrays.items())
