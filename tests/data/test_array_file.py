"""Arrays of files that lie, are damaged, inflate, or are large: one line each, and bounded memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.data import FileInputs, array_file, load_arrays, open_source
from ai_runner.errors import InvalidParamError

Array = npt.NDArray[Any]


def test_nothing_is_unpickled(npy: Any, npz: Any) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("it was unpickled",))

    bomb = np.array([Bomb()], object)
    for path in (npy(bomb), npz(a=bomb)):
        with pytest.raises(InvalidParamError, match="is no number"):
            load_arrays(path)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"PK\x03\x04 no archive", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{"]
)
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.npy"
    path.write_bytes(content)
    with pytest.raises(InvalidParamError, match=r"file\.npy") as caught:
        load_arrays(path)
    assert "\n" not in caught.value.message


def test_no_file(tmp_path: Path, tensor: Any) -> None:
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(InvalidParamError, match="no such file"):
            load_arrays(path)
    with pytest.raises(InvalidParamError, match="none: no such file or folder") as caught:
        open_source(str(tmp_path / "none"), [tensor("x", 2, 3)])
    assert "folders of images" in caught.value.hint


def header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("shape", ["(1000000000000, 4)", "(-4, -1)", "(99999999999999999999,)", "(2.0,)", "'x'"])
def test_shapes_that_the_file_does_not_hold(tmp_path: Path, shape: str) -> None:
    plain = tmp_path / "lie.npy"
    plain.write_bytes(header(shape) + bytes(16))
    archive = tmp_path / "lie.npz"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.npy", header(shape) + bytes(16))
    for path in (plain, archive):
        with pytest.raises(InvalidParamError):
            load_arrays(path)


def test_an_archive_that_inflates_beyond_the_limit(npz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "MAX_NPZ_BYTES", 1000)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(200, np.float32), b=np.zeros(200, np.float32))
    with pytest.raises(InvalidParamError, match="more than") as caught:
        load_arrays(path)
    assert "mapped" in caught.value.hint


def _valid_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.arange(20.0), b=np.zeros((2, 3), np.int8))
    return buffer.getvalue()


def _valid_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(20.0))
    return buffer.getvalue()


@settings(max_examples=150)
@given(st.sampled_from([_valid_npz(), _valid_npy()]), st.data())
def test_damaged_files_give_arrays_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, valid: bytes, choices: st.DataObject
) -> None:
    content = bytearray(valid)
    for place in choices.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = choices.draw(st.integers(0, 255))
    del content[choices.draw(st.integers(0, len(content))) :]
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    error = None
    try:
        arrays = load_arrays(path)
    except InvalidParamError as caught:
        error = caught
    if error is not None:
        assert "\n" not in error.message
    else:
        assert all(array.dtype.kind in "iubf" for array in arrays.values())


def test_an_archive_that_is_packed_too_well_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "BOMB_BYTES", 1 << 20)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(1 << 20, np.float32))
    with pytest.raises(InvalidParamError, match=r"bomb.npz:a: inflates [\d,]+ bytes to 4,194,304"):
        load_arrays(path)
    np.savez(path, a=np.zeros(1 << 20, np.float32))
    assert load_arrays(path)["a"].shape == (1 << 20,)


def test_arrays_that_are_a_bomb_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "BOMB_BYTES", 1 << 20)
    path = tmp_path / "bomb.npz"
    zeros = np.zeros(1 << 17, np.float32)
    np.savez_compressed(path, a=zeros, b=zeros, c=zeros, d=zeros)
    with pytest.raises(InvalidParamError, match=r"bomb.npz: inflates [\d,]+ bytes to 1,572,864"):
        load_arrays(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_memory_does_not_grow_with_an_archive(tmp_path: Path, save: Any, peak_memory: Any, tensor: Any) -> None:
    def read(samples: int) -> FileInputs:
        source = FileInputs(tmp_path / "d.npz", [tensor("x", 2000, dtype=np.int8, scale=0.5)])
        for start in range(0, samples, 100):
            source.chunk(start, start + 100)
        return source

    peaks = []
    for samples in (3000, 30_000):
        values = np.random.default_rng(1).integers(-9, 9, (samples, 2000), dtype=np.int8)
        save(tmp_path / "d.npz", x=values)
        peaks.append(peak_memory(lambda n=samples: read(n)))
        np.testing.assert_array_equal(read(samples).chunk(samples - 9, samples)[0], values[-9:])
    assert peaks[1] < array_file.LOADED_BYTES


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells what of a file is in memory")
def test_a_mapped_file_does_not_stay_in_memory(npy: Any, tensor: Any) -> None:
    """Pages of a file that was mapped count as memory of the process as long as nobody lets go of them."""

    def resident() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) << 10

    source = FileInputs(npy(np.ones((4000, 4096), np.float32)), [tensor("x", 4096)])
    before = resident()
    for start in range(0, 4000, 40):
        assert source.chunk(start, start + 40)[0].sum() == 40 * 4096
    assert resident() < before + (16 << 20)  # of 65 MB


def test_a_large_array_in_fortran_order_and_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "LOADED_BYTES", 100)
    values = np.asfortranarray(np.arange(600, dtype=">i2").reshape(20, 30))
    np.savez(tmp_path / "d.npz", a=values)
    np.testing.assert_array_equal(load_arrays(tmp_path / "d.npz")["a"], values)
    content = bytearray((tmp_path / "d.npz").read_bytes())
    content[600] ^= 1
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(InvalidParamError, match=r"d.npz: cannot be read: Bad CRC-32"):
        load_arrays(tmp_path / "d.npz")
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("a.npy", header("(40,)") + bytes(170))
    with pytest.raises(InvalidParamError, match="170 bytes of data, its header announces 160"):
        load_arrays(tmp_path / "d.npz")
