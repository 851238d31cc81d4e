"""Inputs and labels from files and random numbers; damaged and unfitting files in one line each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.data import (
    FileInputs,
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


def test_the_first_samples(npz: Any) -> None:
    path = npz(x=np.arange(8, dtype=np.float32).reshape(4, 2), labels=np.array([3, 1, 2, 0]))
    for samples, expected in ((1, 1), (3, 3), (4, 4), (9, 4)):
        source = open_source(str(path), [tensor("x", 2)], labels=f"{path}:labels", samples=samples)
        assert source.samples == expected
        assert source.labels is not None
        assert source.labels.values.tolist() == [3, 1, 2, 0][:expected]
        assert source.chunk(0, expected)[0][:, 0].tolist() == [0, 2, 4, 6][:expected]
    assert open_source(str(path), [tensor("x", 2)], samples=3).description == f"the first 3 of 4 samples of {path.name}"
