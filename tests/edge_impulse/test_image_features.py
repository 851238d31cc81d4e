"""Features of pictures: bit for bit those of the official client where it is right."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.edge_impulse.image_features import (
    get_features_from_image_cropped,
    get_features_from_image_with_studio_mode,
    resize_image,
    resize_with_letterbox,
)
from ai_runner.errors import InvalidParamError

MODES = ("fit-shortest", "fit-longest", "squash")
SIZES = [(96, 96), (96, 64), (48, 160), (33, 47), (1, 1), (320, 320)]
PICTURES = [(480, 640), (360, 480), (100, 37), (96, 96), (50, 1000), (3, 5), (64, 96)]


def picture_of(height: int, width: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", PICTURES)
@pytest.mark.parametrize("mode", MODES)
def test_rgb_as_the_official_client(
    mode: str, shape: tuple[int, int], size: tuple[int, int], official: ModuleType
) -> None:
    picture = picture_of(*shape)
    try:
        expected, shown = official.image.get_features_from_image_with_studio_mode(picture, mode, *size, False)
    except official.image.cv2.error:
        pytest.skip("the official client computes an empty picture")
    features, resized = get_features_from_image_with_studio_mode(picture, mode, *size, False)
    np.testing.assert_array_equal(resized, shown)
    np.testing.assert_array_equal(features, expected)
    assert features.dtype == np.float32
    assert features.flags["C_CONTIGUOUS"]
    assert resized.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", PICTURES[:5])
def test_grey_as_the_official_client_with_its_channels_the_right_way_round(
    shape: tuple[int, int], mode: str, official: ModuleType
) -> None:
    picture = picture_of(*shape, seed=1)
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    try:
        expected, shown = official.image.get_features_from_image_with_studio_mode(bgr, mode, 96, 64, True)
    except official.image.cv2.error:
        pytest.skip("the official client computes an empty picture")
    features, resized = get_features_from_image_with_studio_mode(picture, mode, 96, 64, True)
    np.testing.assert_array_equal(resized, shown)
    np.testing.assert_array_equal(features, expected)


def test_grey_of_every_colour_as_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    green, blue = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    for red in range(0, 256, 5):
        picture = np.stack([np.full_like(green, red), green, blue], axis=-1)
        _, grey = get_features_from_image_with_studio_mode(picture, "none", 256, 256, True)
        np.testing.assert_array_equal(grey, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def test_pure_red_is_76_in_grey() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, :, 0] = 255
    for features, grey in (
        get_features_from_image_with_studio_mode(picture, "squash", 4, 4, True),
        get_features_from_image_cropped(picture, (4, 4), True, "center", "center"),
    ):
        np.testing.assert_array_equal(grey, np.full((4, 4), 76))
        np.testing.assert_array_equal(features, np.full(16, 76 * 0x010101))


@pytest.mark.parametrize("y", ["top", "bottom"])
@pytest.mark.parametrize("x", ["left", "center", "right"])
@pytest.mark.parametrize("shape", PICTURES)
@pytest.mark.parametrize("size", [(96, 96), (96, 64), (48, 160)])
def test_the_older_way_as_the_official_client(
    size: tuple[int, int], shape: tuple[int, int], x: str, y: str, official: ModuleType
) -> None:
    runner = SimpleNamespace(dim=size, isGrayscale=False)
    picture = picture_of(*shape, seed=2)
    expected, shown = official.image.ImageImpulseRunner.get_features_from_image(runner, picture, x, y)
    features, cropped = get_features_from_image_cropped(picture, size, False, x, y)
    np.testing.assert_array_equal(cropped, shown)
    np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize("shape", PICTURES)
def test_the_older_way_crops_the_centre_of_square_inputs_as_the_official_client(
    shape: tuple[int, int], official: ModuleType
) -> None:
    runner = SimpleNamespace(dim=(96, 96), isGrayscale=False)
    picture = picture_of(*shape, seed=3)
    expected, _ = official.image.ImageImpulseRunner.get_features_from_image(runner, picture)
    features, _ = get_features_from_image_cropped(picture, (96, 96), False, "center", "center")
    np.testing.assert_array_equal(features, expected)


def test_the_older_way_crops_the_centre_of_other_inputs_too() -> None:
    picture = np.zeros((480, 360, 3), np.uint8)
    picture[236:244] = 255  # a band in the middle of the picture
    _, cropped = get_features_from_image_cropped(picture, (96, 64), False, "center", "center")
    bright = np.flatnonzero(cropped[:, 48, 0] > 100)
    assert cropped.shape == (64, 96, 3)
    assert abs(bright.mean() - 31.5) <= 1


@pytest.mark.parametrize(("x", "y"), [("middle", "center"), ("center", "left")])
def test_the_older_way_refuses_other_directions(x: str, y: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        get_features_from_image_cropped(picture_of(8, 8), (4, 4), False, x, y)


@pytest.mark.parametrize("shape", [(4, 2000), (2000, 4)])
def test_a_stripe_fits_with_one_pixel(shape: tuple[int, int]) -> None:
    features, resized = get_features_from_image_with_studio_mode(picture_of(*shape), "fit-longest", 96, 96, False)
    assert features.shape == (9216,)
    assert np.count_nonzero(resized.any(axis=(1, 2))) in (1, 96)


def test_none_packs_the_picture_as_it_is() -> None:
    picture = picture_of(4, 6)
    features, resized = get_features_from_image_with_studio_mode(picture, "none", 6, 4, False)
    red, green, blue = (picture[:, :, k].astype(np.int64).ravel() for k in range(3))
    np.testing.assert_array_equal(features, red << 16 | green << 8 | blue)
    assert not np.shares_memory(resized, picture)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_a_pixel_survives_packing(red: int, green: int, blue: int) -> None:
    picture = np.array([[[red, green, blue]]], np.uint8)
    features, _ = get_features_from_image_with_studio_mode(picture, "none", 1, 1, False)
    assert int(features[0]) == red << 16 | green << 8 | blue


def test_alpha_is_left_out_and_grey_is_grey() -> None:
    picture = picture_of(20, 30)
    rgba = np.dstack([picture, np.full((20, 30), 7, np.uint8)])
    expected, _ = get_features_from_image_with_studio_mode(picture, "squash", 9, 8, False)
    features, _ = get_features_from_image_with_studio_mode(rgba, "squash", 9, 8, False)
    np.testing.assert_array_equal(features, expected)
    grey = picture[:, :, 0]
    for img in (grey, grey[:, :, np.newaxis], np.dstack([grey] * 3)):
        for is_grayscale in (False, True):
            features, _ = get_features_from_image_with_studio_mode(img, "none", 30, 20, is_grayscale)
            np.testing.assert_array_equal(features, grey.ravel() * np.float32(0x010101))


@pytest.mark.parametrize(
    "img",
    [None, np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(9, np.uint8), 3],
)
def test_what_is_no_picture(img: Any) -> None:
    with pytest.raises(InvalidParamError, match=r"uint8 RGB \[height, width, 3\]"):
        get_features_from_image_with_studio_mode(img, "squash", 4, 4, False)
    with pytest.raises(InvalidParamError):
        get_features_from_image_cropped(img, (4, 4), False, "center", "center")


@pytest.mark.parametrize("shape", [(50, 80), (50, 80, 1), (50, 80, 3), (50, 80, 4)])
def test_resizing_alone_as_the_official_client(shape: tuple[int, ...], official: ModuleType) -> None:
    image = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(resize_image(image, (31, 45)), official.image.resize_image(image, (31, 45)))
    for size in ((31, 45), (120, 60)):
        expected = official.image.resize_with_letterbox(image, *size)
        np.testing.assert_array_equal(resize_with_letterbox(image, *size), expected)


@pytest.mark.parametrize("image", [None, [1, 2], np.zeros((2, 2), np.int64), np.zeros((2, 2, 2, 2), np.uint8)])
def test_resizing_refuses_what_is_no_picture(image: Any) -> None:
    with pytest.raises(InvalidParamError, match="is no picture"):
        resize_image(image, (4, 4))
    with pytest.raises(InvalidParamError):
        resize_with_letterbox(image, 4, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", PICTURES)
def test_without_opencv_within_one_grey_level(
    shape: tuple[int, int], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    picture = picture_of(*shape, seed=6)
    _, expected = get_features_from_image_with_studio_mode(picture, mode, 96, 64, False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    features, resized = get_features_from_image_with_studio_mode(picture, mode, 96, 64, False)
    assert np.abs(resized.astype(int) - expected).max() <= 1
    assert features.dtype == np.float32
