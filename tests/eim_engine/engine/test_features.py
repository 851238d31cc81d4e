from __future__ import annotations

import numpy as np
import pytest

from ai_runner.eim_engine.engine.features import NoNumbers, PixelUnpacker, SlidingWindow, from_numbers


def packed(pixels: np.ndarray) -> np.ndarray:
    words = pixels.astype(np.uint32)
    return (words[:, 0] << 16 | words[:, 1] << 8 | words[:, 2]).astype(np.float32)


@pytest.mark.parametrize(("scale", "low", "span"), [((0, 1), 0, 1), ((-1, 1), -1, 2), ((0, 255), 0, 255)])
def test_every_pixel_value_is_scaled(scale: tuple[float, float], low: float, span: float) -> None:
    pixels = np.array([[v, 255 - v, (v * 7) % 256] for v in range(256)])
    values = PixelUnpacker(256, 3, scale)(packed(pixels)).reshape(256, 3)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, low + span * pixels / 255, rtol=1e-7, atol=span * 1e-7)
    assert (values[0, 0], values[255, 0]) == (low, low + span)


def test_grey_is_the_weighted_sum() -> None:
    grey = PixelUnpacker(4, 1, (0, 1))
    values = grey(packed(np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [77, 77, 77]])))
    np.testing.assert_allclose(values, [0.299, 0.587, 0.114, 77 / 255], rtol=1e-6)


def test_what_is_no_pixel_gives_some_pixel() -> None:
    values = PixelUnpacker(4, 3, (0, 1))(np.array([np.nan, -1, 1e30, np.inf], np.float32))
    assert ((values >= 0) & (values <= 1)).all()


def test_numbers_beyond_a_double_are_refused_those_beyond_a_float_become_infinite() -> None:
    for number in (float("inf"), 10**400):
        with pytest.raises(NoNumbers):
            from_numbers([0, number])
    assert from_numbers([1e300, 3]).tolist() == [float("inf"), 3.0]


@pytest.mark.parametrize(("window", "size", "zeros"), [(16, 4, 3), (490, 122, 3), (16000, 4000, 3)])
def test_the_first_windows_are_missing(window: int, size: int, zeros: int) -> None:
    slices = SlidingWindow(window, size)
    stream = np.arange(size * 7, dtype=np.float32)
    got = [slices.push(part) for part in stream.reshape(7, size)]
    assert [part is None for part in got] == [k < zeros for k in range(7)]
    assert np.array_equal(got[-1], stream[-window:])
