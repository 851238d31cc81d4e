"""Folders of images: labels, preprocessing, every way to be broken, and memory."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.data import Labels, Source, open_source, parse_preprocessing
from ai_runner.data import image_inputs as module
from ai_runner.errors import InvalidParamError, MissingRuntimeError

pytest.importorskip("PIL", reason="Pillow is not installed")

Write = Callable[..., Path]
UNIT = ("scale=0..1",)
RNG = np.random.default_rng(7)
COLOURS = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)


def opened(folder: Path, tensor: Any, *steps: str, labels: Path | None = None) -> Source:
    text = None if labels is None else str(labels)
    return open_source(str(folder), [tensor], labels=text, preprocessing=parse_preprocessing(steps))


def names(labels: Labels | None) -> list[str]:
    assert labels is not None
    return [labels.names[k] for k in labels.values]


def test_subfolders_are_labels(image: Write, tmp_path: Path, tensor: Any) -> None:
    for name in ("dog/2.png", "cat/b.png", "dog/10.PNG", "cat/deep/a.bmp"):
        image(name, COLOURS)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "copy.png").write_bytes(b"")
    source = opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)
    assert source.samples == 4
    assert names(source.labels) == ["cat", "cat", "dog", "dog"]
    assert source.labels is not None
    assert source.labels.resolved((), 2).tolist() == [0, 0, 1, 1]
    assert source.labels.resolved(("dog", "bird", "cat"), 3).tolist() == [2, 2, 0, 0]
    np.testing.assert_allclose(source.chunk(0, 4)[0], np.stack([COLOURS / 255] * 4), rtol=1e-6)
    assert source.description == f"4 images of {tmp_path.name}, scale=0..1"


def test_names_that_are_numbers_are_the_numbers(image: Write, tmp_path: Path, tensor: Any) -> None:
    for number in ("0", "2", "10"):
        image(f"{number}/a.png", COLOURS)
    labels = opened(tmp_path, tensor("x", 4, 6, 3), *UNIT).labels
    assert labels is not None
    assert labels.resolved((), 11).tolist() == [0, 10, 2]


def test_a_list_chooses_and_labels(image: Write, text: Write, tmp_path: Path, tensor: Any) -> None:
    for k in range(3):
        image(f"{k}.png", np.full((4, 6), k))
    entries = [("2.png", "b"), ("0.png", "a"), ("2.png", "b")]
    table = text("list.csv", "file,label\n" + "\n".join(",".join(entry) for entry in entries))
    bare = text("bare.csv", "\n".join(",".join(entry) for entry in entries))
    objects = text("list.json", json.dumps([{"file": name, "label": label} for name, label in entries]))
    for path in (table, bare, objects):
        source = opened(tmp_path, tensor("x", 4, 6), "scale=0..255", labels=path)
        assert source.chunk(0, 3)[0][:, 0, 0].tolist() == [2.0, 0.0, 2.0]
        assert names(source.labels) == ["b", "a", "b"]
    numbers = opened(tmp_path, tensor("x", 4, 6), "scale=0..255", labels=text("n.json", '{"1.png": 4, "0.png": 3}'))
    assert numbers.labels is not None
    assert numbers.labels.values.tolist() == [4, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.csv", "0.png,a\n1.png,b\n", r"l.csv: line 2: .*1.png: no such file"),
        ("l.csv", "0.png\n", "line 1: 1 columns, expected file and label"),
        ("l.csv", "file,x\n0.png,a\n", "has no column 'label'"),
        ("l.csv", "0.png,\n", "line 1: no label"),
        ("l.csv", "../0.png,a\n", "is not in"),
        ("l.csv", "/etc/passwd,a\n", "is no image"),
        ("l.csv", "/etc/0.png,a\n", "is not in"),
        ("l.csv", "", "names no files"),
        ("l.json", "[1]", "entry 0: expected"),
        ("l.json", '[{"file": "0.png"}]', "entry 0: expected"),
        ("l.json", '{"0.png": [1, 2]}', "a label of type list"),
        ("l.json", '"x"', "is no list of files and labels"),
        ("l.json", "{", "is no JSON"),
        ("l.json", "[" * 100_000, "is no JSON"),
    ],
)
def test_broken_lists(
    image: Write, text: Write, tmp_path: Path, tensor: Any, name: str, content: str, message: str
) -> None:
    image("0.png", COLOURS)
    with pytest.raises(InvalidParamError, match=message) as caught:
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT, labels=text(name, content))
    assert name in caught.value.message
    assert "\n" not in caught.value.message


def test_names_that_no_file_can_have(image: Write, text: Write, tmp_path: Path, tensor: Any) -> None:
    image("a.png", COLOURS)
    for name in ("a\0.png", "x" * 5000 + ".png"):
        labels = text("list.json", json.dumps([{"file": name, "label": 1}]))
        with pytest.raises(InvalidParamError, match=r"list\.json: entry 0: .*(is no name of a|no such) file"):
            opened(tmp_path, tensor("x", 4, 6, 3), *UNIT, labels=labels)


def test_a_link_to_nothing_is_a_missing_image(image: Write, tmp_path: Path, tensor: Any) -> None:
    image("a.png", COLOURS)
    (tmp_path / "b.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(InvalidParamError, match=r"b\.png: no such file"):
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)


def test_channels_and_planes(image: Write, tmp_path: Path, tensor: Any) -> None:
    image("a.png", COLOURS)
    steps = ("scale=0..255", "mean=1,2,3")
    (whole,) = opened(tmp_path, tensor("x", 4, 6, 3), *steps).chunk(0, 1)
    np.testing.assert_array_equal(whole[0], COLOURS.astype(np.float32) - np.array([1, 2, 3], np.float32))
    for layout in ((), ("layout=nchw",)):
        (planes,) = opened(tmp_path, tensor("x", 3, 4, 6), *steps, *layout).chunk(0, 1)
        np.testing.assert_array_equal(planes[0], whole[0].transpose(2, 0, 1))
    (gray,) = opened(tmp_path, tensor("x", 4, 6, 1), "grayscale", "scale=0..255").chunk(0, 1)
    luma = COLOURS @ np.array([0.299, 0.587, 0.114])
    assert np.abs(gray[0, ..., 0] - luma).max() <= 1.0
    with pytest.raises(InvalidParamError, match=r"a\.png: has colours, input 'x' takes one channel"):
        opened(tmp_path, tensor("x", 4, 6, 1), *UNIT)
    quantized = opened(tmp_path, tensor("x", 4, 6, 3, dtype=np.int8, scale=1 / 127), "scale=-1..1").chunk(0, 1)[0]
    assert quantized.dtype == np.int8
    assert np.abs(quantized[0] - (COLOURS / 127.5 - 1) * 127).max() <= 0.51


def test_gray_becomes_colours_and_transparency_is_dropped(image: Write, tmp_path: Path, tensor: Any) -> None:
    gray = COLOURS[..., 0]
    image("a.png", gray)
    image("b.png", np.dstack([COLOURS, np.full((4, 6), 7)]))
    values = opened(tmp_path, tensor("x", 4, 6, 3), "scale=0..255").chunk(0, 2)[0]
    np.testing.assert_array_equal(values[0], np.dstack([gray] * 3))
    np.testing.assert_array_equal(values[1], COLOURS)


def test_sizes(image: Write, tmp_path: Path, tensor: Any) -> None:
    wide = np.zeros((10, 20), np.uint8)
    wide[:, 5:15] = 200
    image("a.png", wide)
    small = tensor("x", 5, 5)
    with pytest.raises(InvalidParamError, match="has 20 x 10 pixels, input 'x' 5 x 5") as caught:
        opened(tmp_path, small, *UNIT)
    assert "resize=stretch" in caught.value.hint
    nearest = ("filter=nearest", "scale=0..255")
    assert opened(tmp_path, small, "resize=stretch", *nearest).chunk(0, 1)[0][0, 2].tolist() == [0, 200, 200, 200, 0]
    assert (opened(tmp_path, small, "resize=crop", *nearest).chunk(0, 1)[0] == 200).all()
    boxed = opened(tmp_path, small, "resize=letterbox", *nearest).chunk(0, 1)[0][0]
    assert (boxed[0] == 0).all()
    assert boxed.max() == 200
    for method in ("bilinear", "bicubic", "area"):
        assert opened(tmp_path, small, "resize=stretch", f"filter={method}", *UNIT).chunk(0, 1)[0].max() <= 1.0


def test_refusals(image: Write, wav: Write, tmp_path: Path, tensor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParamError, match="no images and no WAV files"):
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)
    image("a.png", COLOURS)
    for shape, steps, message in (
        ((4, 6, 3), (), "which values do the pixels of images get"),
        ((4, 6, 3), ("window=all", *UNIT), "window: is not for images"),
        ((10,), UNIT, "is no image"),
        ((4, 6, 4), UNIT, "is no image"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            opened(tmp_path, tensor("x", *shape), *steps)
    with pytest.raises(InvalidParamError, match="one input, this one has 2"):
        open_source(str(tmp_path), [tensor("x", 4, 6, 3)] * 2, preprocessing=parse_preprocessing(UNIT))
    image("b/b.png", COLOURS)
    with pytest.raises(InvalidParamError, match=r"a\.png is in no subfolder"):
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)
    wav("b/b.wav", np.zeros(4, np.int16))
    (tmp_path / "a.png").unlink()
    with pytest.raises(InvalidParamError, match=r"images \(b/b.png\) and sounds \(b/b.wav\)"):
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)
    (tmp_path / "b" / "b.wav").unlink()
    monkeypatch.setattr(module, "MAX_PIXELS", 20)
    with pytest.raises(InvalidParamError, match="6 x 4 pixels are too many"):
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)


def test_pillow_is_asked_for(image: Write, tmp_path: Path, tensor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    image("a.png", COLOURS)
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(MissingRuntimeError) as caught:
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)
    assert caught.value.hint == "pip install 'ai-runner[data]'"


# -- hostile files ----------------------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 50 000 x 50 000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"text", bomb(), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n"],
    ids=["empty", "text", "bomb", "postscript"],
)
def test_what_is_no_image_is_found_before_anything_runs(
    image: Write, tmp_path: Path, tensor: Any, content: bytes
) -> None:
    image("a.png", COLOURS)
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(InvalidParamError, match=r"b\.png: cannot be read as an image") as caught:
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_an_image_that_ends_too_early(image: Write, tmp_path: Path, tensor: Any, suffix: str) -> None:
    path = image(f"a.{suffix}", RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    with pytest.raises(InvalidParamError, match=rf"a\.{suffix}: cannot be read as an image"):
        opened(tmp_path, tensor("x", 40, 60, 3), *UNIT)


def test_sixteen_bits_are_refused(tmp_path: Path, tensor: Any) -> None:
    from PIL import Image

    Image.fromarray(np.full((4, 6), 300, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InvalidParamError, match=r"deep\.png: pixels of type I;16, expected 8 bits"):
        opened(tmp_path, tensor("x", 4, 6), *UNIT)


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_image_is_pixels_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, tensor: Any, data: st.DataObject
) -> None:
    from PIL import Image

    folder = tmp_path_factory.mktemp("damaged")
    path = folder / f"a.{data.draw(st.sampled_from(['png', 'jpg', 'gif', 'tif']))}"
    Image.fromarray(COLOURS).save(path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        fine = opened(folder, tensor("x", 4, 6, 3), "resize=stretch", *UNIT).chunk(0, 1)[0].shape == (1, 4, 6, 3)
    except InvalidParamError as error:
        fine = "\n" not in error.message
    assert fine


def test_memory_does_not_grow_with_the_folder(image: Write, tmp_path: Path, tensor: Any, peak_memory: Any) -> None:
    def read(samples: int) -> None:
        source = opened(tmp_path, tensor("x", 64, 64), *UNIT)
        for start in range(0, samples, 10):
            source.chunk(start, start + 10)

    peaks = []
    for samples in (20, 200):
        for k in range(samples):
            if not (tmp_path / "a" / f"{k}.png").exists():
                image(f"a/{k}.png", RNG.integers(0, 256, (64, 64), dtype=np.uint8))
        peaks.append(peak_memory(lambda n=samples: read(n)))
    assert peaks[1] < peaks[0] + 180 * 1000  # of 16384 bytes that a sample has; names of files are kept


def test_models_that_take_bytes_without_a_scale(image: Write, tmp_path: Path, tensor: Any) -> None:
    image("a.png", COLOURS)
    raw = tensor("x", 4, 6, 3, dtype=np.uint8)
    np.testing.assert_array_equal(opened(tmp_path, raw, "scale=0..255").chunk(0, 1)[0][0], COLOURS)
    signed = tensor("x", 4, 6, 3, dtype=np.int8)
    shifted = opened(tmp_path, signed, "scale=-128..127").chunk(0, 1)[0][0]
    np.testing.assert_array_equal(shifted.astype(int) + 128, COLOURS)
    with pytest.raises(InvalidParamError, match=r"input 'x' takes uint8 without a scale: 0.*\.\..* are not whole"):
        opened(tmp_path, raw, *UNIT)
    with pytest.raises(InvalidParamError, match="mean: 2 numbers for 3 channels"):
        opened(tmp_path, tensor("x", 4, 6, 3), *UNIT, "mean=1,2")
