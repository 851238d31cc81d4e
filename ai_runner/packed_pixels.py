"""Images as features: one number a pixel, as Edge Impulse's image models take them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Features = npt.NDArray[np.float32]

PIXEL_SCALES = MappingProxyType({"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)})
"""What a pixel's 0 and 255 become in the model, by the names that options use."""

ASSUMED_SCALE = "0..1"
"""Of an image model that nothing is known of."""

_OFF_PIXEL = 0.01  # of the distance between two pixel values: nearer is the same value after a trip through float32


@dataclass(frozen=True)
class PackedPixels:
    """How a vector of features holds an image: a pixel is ``R << 16 | G << 8 | B``, a gray one its value three times.

    Source: the image format of the Edge Impulse protocol; pixels are in reading order.

    Attributes:
        height, width, channels: of the image; channels are 3, or 1 for gray.
        low, high: the values that 0 and 255 stand for in the model that gets the image.
        assumed: nobody has told `low` and `high`.
    """

    height: int
    width: int
    channels: int
    low: float = 0.0
    high: float = 1.0
    assumed: bool = field(default=False, compare=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    def pack(self, images: Array) -> Features:
        """Features ``(batch, height * width)`` of real values ``(batch, *image_shape)``, rounded to pixels."""
        pixels = np.clip(np.rint(self._positions(images)), 0, 255).astype(np.uint32)
        pixels = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
        words = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
        return words.reshape(len(images), -1).astype(np.float32)

    def unpack(self, features: Array) -> Features:
        """Real values ``(batch, *image_shape)`` of features; a gray one is the weighted sum of its colours (BT.601)."""
        words = np.asarray(features, np.int64).reshape(-1, self.height, self.width)
        colours = (words[..., np.newaxis] >> np.array([16, 8, 0])) & 255
        unit = colours / 255.0
        if self.channels == 1:
            unit = (unit * [0.299, 0.587, 0.114]).sum(axis=-1, keepdims=True)
        images: Features = (self.low + unit * (self.high - self.low)).astype(np.float32)
        return images

    def nearest(self, images: Array) -> Features:
        """The real values that pixels can stand for, nearest to real values ``(batch, *image_shape)``; same shape."""
        positions = np.clip(np.rint(self._positions(images)), 0, 255)
        found: Features = (self.low + positions * ((self.high - self.low) / 255.0)).astype(np.float32)
        return found

    def off_pixel(self, images: Array) -> int:
        """How many real values lie between two pixel values or beyond the last ones, so that `pack` changes them."""
        positions = self._positions(images)
        error = np.abs(positions - np.clip(np.rint(positions), 0, 255))
        return int((~(error <= _OFF_PIXEL)).sum())

    def _positions(self, images: Array) -> npt.NDArray[np.float64]:
        values = np.asarray(images, np.float64).reshape(-1, *self.image_shape)
        return (np.nan_to_num(values, nan=self.low) - self.low) * (255.0 / (self.high - self.low))


def nearest_scale(lowest: float, highest: float) -> str:
    """The name in PIXEL_SCALES that comes nearest to the range of a quantised input."""

    def distance(name: str) -> float:
        low, high = PIXEL_SCALES[name]
        return (abs(lowest - low) + abs(highest - high)) / (high - low)

    return min(PIXEL_SCALES, key=distance)
