"""What a client calls features, made into what the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]

# Of the three colours in the grey that is made of them (BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class NoNumbers(ValueError):
    """Numbers beyond what a double holds: JSON to some, but not to the engine's parser."""


def from_numbers(numbers: Sequence[float]) -> Features:
    """Features of a JSON array, ``(len(numbers),)``.

    Raises:
        NoNumbers: one of them is beyond what a double holds.
    """
    try:
        values = np.array(numbers, np.float64)
    except OverflowError as error:
        raise NoNumbers(str(error)) from error
    if not np.isfinite(values).all():
        raise NoNumbers("a number is beyond what a double holds")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


class PixelUnpacker:
    """Packed pixels, one feature ``R << 16 | G << 8 | B`` each, as the values that the model takes.

    Args:
        pixels: of an image.
        channels: 3, or 1 for the grey ``0.299 R + 0.587 G + 0.114 B``.
        scale: what 0 and 255 become.
    """

    def __init__(self, pixels: int, channels: int, scale: tuple[float, float]) -> None:
        low, high = scale
        self._grey = channels == 1
        self._low, self._span = np.float32(low), np.float32(high - low)
        self._divisor = np.float32(255.0 / (high - low))
        # Kept from request to request: getting the memory takes longer than computing in it.
        self._words = np.empty(pixels, "<i4")
        self._values = np.empty((pixels, 3), np.float32)

    def __call__(self, features: Features) -> Features:
        """``(pixels,)`` as ``(pixels * channels,)``, valid until the next call."""
        with np.errstate(invalid="ignore"):  # what is no pixel gives some pixel, as in C
            np.copyto(self._words, features, casting="unsafe")
        np.copyto(self._values, self._words.view(np.uint8).reshape(-1, 4)[:, 2::-1])
        values: Features = self._values.reshape(-1)
        if self._grey:
            red, green, blue = (self._values / np.float32(255) * _LUMA).T
            values = red + green + blue
            values *= self._span
        else:
            values /= self._divisor
        values += self._low
        return values


class SlidingWindow:
    """The last window of slices that came one after the other."""

    def __init__(self, window: int, slice_size: int) -> None:
        self._values = np.zeros(window, np.float32)
        self._missing = window // slice_size - 1

    def push(self, values: Features) -> Features | None:
        """The window that ends with `values`; None while too few slices have come for one."""
        self._values = np.concatenate([self._values[len(values) :], values])
        if self._missing > 0:
            self._missing -= 1
            return None
        return self._values


def shared_features(buffer: Any, count: int) -> Features:
    """The first `count` values of shared memory, ``(count,)``, read where they are."""
    return np.frombuffer(buffer, np.dtype("<f4"), count)
