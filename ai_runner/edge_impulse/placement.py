"""Where a picture goes in the input of a model: Studio's resize modes as geometry.

``squash`` resizes both axes independently; ``fit-shortest`` crops the centre to the aspect ratio of the input first;
``fit-longest`` keeps everything and leaves a black border; ``none`` takes a picture of the exact size only. Sizes and
offsets round as those of Edge Impulse's Linux client do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ai_runner.errors import InvalidParamError

RESIZE_MODES = ("fit-shortest", "fit-longest", "squash", "none")


@dataclass(frozen=True)
class Region:
    """A rectangle, in pixels, from the top left corner."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Placement:
    """`crop` of the picture becomes `inner` of the model's input; what `inner` leaves free is black.

    Attributes:
        size: (width, height) of the model's input.
        crop: what is taken of the picture.
        inner: where it comes to lie in the input.
    """

    size: tuple[int, int]
    crop: Region
    inner: Region

    def to_picture(self, box: Mapping[str, Any]) -> dict[str, Any]:
        """A bounding box of a reply, its `x`, `y`, `width`, `height` in pixels of the picture instead of the input.

        Coordinates are rounded to whole pixels and kept inside the picture's crop; other fields stay.
        """
        across = self.crop.width / self.inner.width
        down = self.crop.height / self.inner.height
        left, right = (self._across(box["x"] + extent, across) for extent in (0, box["width"]))
        top, bottom = (self._down(box["y"] + extent, down) for extent in (0, box["height"]))
        return {**box, "x": left, "y": top, "width": right - left, "height": bottom - top}

    def _across(self, x: float, scale: float) -> int:
        return self.crop.left + min(max(round((x - self.inner.left) * scale), 0), self.crop.width)

    def _down(self, y: float, scale: float) -> int:
        return self.crop.top + min(max(round((y - self.inner.top) * scale), 0), self.crop.height)


def place(mode: str, picture: tuple[int, int], size: tuple[int, int]) -> Placement:
    """How a picture is placed.

    Args:
        mode: one of RESIZE_MODES.
        picture: its (width, height).
        size: (width, height) of the model's input.

    Raises:
        InvalidParamError: another mode, a size below 1, or ``none`` and the sizes differ.
    """
    if min(*picture, *size) < 1:
        raise InvalidParamError(f"a picture of {_text(picture)} for a model input of {_text(size)}: nothing to resize")
    whole, filled = Region(0, 0, *picture), Region(0, 0, *size)
    if mode == "squash":
        return Placement(size, whole, filled)
    if mode == "fit-shortest":
        return Placement(size, _centre(picture, size), filled)
    if mode == "fit-longest":
        return Placement(size, whole, _between_borders(picture, size))
    if mode != "none":
        raise InvalidParamError(f"unknown resize mode {mode!r}", hint=f"one of {', '.join(RESIZE_MODES)}")
    if picture != size:
        raise InvalidParamError(
            f"the model does not resize (mode 'none'): a picture of {_text(picture)} for an input of {_text(size)}",
            hint="give a picture of the exact size, or choose another mode",
        )
    return Placement(size, whole, filled)


def _centre(picture: tuple[int, int], size: tuple[int, int]) -> Region:
    (width, height), aspect = picture, size[0] / size[1]
    if width / height > aspect:
        kept = max(int(height * aspect), 1)
        return Region((width - kept) // 2, 0, kept, height)
    kept = max(int(width / aspect), 1)
    return Region(0, (height - kept) // 2, width, kept)


def _between_borders(picture: tuple[int, int], size: tuple[int, int]) -> Region:
    scale = min(size[0] / picture[0], size[1] / picture[1])
    width, height = (max(int(extent * scale), 1) for extent in picture)
    return Region((size[0] - width) // 2, (size[1] - height) // 2, width, height)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
