"""Labels of every kind of source, and how names become numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.data import Labels, open_source, read_labels
from ai_runner.data.labels import LabelColumn
from ai_runner.errors import InvalidParamError


def column(*labels: Any) -> Labels:
    collected = LabelColumn("here")
    for i, label in enumerate(labels):
        collected.add(label, f"here: {i}")
    return collected.result()


def test_the_kind_of_a_column_is_that_of_all_its_labels() -> None:
    assert column("3", 1, np.uint8(2), np.array([7])).values.tolist() == [3, 1, 2, 7]
    assert column(1, 2.5).values.tolist() == [1.0, 2.5]
    assert column(1, 2.5).are_real
    mixed = column("b", "10", " a ", "b")
    assert (mixed.names, mixed.values.tolist()) == (("10", "a", "b"), [2, 0, 1, 2])


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), min_size=1, max_size=30))
def test_names_are_kept(labels: list[str]) -> None:
    words = [label.strip() for label in labels]
    if any(not word or word.lower().lstrip("+-") in NOT_FINITE for word in words):
        with pytest.raises(InvalidParamError):
            column(*labels)
        return
    found = column(*labels)
    if found.names:
        assert [found.names[k] for k in found.values] == words
    else:
        assert found.values.tolist() == [float(word) for word in words]


NOT_FINITE = ("nan", "inf", "infinity")


@pytest.mark.parametrize(
    ("names", "class_names", "classes", "numbers"),
    [
        (("cat", "dog"), ("dog", "bird", "cat"), 3, [2, 0]),
        (("cat", "dog"), (), 2, [0, 1]),
        (("2", "7"), (), 10, [2, 7]),
        (("2", "7"), ("7", "2"), 2, [1, 0]),
        (("2", "7"), ("a", "b"), 2, [2, 7]),
    ],
)
def test_names_become_numbers(
    names: tuple[str, ...], class_names: tuple[str, ...], classes: int, numbers: list[int]
) -> None:
    assert Labels(np.array([0, 1]), "here", names).resolved(class_names, classes).tolist() == numbers


def test_names_whose_numbers_nobody_knows() -> None:
    labels = Labels(np.array([0, 1]), "here", ("cat", "dog"))
    with pytest.raises(InvalidParamError, match=r"2 names of classes \(cat, dog\) where the model has 3") as caught:
        labels.resolved((), 3)
    assert "--label-names" in caught.value.hint
    with pytest.raises(InvalidParamError, match="label 'cat' is none of the model's: dog, bird"):
        labels.resolved(("dog", "bird"), 2)


def test_arrays_of_text_and_real_values(tmp_path: Path) -> None:
    path = tmp_path / "l.npz"
    np.savez(path, labels=np.array(["b", "a"]), real=np.array([[1.0, 2.0], [3.0, 4.0]]), n=np.array([1.5, 2.5]))
    assert read_labels(path, 2).names == ("a", "b")
    assert read_labels(f"{path}:real", 2).values.shape == (2, 2)
    assert read_labels(f"{path}:n", 2).values.tolist() == [1.5, 2.5]
    with pytest.raises(InvalidParamError, match="2 labels for 3 samples"):
        read_labels(f"{path}:n", 3)


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_one_hot_labels_are_no_regression(tmp_path: Path, dtype: Any) -> None:
    np.save(tmp_path / "y.npy", np.eye(3, dtype=dtype))
    with pytest.raises(InvalidParamError, match=r"y\.npy: labels of shape \[3, 3\]") as caught:
        read_labels(tmp_path / "y.npy", 3)
    assert "argmax" in caught.value.hint


def test_labels_beside_inputs_of_one_file(tmp_path: Path, tensor: Any) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=np.zeros((2, 3), np.float32), names=np.array(["b", "a"]))
    source = open_source(str(path), [tensor("x", 3)], labels=f"{path}:names")
    assert source.labels is not None
    assert source.labels.values.tolist() == [1, 0]
    assert open_source(str(path), [tensor("x", 3)]).labels is None


def test_too_many_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_runner.data import labels as module

    monkeypatch.setattr(module, "MAX_NAMES", 3)
    assert column(*[k + 0.5 for k in range(10)]).are_real
    with pytest.raises(InvalidParamError, match="more than 3 different labels"):
        column(*"abcdef")
    with pytest.raises(InvalidParamError, match="more than 3 different labels"):
        column(1, 2, 3, 4, "a")
