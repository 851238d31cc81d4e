"""Steps, as options and as TOML; numbers against their formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.data import FileInputs, Preprocessing, parse_preprocessing
from ai_runner.errors import InvalidParamError

EVERYTHING = Preprocessing(
    mono=True,
    window="center",
    grayscale=True,
    resize="crop",
    filter="area",
    scale=(-1.0, 1.0),
    mean=(0.5, 0.25, 0.125),
    std=(2.0,),
    layout="nchw",
)


def test_what_it_says_can_be_given_again() -> None:
    assert parse_preprocessing(str(EVERYTHING).split()) == EVERYTHING
    assert str(Preprocessing()) == ""


def test_toml_says_the_same(text: Callable[..., Path]) -> None:
    path = text(
        "steps.toml",
        'mono = true\nwindow = "center"\ngrayscale = true\nresize = "crop"\nfilter = "area"\nscale = [-1, 1]\n'
        'mean = [0.5, 0.25, 0.125]\nstd = 2.0\nlayout = "nchw"\n',
    )
    assert parse_preprocessing([str(path)]) == EVERYTHING


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sharpen=1", "there is no 'sharpen'"),
        ("resize=96x96", "resize=96x96: expected stretch, crop or letterbox"),
        ("resize", "resize=True: expected stretch"),
        ("scale=0", "expected LOW..HIGH"),
        ("scale=1..1", "low and high are the same"),
        ("scale=0..inf", "'inf' is no finite number"),
        ("mean=a", "'a' is no finite number"),
        ("std=0", "larger than 0"),
        ("grayscale=maybe", "expected yes or no"),
        ("layout=hwc", "expected nhwc or nchw"),
    ],
)
def test_steps_that_do_not_exist(word: str, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message) as caught:
        parse_preprocessing([word])
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("scale = 1", "expected LOW..HIGH"),
        ("resize = [1, 2]", "expected stretch"),
        ("mean = []", "expected a number"),
        ("mean = true", "no finite number"),
        ("[deep]\nx = 1", "there is no 'deep'"),
        ("= nonsense", "is no TOML"),
    ],
)
def test_broken_toml(text: Callable[..., Path], content: str, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message) as caught:
        parse_preprocessing([str(text("p.toml", content))])
    assert "p.toml" in caught.value.message


def test_no_toml_and_twice(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot be read"):
        parse_preprocessing([str(tmp_path / "none.toml")])
    with pytest.raises(InvalidParamError, match="scale: is given twice"):
        parse_preprocessing(["scale=0..1", "scale=0..255"])


@given(st.binary(max_size=60))
def test_any_file_is_steps_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    found: object = None
    try:
        found = parse_preprocessing([str(path)])
    except InvalidParamError as error:
        found = error.message.count("\n")
    assert found == 0 or isinstance(found, Preprocessing)


def test_pixels_in_arrays(tmp_path: Path, tensor: Callable[..., object]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "p.npy", pixels)
    steps = parse_preprocessing(["scale=0..1", "mean=0.5,0.25,0.125", "std=0.5,1,2"])
    source = FileInputs(tmp_path / "p.npy", [tensor("x", 4, 4, 3)], preprocessing=steps)  # type: ignore[list-item]
    expected = (pixels / 255 - np.array([0.5, 0.25, 0.125])) / np.array([0.5, 1, 2])
    (values,) = source.chunk(1, 4)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected[1:4], rtol=1e-5, atol=1e-6)
    assert source.description == "5 samples of p.npy, scale=0..1 mean=0.5,0.25,0.125 std=0.5,1,2"
    planes = FileInputs(
        *(_planes(tmp_path, pixels), [tensor("x", 3, 4, 4)]),  # type: ignore[list-item]
        preprocessing=parse_preprocessing([*str(steps).split(), "layout=nchw"]),
    )
    np.testing.assert_array_equal(planes.chunk(1, 4)[0], values.transpose(0, 3, 1, 2))


def _planes(folder: Path, pixels: np.ndarray) -> Path:  # type: ignore[type-arg]
    np.save(folder / "planes.npy", pixels.transpose(0, 3, 1, 2))
    return folder / "planes.npy"


def test_scale_is_not_for_values_that_have_one(tmp_path: Path, tensor: Callable[..., object]) -> None:
    np.save(tmp_path / "p.npy", np.zeros((2, 3), np.float32))
    inputs = [tensor("x", 3)]
    for word, message in (
        ("scale=0..1", "scale is for pixels of 8 bits"),
        ("resize=crop", "resize: is not for arrays"),
        ("window=all", "window: is not for arrays"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            FileInputs(tmp_path / "p.npy", inputs, preprocessing=parse_preprocessing([word]))  # type: ignore[arg-type]
    with pytest.raises(InvalidParamError, match="mean: 2 numbers for 3 channels"):
        FileInputs(tmp_path / "p.npy", inputs, preprocessing=parse_preprocessing(["mean=1,2"]))  # type: ignore[arg-type]


def test_mean_is_not_for_stored_integers(tmp_path: Path, tensor: Callable[..., object]) -> None:
    np.save(tmp_path / "p.npy", np.zeros((2, 3), np.int8))
    inputs = [tensor("x", 3, dtype=np.int8, scale=0.5)]
    with pytest.raises(InvalidParamError, match="mean and std are for real values"):
        FileInputs(tmp_path / "p.npy", inputs, preprocessing=parse_preprocessing(["mean=1"]))  # type: ignore[arg-type]
