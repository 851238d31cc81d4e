"""A picture -> the features of an image model.

A feature is one pixel, ``(R << 16) | (G << 8) | B`` as a number, row by row; a grey pixel has the same value in all
three bytes (the protocol). float32 holds it exactly. Pictures are RGB, as Studio's are; OpenCV reads BGR.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.edge_impulse.area_resize import area_resize
from ai_runner.edge_impulse.opencv import find_opencv
from ai_runner.edge_impulse.placement import Placement, place
from ai_runner.errors import InvalidParamError

Array = npt.NDArray[Any]
Features = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

# Weights of R, G, B. Sums of whole numbers below 2**24 are exact in float32, in whatever order they are added.
_PACKED = np.array([1 << 16, 1 << 8, 1], np.float32)
_LUMA = np.array([9798, 19235, 3735], np.float32)  # BT.601 in 15 bits, as OpenCV has it
_LUMA_ONE = np.float32(1 << 15)
_GREY_STEP = np.float32(0x010101)
_BLOCK = 2048  # pixels
_RESIZABLE = (np.uint8, np.uint16, np.int16, np.float32, np.float64)


def get_features_from_image_with_studio_mode(
    img: Picture, mode: str, output_width: int, output_height: int, is_grayscale: bool
) -> tuple[Features, Picture]:
    """The features of a picture, resized as Studio resizes it.

    Args:
        img: uint8, RGB (height, width, 3); RGBA loses its alpha, (height, width) is grey.
        mode: ``fit-shortest``, ``fit-longest``, ``squash`` or ``none``.
        output_width: of the model's input.
        output_height: of the model's input.
        is_grayscale: True for a model of grey pictures.

    Returns:
        features float32 (output_width * output_height,), and the picture that they are of: uint8
        (output_height, output_width, 3), or without the last axis for a grey one.

    Raises:
        InvalidParamError: no such picture, an unknown mode, or ``none`` and the picture has another size.
    """
    picture = as_picture(img, is_grayscale)
    placement = place(mode, (picture.shape[1], picture.shape[0]), (output_width, output_height))
    return _features(_placed(picture, placement), is_grayscale)


def get_features_from_image_cropped(
    img: Picture, size: tuple[int, int], is_grayscale: bool, crop_direction_x: str, crop_direction_y: str
) -> tuple[Features, Picture]:
    """The features of a picture that was resized to cover the input and cropped: the SDK's older way.

    Args:
        img: as above.
        size: (width, height) of the model's input.
        is_grayscale: True for a model of grey pictures.
        crop_direction_x: ``left``, ``center`` or ``right``, the side that is kept.
        crop_direction_y: ``top``, ``center`` or ``bottom``.

    Returns:
        features and picture, as above.

    Raises:
        InvalidParamError: no such picture, or another direction.
    """
    picture = as_picture(img, is_grayscale)
    height, width = picture.shape[:2]
    factor = max(size[0] / width, size[1] / height)
    covering = (math.ceil(factor * width), math.ceil(factor * height))
    left = _offset(covering[0] - size[0], crop_direction_x, ("left", "center", "right"), "crop_direction_x")
    top = _offset(covering[1] - size[1], crop_direction_y, ("top", "center", "bottom"), "crop_direction_y")
    cropped = resize_image(picture, covering)[top : top + size[1], left : left + size[0]]
    return _features(cropped, is_grayscale)


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """A resized copy: OpenCV's INTER_AREA, or without OpenCV the same to within one grey level.

    Args:
        image: (height, width) or (height, width, channels); uint8, uint16, int16, float32 or float64. A last axis of
            one channel is dropped, as OpenCV does.
        size: (width, height).

    Raises:
        InvalidParamError: no such array, or a size below 1.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype not in _RESIZABLE:
        raise InvalidParamError(
            f"an array {image.dtype}{list(image.shape)} is no picture",
            hint="(height, width) or (height, width, channels), uint8; cv2.imread() gives None for what it cannot read",
        )
    size = (int(size[0]), int(size[1]))
    if min(size) < 1:
        raise InvalidParamError(f"cannot resize to {size[0]}x{size[1]}")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    cv2 = find_opencv()
    if cv2 is None:
        return area_resize(image, size)
    resized: Array = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return resized


def resize_with_letterbox(image: Array, target_width: int, target_height: int) -> Array:
    """A copy resized with its aspect ratio kept, centred on black.

    Args:
        image: as for `resize_image`.
        target_width: of the result.
        target_height: of the result.

    Raises:
        InvalidParamError: no such array, or a size below 1.
    """
    image = np.asarray(image)
    if image.ndim < 2:
        return resize_image(image, (target_width, target_height))
    return _placed(image, place("fit-longest", (image.shape[1], image.shape[0]), (target_width, target_height)))


def as_picture(img: Array, is_grayscale: bool) -> Picture:
    """`img` checked: uint8 (height, width, 3), or (height, width) for a grey picture and a model of grey pictures.

    Raises:
        InvalidParamError: it is something else.
    """
    picture = np.asarray(img)
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    if picture.dtype != np.uint8 or picture.size == 0 or not (picture.ndim == 2 or picture.shape[2:] in ((3,), (4,))):
        raise InvalidParamError(
            f"a picture is uint8 RGB [height, width, 3], not {picture.dtype}{list(picture.shape)}",
            hint="cv2.imread() gives None for a file it cannot read",
        )
    if picture.ndim == 3:
        return picture[:, :, :3]
    return picture if is_grayscale else np.repeat(picture[:, :, np.newaxis], 3, axis=2)


def _placed(picture: Array, placement: Placement) -> Array:
    crop, inner = placement.crop, placement.inner
    cropped = picture[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    resized = resize_image(cropped, (inner.width, inner.height))
    if (inner.width, inner.height) == placement.size:
        return resized
    width, height = placement.size
    canvas = np.zeros((height, width, *resized.shape[2:]), resized.dtype)
    canvas[inner.top : inner.top + inner.height, inner.left : inner.left + inner.width] = resized
    return canvas


def _features(picture: Picture, is_grayscale: bool) -> tuple[Features, Picture]:
    if not is_grayscale:
        return _weighted_sums(picture, _PACKED), picture
    grey = picture if picture.ndim == 2 else _luma(picture)
    return grey.astype(np.float32).ravel() * _GREY_STEP, grey


def _luma(picture: Picture) -> Picture:
    sums = _weighted_sums(picture, _LUMA)
    return ((sums + _LUMA_ONE / 2) / _LUMA_ONE).astype(np.uint8).reshape(picture.shape[:2])


def _weighted_sums(picture: Picture, weights: Features) -> Features:
    """One number a pixel, float32 (pixels,)."""
    pixels = picture.reshape(-1, 3)
    sums = np.empty(len(pixels), np.float32)
    # In blocks that stay in the cache: several times faster than a whole picture of floats.
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK]
        np.dot(block.astype(np.float32), weights, out=sums[start : start + len(block)])
    return sums


def _offset(surplus: int, direction: str, directions: tuple[str, str, str], argument: str) -> int:
    if direction not in directions:
        raise InvalidParamError(f"{argument}={direction!r} is not one of {', '.join(directions)}")
    return (0, surplus // 2, surplus)[directions.index(direction)]
