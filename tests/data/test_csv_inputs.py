"""CSV files: columns, labels, every way to be broken, and memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.data import CsvInputs, open_source, parse_preprocessing
from ai_runner.data import csv_inputs as module
from ai_runner.errors import InvalidParamError

Write = Callable[..., Path]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("label", ["label", "Class", "y"])
def test_a_header_names_the_labels(text: Write, tensor: Any, separator: str, label: str) -> None:
    rows = [("a", "b", label, "c"), ("1", "2.5", "7", "-3e2"), ("0", "0", "0", "0")]
    source = CsvInputs(text("d.csv", "\n".join(separator.join(row) for row in rows) + "\n"), [tensor("x", 3)])
    assert source.samples == 2
    assert source.labels is not None
    assert source.labels.values.tolist() == [7, 0]
    assert source.chunk(0, 2)[0].tolist() == [[1, 2.5, -300], [0, 0, 0]]
    assert source.description == "2 samples of d.csv"


def test_columns_by_name_and_number(text: Write, tensor: Any) -> None:
    path = text("d.csv", "id,x1,x2,x3,kind\nA,1,2,3,cat\nB,4,5,6,dog\n")
    for columns in ("1-3", "x1-x3", "x1,x2,3", "x1,2-x3"):
        source = CsvInputs(path, [tensor("x", 3)], "kind", columns)
        assert source.chunk(0, 2)[0].tolist() == [[1, 2, 3], [4, 5, 6]]
        assert source.labels is not None
        assert source.labels.names == ("cat", "dog")
        assert source.labels.values.tolist() == [0, 1]
    source = CsvInputs(path, [tensor("x", 2)], "0", "x3,x1")
    assert source.chunk(0, 2)[0].tolist() == [[3, 1], [6, 4]]
    assert source.labels is not None
    assert source.labels.names == ("A", "B")


def test_no_header_no_labels(text: Write, tensor: Any) -> None:
    source = CsvInputs(text("d.csv", "\n1,2\n\n3,4\n"), [tensor("x", 2)])
    assert source.chunk(0, 2)[0].tolist() == [[1, 2], [3, 4]]
    assert source.labels is None


def test_values_become_the_model_s(text: Write, tensor: Any) -> None:
    path = text("d.csv", "1,-2\n3,4\n")
    assert CsvInputs(path, [tensor("x", 2, dtype=np.int8, scale=0.5)]).chunk(0, 1)[0].tolist() == [[2, -4]]
    assert CsvInputs(path, [tensor("x", 2, dtype=np.int16)]).chunk(1, 2)[0].tolist() == [[3, 4]]
    with pytest.raises(InvalidParamError, match=r"line 1: input 'x' takes uint8 without a scale: -2\.\.1 are not"):
        CsvInputs(path, [tensor("x", 2, dtype=np.uint8)])
    shaped = CsvInputs(path, [tensor("x", 1, 2, 1)], preprocessing=parse_preprocessing(["mean=1", "std=2"]))
    assert shaped.chunk(0, 2)[0].tolist() == [[[[0.0], [-1.5]]], [[[1.0], [1.5]]]]


def test_real_labels_are_a_regression(text: Write, tensor: Any) -> None:
    labels = CsvInputs(text("d.csv", "a,target\n1,0.5\n2,7\n"), [tensor("x", 1)]).labels
    assert labels is not None
    assert labels.are_real
    assert labels.values.tolist() == [0.5, 7.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 columns, the first has 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 columns"),
        ("1,2\n3,x\n", "line 2, column 1: 'x' is no number"),
        ("1,x\n3,4\n", "line 1, column 1: 'x' is no number"),
        ("1,2\n3,\n", "line 2, column 1: '' is no number"),
        ("1,2\nNaN,3\n", "line 2, column 0: NaN is no finite float32"),
        ("1,2\ninf,3\n", "inf is no finite float32"),
        ("1,2\n1e39,3\n", "1e39 is no finite float32"),
        ("1,2,3\n", "3 columns of values, the input takes 2 values"),
        ("", "no samples"),
        ("a,b\n", "no samples"),
        ('1,2\n"3,4\n', "line 2: unexpected end of data"),
        ("a,b,label\n1,2,\n", "line 2: no label"),
        ("a,b,label\n1,2,nan\n", "line 2: the label is nan"),
    ],
)
def test_broken_files(text: Write, tensor: Any, content: str, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message) as caught:
        CsvInputs(text("d.csv", content), [tensor("x", 2)])
    assert "d.csv" in caught.value.message
    assert "\n" not in caught.value.message


def test_other_refusals(tmp_path: Path, text: Write, tensor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = [tensor("x", 2)]
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe1,2\n")
    for path, inputs, options, message in (
        (tmp_path / "none.csv", one, {}, "none.csv: cannot be read: No such file"),
        (tmp_path / "b.csv", one, {}, "is no text in UTF-8"),
        (text("d.csv", "1,2\n"), one * 2, {}, "feeds a model with one input"),
        (text("d.csv", "1,2\n"), one, {"label_column": "y"}, "there is no column 'y'"),
        (text("d.csv", "1,2\n"), one, {"columns": "0-7"}, "there is no column '7'"),
        (text("d.csv", "1,2\n"), one, {"preprocessing": parse_preprocessing(["scale=0..1"])}, "not for CSV files"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            CsvInputs(path, inputs, **options)
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    with pytest.raises(InvalidParamError, match="a line has more than 100 characters"):
        CsvInputs(text("d.csv", "1," + "2" * 200), one)
    path = text("d.csv", "1,2\n")
    with pytest.raises(InvalidParamError, match="which column holds the labels"):
        open_source(str(path), one, labels=str(path))


@given(st.binary(max_size=80))
def test_any_bytes_are_samples_or_one_error(tmp_path_factory: pytest.TempPathFactory, tensor: Any, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(raw)
    try:
        source = CsvInputs(path, [tensor("x", 2)])
        found = bool(np.isfinite(source.chunk(0, source.samples)[0]).all())
    except InvalidParamError as error:
        found = "\n" not in error.message
    assert found


def test_memory_does_not_grow_with_the_file(tmp_path: Path, tensor: Any, peak_memory: Any) -> None:
    def read(samples: int) -> None:
        source = CsvInputs(tmp_path / f"{samples}.csv", [tensor("x", 500)])
        for start in range(0, samples, 10):
            source.chunk(start, start + 10)

    line = ",".join(["0.25"] * 500) + ",1\n"
    peaks = []
    for samples in (100, 800):
        path = tmp_path / f"{samples}.csv"
        path.write_text(",".join(f"x{k}" for k in range(500)) + ",label\n" + line * samples)
        peaks.append(peak_memory(lambda n=samples: read(n)))
    assert peaks[1] < peaks[0] + 700 * 64  # of 2000 bytes that a sample has; labels are numbers


def test_labels_of_other_inputs(tmp_path: Path, text: Write, tensor: Any) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3), np.float32))
    path = text("l.csv", "id,kind,label\nA,up,1\nB,on,2\n")
    for labels, values in ((path, [1, 2]), (f"{path}:kind", [1, 0])):
        source = open_source(str(tmp_path / "x.npy"), [tensor("x", 3)], labels=str(labels))
        assert source.labels is not None
        assert source.labels.values.tolist() == values
    for labels, message in ((f"{path}:none", "which column"), (text("s.csv", "label\n1\n"), "1 labels for 2 samples")):
        with pytest.raises(InvalidParamError, match=message):
            open_source(str(tmp_path / "x.npy"), [tensor("x", 3)], labels=str(labels))


def test_large_integers_are_exact(text: Write, tensor: Any) -> None:
    source = CsvInputs(text("d.csv", "16777217,-2147483648\n"), [tensor("x", 2, dtype=np.int32)])
    assert source.chunk(0, 1)[0].tolist() == [[16777217, -2147483648]]


def test_a_header_of_numbers(text: Write, tensor: Any) -> None:
    path = text("d.csv", "0,1,label\n5,6,2\n7,8,1\n")
    for columns in (None, "0-1", "0,1"):
        source = CsvInputs(path, [tensor("x", 2)], None if columns is None else "label", columns)
        assert source.chunk(0, source.samples)[0].tolist() == [[5, 6], [7, 8]]
