"""OpenCV where it is installed (the extra `vision`): preprocessing goes without it, cameras and video files do not."""

from __future__ import annotations

from typing import Any

from ai_runner.errors import MissingRuntimeError


def find_opencv() -> Any | None:
    """The module cv2, or None."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def require_opencv(purpose: str) -> Any:
    """The module cv2; raises MissingRuntimeError that names what it was needed for."""
    cv2 = find_opencv()
    if cv2 is None:
        raise MissingRuntimeError(f"{purpose} needs OpenCV", hint="pip install 'ai-runner[vision]'")
    return cv2
