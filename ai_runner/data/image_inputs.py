"""Inputs from a folder of images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.array_inputs import PIXELS, stored
from ai_runner.data.labelled_files import LabelledFiles
from ai_runner.data.preprocessing import Preprocessing
from ai_runner.errors import InvalidParamError, MissingRuntimeError
from ai_runner.model import TensorInfo

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

STEPS = ("grayscale", "resize", "filter", "scale", "mean", "std", "layout")
MAX_PIXELS = 1 << 26  # of one image: 64 million, 256 MB when decoded
# What decodes pixels and nothing else: Pillow also has formats that start other programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_PLAIN = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
_OPAQUE = {"LA": "L", "RGBA": "RGB", "PA": "RGB"}


class ImageInputs:
    """Inputs from image files, read when they are needed.

    Pixels are as the file has them: an orientation that a camera noted is not applied, transparency is dropped. Gray
    images become gray colours for a model with three channels; colours become gray only where that is declared.
    """

    seed: int | None = None

    def __init__(
        self,
        files: LabelledFiles,
        inputs: Sequence[TensorInfo],
        preprocessing: Preprocessing,
        progress: Progress | None = None,
    ) -> None:
        """Reads every image once, so that a broken one is found before anything runs.

        Args:
            files: the images.
            inputs: of the reference: one, ``(height, width)``, ``(height, width, channels)`` or with ``layout=nchw``
                ``(channels, height, width)``, with 1 or 3 channels.
            preprocessing: what is done with the pixels; ``scale`` has to be declared.
            progress: called with the images read and the images in all.

        Raises:
            InvalidParamError: an input that is no image, a file that is none or does not fit, an undeclared scale.
            MissingRuntimeError: Pillow is not installed.
        """
        preprocessing.check_used(STEPS, "images")
        if preprocessing.scale is None:
            raise InvalidParamError(
                f"{files.folder}: which values do the pixels of images get?",
                hint="--preprocess scale=0..1, scale=-1..1 or scale=0..255, as in training",
            )
        _pillow()
        self._files = files
        self._tensor, self._height, self._width, self._channels, self._planes = _image_shape(inputs, preprocessing)
        self._preprocessing = preprocessing
        self.samples = len(files.names)
        self.labels = files.labels
        self.description = f"{self.samples} images of {files.folder.name or files.folder}, {preprocessing}"
        self._check_values()
        for i in range(self.samples):
            self._pixels(i)
            if progress is not None:
                progress(i + 1, self.samples)

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Samples start..stop-1: one array in the type that the model stores."""
        pixels = np.stack([self._pixels(i) for i in range(start, stop)])
        values = self._preprocessing.normalized(pixels, PIXELS, -1)
        if self._planes:
            values = values.transpose(0, 3, 1, 2)
        return [stored(values.reshape(stop - start, *self._tensor.sample_shape), self._tensor)]

    def image(self, i: int) -> bytes:
        """One image as a PNG or JPEG file, before any preprocessing: the file itself where it is one.

        Raises:
            InvalidParamError: it cannot be read any more.
        """
        path = self._files.folder / self._files.names[i]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidParamError(f"{path}: cannot be read: {error.strerror or error}") from error
        if content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
            return content
        converted = BytesIO()
        _decoded(path).save(converted, "PNG")
        return converted.getvalue()

    def _check_values(self) -> None:
        """That the model can store what becomes of any pixel."""
        pixels = np.repeat(np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1), self._channels, axis=-1)
        values = self._preprocessing.normalized(pixels, PIXELS, -1)
        if self._tensor.quantization is None:
            stored(values, self._tensor)

    def _pixels(self, i: int) -> npt.NDArray[np.uint8]:
        """(height, width, channels) of one image."""
        path = self._files.folder / self._files.names[i]
        image = self._resized(_decoded(path), path)
        if image.mode == "L" and self._channels == 3:
            image = image.convert("RGB")
        elif image.mode == "RGB" and self._channels == 1:
            if not self._preprocessing.grayscale:
                raise InvalidParamError(
                    f"{path}: has colours, input '{self._tensor.name}' takes one channel",
                    hint="--preprocess grayscale",
                )
            image = image.convert("L")
        elif self._preprocessing.grayscale:
            image = image.convert("L").convert("L" if self._channels == 1 else "RGB")
        return np.asarray(image, np.uint8).reshape(self._height, self._width, self._channels)

    def _resized(self, image: Image, path: Path) -> Image:
        from PIL import ImageOps
        from PIL.Image import Resampling

        size = (self._width, self._height)
        if image.size == size:
            return image
        filters = {
            "bilinear": Resampling.BILINEAR,
            "nearest": Resampling.NEAREST,
            "bicubic": Resampling.BICUBIC,
            "area": Resampling.BOX,
        }
        method = filters[self._preprocessing.filter or "bilinear"]
        match self._preprocessing.resize:
            case "stretch":
                return image.resize(size, method)
            case "crop":
                return ImageOps.fit(image, size, method)
            case "letterbox":
                return ImageOps.pad(image, size, method, color=0 if image.mode == "L" else (0, 0, 0))
        raise InvalidParamError(
            f"{path}: has {image.width} x {image.height} pixels, input '{self._tensor.name}' {size[0]} x {size[1]}",
            hint="--preprocess resize=stretch, resize=crop or resize=letterbox",
        )


def _decoded(path: Path) -> Image:
    """An image in mode L or RGB."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise InvalidParamError(f"{path}: {image.width} x {image.height} pixels are too many")
                if image.mode in _PLAIN:
                    return image.convert(_PLAIN[image.mode])
                if image.mode in _OPAQUE:
                    return image.convert("RGBA").convert("RGB").convert(_OPAQUE[image.mode])
                raise InvalidParamError(
                    f"{path}: pixels of type {image.mode}, expected 8 bits a channel",
                    hint="convert it, or write a loader (py:MODULE:FUNCTION)",
                )
    except InvalidParamError:
        raise
    except FileNotFoundError as error:
        raise InvalidParamError(f"{path}: no such file") from error
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged files
        said = " ".join(str(error).split()).replace(f" {str(path)!r}", "") or type(error).__name__
        raise InvalidParamError(f"{path}: cannot be read as an image: {said[:200]}") from error


def _image_shape(inputs: Sequence[TensorInfo], preprocessing: Preprocessing) -> tuple[TensorInfo, int, int, int, bool]:
    """(input, height, width, channels, whether channels come first)."""
    if len(inputs) != 1:
        raise InvalidParamError(
            f"images feed a model with one input, this one has {len(inputs)}",
            hint="write a loader (py:MODULE:FUNCTION)",
        )
    (tensor,) = inputs
    shape = tensor.sample_shape
    if len(shape) == 2:
        return tensor, *shape, 1, False
    planes = preprocessing.layout == "nchw"
    if len(shape) == 3:
        if not preprocessing.layout and shape[2] not in (1, 3) and shape[0] in (1, 3):
            planes = True
        height, width, channels = (*shape[1:], shape[0]) if planes else shape
        if channels in (1, 3):
            return tensor, height, width, channels, planes
    raise InvalidParamError(
        f"input '{tensor.name}' {list(tensor.shape)} is no image",
        hint="images are [height, width, channels], with --preprocess layout=nchw [channels, height, width]",
    )


def _pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise MissingRuntimeError("Pillow is not installed", hint="pip install 'ai-runner[data]'") from error
