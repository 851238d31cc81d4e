"""The area resize on numpy against OpenCV's, over sizes that grow, shrink, and do one on each axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.edge_impulse.area_resize import area_resize

EXTREMES = [
    ((4, 2000), (96, 96)),
    ((2000, 4), (96, 96)),
    ((1, 1), (64, 48)),
    ((64, 48), (1, 1)),
    ((1, 640), (320, 1)),
    ((480, 640), (96, 96)),
    ((1080, 1920), (320, 320)),
    ((240, 320), (160, 120)),
    ((96, 96), (97, 95)),
    ((7, 13), (1000, 3)),
]


def opencv_area(image: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    cv2 = pytest.importorskip("cv2")
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def difference(image: np.ndarray[Any, Any], size: tuple[int, int]) -> float:
    """Largest difference from OpenCV, in grey levels."""
    ours, theirs = area_resize(image, size), opencv_area(image, size)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    return float(np.abs(ours.astype(np.float64) - theirs).max())


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize(("shape", "size"), EXTREMES)
def test_extreme_sizes(shape: tuple[int, int], size: tuple[int, int], channels: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape + channels, dtype=np.uint8)
    assert difference(image, size) <= 1


def test_many_sizes_of_noise_and_of_black_and_white() -> None:
    generator = np.random.default_rng(2)
    for k in range(400):
        height, width, out_height, out_width = (int(n) for n in generator.integers(1, 140, 4))
        image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if k % 2:
            image = image // 128 * np.uint8(255)
        assert difference(image, (out_width, out_height)) <= 1, (image.shape, out_width, out_height)


@pytest.mark.parametrize("shape", [(40, 30), (20, 90)])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
def test_other_types(dtype: Any, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).uniform(0, 255, shape).astype(dtype)
    assert difference(image, (24, 32)) <= 1


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_results_stay_between_the_darkest_and_the_brightest(image: np.ndarray[Any, Any], size: tuple[int, int]) -> None:
    resized = area_resize(image, size)
    assert resized.shape == size[::-1]
    assert image.min() <= resized.min() <= resized.max() <= image.max()


def test_a_whole_factor_repeats_pixels_and_averages_blocks() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4) * np.uint8(20)
    grown = area_resize(image, (8, 6))
    np.testing.assert_array_equal(grown, image.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(area_resize(grown, (4, 3)), image)


def test_the_result_is_a_copy() -> None:
    image = np.zeros((4, 4), np.uint8)
    assert not np.shares_memory(area_resize(image, (4, 4)), image)


def test_a_view_that_is_not_contiguous() -> None:
    image = np.random.default_rng(4).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    view = image[::-1, ::2, ::-1]
    np.testing.assert_array_equal(area_resize(view, (9, 8)), area_resize(view.copy(), (9, 8)))
