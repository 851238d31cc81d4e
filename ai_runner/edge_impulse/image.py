"""ImageImpulseRunner: an impulse with pictures as input, with the names of Edge Impulse's Linux SDK."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ai_runner.edge_impulse.image_features import (
    Features,
    Picture,
    get_features_from_image_cropped,
    get_features_from_image_with_studio_mode,
    resize_image,
    resize_with_letterbox,
)
from ai_runner.edge_impulse.placement import place
from ai_runner.edge_impulse.runner import ImpulseRunner, Reply
from ai_runner.edge_impulse.video import frames, open_capture
from ai_runner.errors import NotInitializedMsgError
from ai_runner.impulse.hello import MAX_FEATURES, Hello

__all__ = [
    "ImageImpulseRunner",
    "get_features_from_image_with_studio_mode",
    "resize_image",
    "resize_with_letterbox",
]

_NOT_REPORTED = "not-reported"  # by engines before September 2024


class ImageImpulseRunner(ImpulseRunner):
    """An impulse with pictures as input; arguments as for `ImpulseRunner`.

    Attributes, which `init` fills in:
        dim: (width, height) of the input.
        labels: in the model's order.
        isGrayscale: the model sees grey pictures.
        resizeMode: of Studio; ``not-reported`` counts as ``squash``.
        closed: False from the start to the stop; set it to True to end `get_frames` and `classifier`.
        videoCapture: the ``cv2.VideoCapture`` that they read.
    """

    def __init__(self, model_path: str | Path, *arguments: Any, **keywords: Any) -> None:
        super().__init__(model_path, *arguments, **keywords)
        self.closed = True
        self.labels: list[str] = []
        self.dim = (0, 0)
        self.videoCapture: Any = None
        self.isGrayscale = False
        self.resizeMode = ""

    def _describe(self, parameters: Hello) -> None:
        width, height = parameters.image_width, parameters.image_height
        if min(width, height) <= 0 or width * height > MAX_FEATURES:
            raise self._unsuitable("image recognition")
        self.dim = (width, height)
        self.labels = list(parameters.labels)
        self.isGrayscale = parameters.image_channels == 1
        self.resizeMode = self.get_model_parameters().get("image_resize_mode") or _NOT_REPORTED
        self.closed = False

    def stop(self) -> None:
        """As for `ImpulseRunner`; also ends what reads a camera or video."""
        self.closed = True
        capture = getattr(self, "videoCapture", None)
        if capture is not None:
            capture.release()
        super().stop()

    # -- frames --------------------------------------------------------------------------------------------------------

    def get_frames(self, videoDeviceId: int | str | Path = 0) -> Iterator[Picture]:  # noqa: N803
        """RGB pictures uint8 (height, width, 3), until the video ends or `closed` is set.

        Args:
            videoDeviceId: number of a camera, a video file, a device or a URL.

        Raises:
            InvalidParamError, HwIOError, LinkLostError, MissingRuntimeError: as in `ai_runner.edge_impulse.video`.
        """
        self.videoCapture = open_capture(videoDeviceId)
        yield from frames(self.videoCapture, videoDeviceId, lambda: not self.closed)

    def classifier(
        self,
        videoDeviceId: int | str | Path = 0,  # noqa: N803
        *,
        studio_settings: bool = False,
    ) -> Iterator[tuple[Reply, Picture]]:
        """``(reply, the picture it is of)`` for each frame.

        Args:
            videoDeviceId: as for `get_frames`.
            studio_settings: resize as Studio does for this model; else the frame's centre is taken, as the SDK does.

        Raises:
            as `get_frames` and `classify`.
        """
        for frame in self.get_frames(videoDeviceId):
            if studio_settings:
                features, cropped = self.get_features_from_image_auto_studio_settings(frame)
            else:
                features, cropped = self.get_features_from_image(frame)
            yield self.classify(features), cropped

    # -- features ------------------------------------------------------------------------------------------------------

    def get_features_from_image_auto_studio_settings(self, img: Picture) -> tuple[Features, Picture]:
        """The features of an RGB picture, resized as Studio does for this model.

        Returns:
            features float32 (width * height,), and the picture that they are of; see
            `get_features_from_image_with_studio_mode`.

        Raises:
            NotInitializedMsgError: before init.
            InvalidParamError: `img` is no picture, or the model does not resize and it has another size.
        """
        return get_features_from_image_with_studio_mode(img, self._studio_mode(), *self.dim, self.isGrayscale)

    def get_features_from_image(
        self, img: Picture, crop_direction_x: str = "center", crop_direction_y: str = "center"
    ) -> tuple[Features, Picture]:
        """The features of an RGB picture that was resized to cover the input and cropped, whatever the model's mode.

        The SDK keeps it for older scripts; `get_features_from_image_auto_studio_settings` gives what Studio trains on.

        Args:
            img: uint8 (height, width, 3).
            crop_direction_x: ``left``, ``center`` or ``right``.
            crop_direction_y: ``top``, ``center`` or ``bottom``.

        Returns, raises:
            as above.
        """
        self._studio_mode()
        return get_features_from_image_cropped(img, self.dim, self.isGrayscale, crop_direction_x, crop_direction_y)

    def boxes_in_picture(self, boxes: Iterable[Mapping[str, Any]], img: Picture) -> list[dict[str, Any]]:
        """Boxes of a reply in pixels of the original picture, for features made with Studio's settings.

        Args:
            boxes: ``bounding_boxes``, ``object_tracking`` or ``visual_anomaly_grid`` of a result.
            img: the picture before it was resized.
        """
        placement = place(self._studio_mode(), (img.shape[1], img.shape[0]), self.dim)
        return [placement.to_picture(box) for box in boxes]

    def _studio_mode(self) -> str:
        if self.resizeMode == "":
            raise NotInitializedMsgError(
                f"{self._model_path}: the size of its pictures is not known yet", hint="call init() first"
            )
        if self.resizeMode == _NOT_REPORTED:
            self.resizeMode = "squash"
        return self.resizeMode
