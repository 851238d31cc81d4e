"""Frames of a camera, a video file or a stream, as RGB pictures; OpenCV reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ai_runner.edge_impulse.image_features import Picture
from ai_runner.edge_impulse.opencv import require_opencv
from ai_runner.errors import AiRunnerError, HwIOError, InvalidParamError, LinkLostError

_logger = logging.getLogger("ai_runner.edge_impulse")


def open_capture(source: int | str | Path) -> Any:
    """An open ``cv2.VideoCapture``.

    Args:
        source: number of a camera, or what OpenCV takes: a video file, a device, a URL.

    Raises:
        InvalidParamError: there is no such file, or it is no video.
        HwIOError: the camera or stream cannot be opened.
        MissingRuntimeError: OpenCV is not installed.
    """
    cv2 = require_opencv("reading cameras and videos")
    where = str(source) if isinstance(source, Path) else source
    capture = cv2.VideoCapture(where)
    if not capture.isOpened():
        capture.release()
        raise _cannot_open(source)
    return capture


def frames(capture: Any, source: int | str | Path, wanted: Callable[[], bool]) -> Iterator[Picture]:
    """The frames of an open capture, uint8 RGB (height, width, 3), and its release at the end.

    Ends with the video, or when `wanted` says False.

    Raises:
        LinkLostError: a camera gives no frame any more.
    """
    cv2 = require_opencv("reading cameras and videos")
    try:
        while wanted():
            success, picture = capture.read()
            if not success:
                if _is_camera(source):
                    raise LinkLostError(f"{_name(source)}: no frame", hint="is it unplugged, or in use elsewhere?")
                return
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _is_camera(source: int | str | Path) -> bool:
    return isinstance(source, int) or str(source).startswith("/dev/")


def _name(source: int | str | Path) -> str:
    return f"camera {source}" if _is_camera(source) else str(source)


def _cannot_open(source: int | str | Path) -> AiRunnerError:
    if _is_camera(source):
        return HwIOError(
            f"{_name(source)}: cannot be opened",
            hint="is it plugged in, free, and may this program use it? A video file works as well",
        )
    if "://" in str(source):
        return HwIOError(f"{source}: the stream cannot be opened", retryable=True)
    if not Path(str(source)).is_file():
        return InvalidParamError(f"{source}: no such file", hint="a number is a camera, a path a video file")
    return InvalidParamError(f"{source}: is no video that OpenCV can read")
