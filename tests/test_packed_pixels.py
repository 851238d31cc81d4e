from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.packed_pixels import PIXEL_SCALES, PackedPixels


@pytest.mark.parametrize("scale", PIXEL_SCALES)
def test_every_pixel_survives_packing_and_unpacking(scale: str) -> None:
    low, high = PIXEL_SCALES[scale]
    image = np.random.default_rng(2).integers(0, 256, (5, 4, 3, 3))
    real = (low + image / 255 * (high - low)).astype(np.float32)
    pixels = PackedPixels(4, 3, 3, low, high)
    features = pixels.pack(real)
    assert (features.shape, features.dtype) == ((5, 12), np.float32)
    red, green, blue = image[0, 0, 0]
    assert int(features[0, 0]) == red << 16 | green << 8 | blue
    assert pixels.off_pixel(real) == 0
    np.testing.assert_allclose(pixels.unpack(features), real, rtol=1e-6, atol=1e-6)


def test_gray_is_in_all_three_colours_and_comes_back_as_their_weighted_sum() -> None:
    pixels = PackedPixels(1, 2, 1)
    features = pixels.pack(np.array([[[[0.0], [1.0]]]], np.float32))
    assert features.tolist() == [[0.0, float(0xFFFFFF)]]
    np.testing.assert_allclose(pixels.unpack(np.array([[0xFF0000, 0x808080]])).ravel(), [0.299, 128 / 255], rtol=1e-6)


@given(st.floats(-2, 2))
def test_what_lies_between_pixels_is_counted_and_rounded(value: float) -> None:
    pixels = PackedPixels(1, 1, 1)
    real = np.array([[[[value]]]])
    nearest = min(max(round(value * 255), 0), 255)
    assert int(pixels.pack(real)[0, 0]) & 255 == pytest.approx(nearest, abs=1)
    assert pixels.off_pixel(real) == int(abs(value * 255 - nearest) > 0.01)


def test_not_a_number_is_some_pixel() -> None:
    assert PackedPixels(1, 1, 1, -1.0, 1.0).pack(np.array([[[[np.nan]]]])).tolist() == [[0.0]]
