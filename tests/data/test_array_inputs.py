"""Inputs and labels from files and random numbers; damaged and unfitting files in one line each."""

from __future__ import annotations

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.data import (
    FileInputs,
    RandomInputs,
    array_file,
    load_arrays,
    load_labels,
    open_source,
    split_labels,
)
from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]


def tensor(name: str, *shape: int, dtype: Any = np.float32, scale: float | None = None) -> TensorInfo:
    quantization = None if scale is None else Quantization((scale,), (0,))
    return TensorInfo(name, (1, *shape), np.dtype(dtype), quantization)


INT8 = tensor("x", 2, 3, dtype=np.int8, scale=0.5)
FLOAT = tensor("x", 2, 3)


@pytest.fixture
def npy(tmp_path: Path) -> Any:
    def save(array: Array) -> Path:
        path = tmp_path / "inputs.npy"
        np.save(path, array)
        return path

    return save


@pytest.fixture
def npz(tmp_path: Path) -> Any:
    def save(**arrays: Any) -> Path:
        path = tmp_path / "inputs.npz"
        np.savez(path, **arrays)
        return path

    return save


# -- random -----------------------------------------------------------------------------------------------------------

ALL_TYPES = [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, np.float16, np.float32, np.float64, np.bool_]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**64 - 1))
def test_a_sample_does_not_depend_on_the_chunk(first: int, second: int, seed: int) -> None:
    inputs = [tensor("a", 3, 2), INT8]
    start, stop = sorted((first, second))
    whole = RandomInputs(inputs, 30, seed).chunk(0, 30)
    part = RandomInputs(inputs, stop + 1, seed).chunk(start, stop)
    for one, other in zip(whole, part, strict=True):
        assert np.array_equal(one[start:stop], other)


@pytest.mark.parametrize("dtype", ALL_TYPES)
def test_random_values_fill_their_range(dtype: Any) -> None:
    source = RandomInputs([tensor("x", 500, dtype=dtype)], 40)
    (values,) = source.chunk(0, 40)
    assert values.dtype == dtype
    assert values.shape == (40, 500)
    if values.dtype.kind == "f":
        assert values.min() >= -1.0
        assert values.max() < 1.0
        assert values.astype(float).mean() == pytest.approx(0.0, abs=0.02)
        assert values.astype(float).std() == pytest.approx(1 / np.sqrt(3), abs=0.01)
    elif values.dtype.kind == "b":
        assert values.mean() == pytest.approx(0.5, abs=0.02)
    else:
        limits = np.iinfo(values.dtype)
        span = float(limits.max) - float(limits.min)
        assert values.astype(float).min() < limits.min + 0.01 * span
        assert values.astype(float).max() > limits.max - 0.01 * span


def test_random_values_are_these_on_every_machine() -> None:
    """Literal values: another number of bits, byte order or stream would change what a seed means."""
    integers, floats = RandomInputs([tensor("a", 4, dtype=np.int16), tensor("b", 2)], 2, 42).chunk(1, 2)
    assert integers.tolist() == [EXPECTED_INT16]
    assert floats.tolist() == [EXPECTED_FLOAT]


EXPECTED_INT16 = [-7213, 25027, -21879, 24125]
EXPECTED_FLOAT = [-0.9500248432159424, -0.3048340082168579]


def test_inputs_of_a_model_and_seeds_differ() -> None:
    one, other = RandomInputs([FLOAT, FLOAT], 1).chunk(0, 1)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, RandomInputs([FLOAT], 1, 43).chunk(0, 1)[0])
    assert not np.array_equal(*RandomInputs([FLOAT], 2).chunk(0, 2)[0])


def test_random_says_what_it_is_and_refuses_nonsense() -> None:
    assert RandomInputs([FLOAT], 5, 7).description == "5 random samples, seed 7"
    with pytest.raises(InvalidParamError, match="0 random samples"):
        RandomInputs([FLOAT], 0)
    with pytest.raises(InvalidParamError, match="seed -1"):
        RandomInputs([FLOAT], 1, -1)
    with pytest.raises(InvalidParamError, match="no random values for dtype"):
        RandomInputs([tensor("s", 1, dtype="S4")])


# -- files ------------------------------------------------------------------------------------------------------------


def test_npy_is_mapped_not_loaded(npy: Any) -> None:
    values = np.arange(24, dtype=np.int8).reshape(4, 2, 3)
    source = FileInputs(npy(values), [INT8])
    assert source.samples == 4
    assert source.description == "4 samples of inputs.npy"
    assert isinstance(source._arrays[0], np.memmap)
    assert np.array_equal(source.chunk(1, 3)[0], values[1:3])


def test_real_values_are_quantized_for_integer_inputs(npy: Any) -> None:
    (values,) = FileInputs(npy(np.full((2, 2, 3), 1.26)), [INT8]).chunk(0, 2)
    assert values.dtype == np.int8
    assert np.unique(values).tolist() == [3]


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "f2"])
def test_floats_of_any_width_and_order_become_the_model_s(npy: Any, dtype: str) -> None:
    (values,) = FileInputs(npy(np.full((2, 2, 3), 1.5, dtype)), [FLOAT]).chunk(0, 2)
    assert values.dtype == np.float32
    assert values.dtype.isnative
    assert (values == 1.5).all()


def test_foreign_byte_order_and_fortran_order(npy: Any) -> None:
    given_values = np.asfortranarray(np.arange(24, dtype=">i2").reshape(4, 2, 3))
    (values,) = FileInputs(npy(given_values), [tensor("x", 2, 3, dtype=np.int16, scale=0.5)]).chunk(0, 4)
    assert values.dtype == np.int16
    assert values.flags.c_contiguous
    assert np.array_equal(values, given_values)


@pytest.mark.parametrize(
    ("shape", "samples"), [((4, 2, 3), 4), ((4, 2, 3, 1), 4), ((4, 1, 2, 3), 4), ((2, 3), 1), ((1, 2, 3), 1)]
)
def test_dimensions_of_one_may_differ(npy: Any, shape: tuple[int, ...], samples: int) -> None:
    source = FileInputs(npy(np.zeros(shape, np.float32)), [FLOAT])
    assert source.samples == samples
    assert source.chunk(0, samples)[0].shape == (samples, 2, 3)


def test_nan_that_has_no_integer_is_warned_of_once(npy: Any, caplog: pytest.LogCaptureFixture) -> None:
    values = np.zeros((4, 2, 3), np.float32)
    values[1:] = np.nan
    source = FileInputs(npy(values), [INT8])
    with caplog.at_level(logging.WARNING):
        for start in range(4):
            source.chunk(start, start + 1)
    assert [record.getMessage() for record in caplog.records] == [
        "input 'x' has NaN among its real values: it becomes the zero point"
    ]


TWO = [tensor("a", 2), tensor("b", 2)]
ONES, TWOS = np.ones((3, 2), np.float32), np.full((3, 2), 2, np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"b": TWOS, "a": ONES},
        {"labels": np.zeros(3, int), "b": TWOS, "a": ONES},
        {"m_inputs_2": TWOS, "m_inputs_1": ONES, "m_outputs_1": ONES},
        {"first": ONES, "second": TWOS},
        {"first": ONES, "second": TWOS, "labels": np.zeros((3, 2), np.float32)},
        {"first": ONES, "second": TWOS, "m_outputs_1": ONES, "m_outputs_2": ONES},
        {"first": ONES, "names": np.zeros(3, int), "second": TWOS, "more": np.zeros((3, 5))},
    ],
)
def test_arrays_find_their_inputs(npz: Any, arrays: dict[str, Array]) -> None:
    a, b = FileInputs(npz(**arrays), TWO).chunk(0, 3)
    assert np.array_equal(a, ONES)
    assert np.array_equal(b, TWOS)


def test_an_array_named_as_labels_by_the_user_is_no_input(npz: Any) -> None:
    path = npz(z=np.zeros((3, 2), np.float32), first=ONES, second=TWOS)
    assert np.array_equal(FileInputs(path, TWO, labels_key="z").chunk(0, 3)[0], ONES)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 3, 2), np.float32), r"'x' has shape \[4, 3, 2\], expected \[samples, 2, 3\]"),
        (np.zeros((4, 6), np.float32), r"'x' has shape \[4, 6\]"),
        (np.float32(1), r"'x' has shape \[\]"),
        (np.zeros((4, 2, 3), np.int64), "'x' is int64, expected int8 or real values as float32"),
        (np.zeros((4, 2, 3), np.uint8), "'x' is uint8, expected int8"),
        (np.zeros((4, 2, 3), bool), "'x' is bool, expected int8"),
        (np.zeros((0, 2, 3), np.int8), "no samples"),
        (np.zeros((4, 2, 3), np.complex64), "is no number"),
        (np.array([["a", "b"]]), "is no number"),
    ],
)
def test_arrays_that_do_not_fit(npy: Any, array: Array, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message) as caught:
        FileInputs(npy(array), [INT8])
    assert "\n" not in caught.value.message


def test_integers_are_no_real_values(npy: Any) -> None:
    with pytest.raises(InvalidParamError, match="'x' is uint8, expected float32") as caught:
        FileInputs(npy(np.zeros((4, 2, 3), np.uint8)), [FLOAT])
    assert caught.value.hint == "convert it with .astype('float32')"
    plain = tensor("x", 2, 3, dtype=np.int32)
    with pytest.raises(InvalidParamError, match="'x' is float32, expected int32"):
        FileInputs(npy(np.zeros((4, 2, 3), np.float32)), [plain])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": ONES}, "no array for input 'b'"),
        ({"m_inputs_1": ONES}, "no array for input 'm_inputs_2'"),
        ({"first": ONES}, "1 arrays that may be inputs where the model has 2"),
        ({"first": ONES, "second": ONES, "third": ONES}, "3 arrays that may be inputs where the model has 2"),
        ({"a": ONES, "b": ONES[:2]}, "different numbers of samples: 'a' 3, 'b' 2"),
        ({"labels": np.zeros(3, int)}, "0 arrays that may be inputs"),
    ],
)
def test_the_wrong_arrays(npz: Any, arrays: dict[str, Array], message: str) -> None:
    with pytest.raises(InvalidParamError, match=message):
        FileInputs(npz(**arrays), TWO)


# -- hostile files ----------------------------------------------------------------------------------------------------


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


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(InvalidParamError, match="no such file"):
            load_arrays(path)
    with pytest.raises(InvalidParamError, match="none: no such file or folder") as caught:
        open_source(str(tmp_path / "none"), [FLOAT])
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


# -- labels -----------------------------------------------------------------------------------------------------------


def test_labels_of_every_kind_of_file(npy: Any, npz: Any) -> None:
    numbers = np.array([3, 1, 2])
    assert load_labels(npy(numbers), 3).tolist() == [3, 1, 2]
    assert load_labels(npy(numbers.reshape(3, 1).astype(np.uint8)), 3).tolist() == [3, 1, 2]
    path = npz(x=ONES, labels=numbers, other=numbers)
    assert load_labels(path).tolist() == [3, 1, 2]
    assert load_labels(f"{path}:other", 3).tolist() == [3, 1, 2]
    assert load_labels(npz(anything=numbers)).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(4, int), "4 labels for 3 samples"),
        (np.zeros(3, np.float32), "labels are float32, expected integers"),
        (np.zeros((3, 10), int), r"labels of shape \[3, 10\], expected one class number a sample"),
        (np.zeros((1, 3), int), r"labels of shape \[1, 3\]"),
    ],
)
def test_labels_that_do_not_fit(npy: Any, labels: Array, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message):
        load_labels(npy(labels), 3)


def test_labels_that_are_not_there(npz: Any) -> None:
    path = npz(x=ONES, a=np.zeros(3, int))
    with pytest.raises(InvalidParamError, match="no array 'b' with labels"):
        load_labels(f"{path}:b")
    with pytest.raises(InvalidParamError, match="which array holds the labels"):
        load_labels(path)


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ("l.npy", "l.npy", None),
        ("l.npz:labels", "l.npz", "labels"),
        ("l.npz:", "l.npz:", None),
        ("C:\\dir\\l.npz", "C:\\dir\\l.npz", None),
        ("C:\\dir\\l.npz:y", "C:\\dir\\l.npz", "y"),
        ("C:l.npy", "C:l.npy", None),
    ],
)
def test_labels_arguments(text: str, path: str, key: str | None) -> None:
    assert split_labels(text) == (Path(path), key)


def test_the_bundled_digits(digits_test: Path) -> None:
    image = tensor("image", 8, 8, 1, dtype=np.int8, scale=1 / 255)
    source = FileInputs(digits_test, [image])
    assert source.samples == 400
    assert source.chunk(398, 400)[0].shape == (2, 8, 8, 1)
    assert load_labels(f"{digits_test}:labels", 400).shape == (400,)


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


def test_the_first_samples(npz: Any) -> None:
    path = npz(x=np.arange(8, dtype=np.float32).reshape(4, 2), labels=np.array([3, 1, 2, 0]))
    for samples, expected in ((1, 1), (3, 3), (4, 4), (9, 4)):
        source = open_source(str(path), [tensor("x", 2)], labels=f"{path}:labels", samples=samples)
        assert source.samples == expected
        assert source.labels is not None
        assert source.labels.values.tolist() == [3, 1, 2, 0][:expected]
        assert source.chunk(0, expected)[0][:, 0].tolist() == [0, 2, 4, 6][:expected]
    assert open_source(str(path), [tensor("x", 2)], samples=3).description == f"the first 3 of 4 samples of {path.name}"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_memory_does_not_grow_with_an_archive(tmp_path: Path, save: Any, peak_memory: Any) -> None:
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
def test_a_mapped_file_does_not_stay_in_memory(npy: Any) -> None:
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
