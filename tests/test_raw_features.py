from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo
from ai_runner.raw_features import FeatureInputs, load_features

FEATURES = (TensorInfo("features", (1, 4), np.dtype(np.float32)),)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1, 2.5, -3e1, 0", [[1, 2.5, -30, 0]]),
        ("0xff0000, 0x00FF00", [[0xFF0000, 0x00FF00]]),
        ("\ufeff1 2\n\n3\t4\r\n", [[1, 2], [3, 4]]),
        ("[1, 2]\n[3, 4]", [[1, 2], [3, 4]]),
        ("1,2,\n3,4,\n", [[1, 2], [3, 4]]),
    ],
)
def test_text(text: str, rows: list[list[float]], tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text(text, encoding="utf-8")
    features = load_features(path)
    assert features.dtype == np.float32
    assert features.tolist() == rows


def test_numpy_files(tmp_path: Path) -> None:
    values = np.arange(24).reshape(2, 3, 4)
    np.save(tmp_path / "f.npy", values)
    np.save(tmp_path / "one.npy", np.arange(4.0))
    np.savez(tmp_path / "f.npz", raw=values, y=np.arange(2))
    np.savez(tmp_path / "one.npz", raw=values)
    for name in ("f.npy", "f.npz:raw", "one.npz"):
        assert load_features(f"{tmp_path / name}").tolist() == values.reshape(2, 12).tolist()
    assert load_features(tmp_path / "one.npy").shape == (1, 4)
    with pytest.raises(InvalidParamError, match="which array holds the features"):
        load_features(tmp_path / "f.npz")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"1,2\n3\n", "line 2 has 1 numbers, line 1 has 2"),
        (b"1,two", "line 1: 'two' is no number"),
        (b"1,nan", "no finite number"),
        (b"1,1e39", "no finite number"),
        (b"1,0xg", "'0xg' is no number"),
        (b"\xff\xfe", "is no text"),
        (b"\n\n", "no features"),
        (b"", "no features"),
    ],
)
def test_what_is_no_features(raw: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes(raw)
    with pytest.raises(InvalidParamError, match=says):
        load_features(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot read the features: No such file"):
        load_features(tmp_path / "none.txt")


@given(st.binary(max_size=80))
def test_random_bytes_are_features_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.txt"
    path.write_bytes(raw)
    with suppress(InvalidParamError):
        assert np.isfinite(load_features(path)).all()


def test_a_source_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("1,2,3,4\n5,6,7,8\n9,10,11,12\n")
    source = FeatureInputs(path, FEATURES)
    assert (source.samples, source.description) == (3, "3 windows of raw features of f.txt")
    assert source.chunk(1, 3)[0].tolist() == [[5, 6, 7, 8], [9, 10, 11, 12]]


def test_a_source_for_another_model(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("1,2,3\n")
    with pytest.raises(InvalidParamError, match="3 features a window, the impulse takes 4"):
        FeatureInputs(path, FEATURES)
    image = TensorInfo("image", (1, 3), np.dtype(np.float32))
    with pytest.raises(InvalidParamError, match="raw features are for impulses"):
        FeatureInputs(path, (image,))
