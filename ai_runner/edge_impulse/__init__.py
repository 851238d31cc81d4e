"""Edge Impulse for people who know its own tools: the classes of the Linux SDK, data to Studio, libraries from it.

The names of the SDK's package `edge_impulse_linux` are here, and in modules `runner`, `image` and `audio` as there;
each is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_runner.edge_impulse.audio import AudioImpulseRunner, Microphone
    from ai_runner.edge_impulse.image import (
        ImageImpulseRunner,
        get_features_from_image_with_studio_mode,
        resize_image,
        resize_with_letterbox,
    )
    from ai_runner.edge_impulse.runner import ImpulseRunner
    from ai_runner.edge_impulse.visual_anomaly import normalize_visual_anomaly
    from ai_runner.edge_impulse.wav_file import WavFile

_MODULE_OF = {
    "AudioImpulseRunner": "audio",
    "ImageImpulseRunner": "image",
    "ImpulseRunner": "runner",
    "Microphone": "audio",
    "WavFile": "wav_file",
    "get_features_from_image_with_studio_mode": "image",
    "normalize_visual_anomaly": "visual_anomaly",
    "resize_image": "image",
    "resize_with_letterbox": "image",
}
_MODULES = ("audio", "image", "runner")

__all__ = [
    "AudioImpulseRunner",
    "ImageImpulseRunner",
    "ImpulseRunner",
    "Microphone",
    "WavFile",
    "get_features_from_image_with_studio_mode",
    "normalize_visual_anomaly",
    "resize_image",
    "resize_with_letterbox",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
