from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ai_runner.edge_impulse.ingestion import (
    Recording,
    Sensor,
    files_in,
    label_in,
    sample_of_bytes,
    sample_of_file,
    signed,
    split_category,
)
from ai_runner.errors import InvalidParamError


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("idle.1.csv", "idle"),
        ("a b-c_9.wav", "a b-c_9"),
        ("(1).jpg", ""),
        ("naïve.jpg", "na"),
        ("noext", "noext"),
        (".x", ""),
    ],
)
def test_the_label_in_a_file_name(name: str, label: str) -> None:
    assert label_in(name) == label


@pytest.mark.parametrize(
    ("md5", "category"),
    [
        ("0f", "training"),
        ("b0", "training"),
        ("c0", "testing"),
        ("e", "testing"),
        ("fff9", "training"),
        ("FFD", "testing"),
        ("f" * 32, "training"),
    ],
)
def test_the_split_goes_by_the_first_digit_that_is_not_f(md5: str, category: str) -> None:
    assert split_category(md5) == category


def test_four_of_five_are_for_training() -> None:
    counts = Counter(sample_of_bytes("a.txt", f"{i}".encode(), category="split").category for i in range(5000))
    assert 0.77 < counts["training"] / 5000 < 0.83


def test_a_document_is_split_by_its_payload(tmp_path: Path) -> None:
    for value in range(20):
        payload = Recording(np.array([[value]]), [Sensor("é")], 1).payload()
        compact = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        expected = split_category(hashlib.md5(compact).hexdigest())
        for key, iat, encoding in ((None, None, "json"), ("a", 1, "json"), ("b", 2, "cbor")):
            path = tmp_path / f"a.{encoding}"
            path.write_bytes(signed(payload, key, iat=iat, encoding=encoding))  # type: ignore[arg-type]
            assert sample_of_file(path, category="split").category == expected
            assert sample_of_bytes(path.name, path.read_bytes(), category="split").category == expected


def test_what_is_no_document_is_split_by_its_bytes(tmp_path: Path) -> None:
    for i in range(20):
        content = f"[{i}"
        (tmp_path / "a.json").write_text(content)
        sample = sample_of_file(tmp_path / "a.json", category="split", check=False)
        assert sample.category == split_category(hashlib.md5(content.encode()).hexdigest())


def test_an_unknown_category() -> None:
    with pytest.raises(InvalidParamError, match="category 'post'"):
        sample_of_bytes("a.txt", b"1", category="post")


def test_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.csv", "sub/a.JPG", "sub/x.labels", ".git/c.csv", "sub/.d.csv", "notes.md", "odd.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    samples, labels, left_out = files_in([tmp_path, tmp_path / "b.csv", tmp_path / "odd.bin"])
    assert samples == [tmp_path / "b.csv", tmp_path / "sub/a.JPG", tmp_path / "odd.bin"]
    assert labels == [tmp_path / "sub/x.labels"]
    assert left_out == [tmp_path / "notes.md", tmp_path / "odd.bin"]
    with pytest.raises(InvalidParamError, match="no such file or folder"):
        files_in([tmp_path / "none"])


def test_files_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    for path, says in (
        (tmp_path / "none.txt", "no such file"),
        (tmp_path, "no such file"),
        (tmp_path / "empty.txt", "is empty"),
    ):
        with pytest.raises(InvalidParamError, match=says):
            sample_of_file(path)


def test_a_sample_does_not_show_its_content() -> None:
    assert "hidden" not in repr(sample_of_bytes("a.txt", b"hidden"))
