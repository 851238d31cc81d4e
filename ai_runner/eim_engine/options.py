"""What may be said about a model when its engine is built."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

SENSORS = MappingProxyType(
    {
        "microphone": 1,
        "accelerometer": 2,
        "camera": 3,
        "positional": 4,
        "environmental": 5,
        "fusion": 6,
        "unknown": 255,
    }
)
"""Names of sensors and their numbers in the protocol."""

MODEL_TYPES = ("classification", "regression", "constrained_object_detection", "freeform")
"""What a model's outputs can be served as; the hello reply calls regression classification, as Studio's engines do."""

RESIZE_MODES = ("fit-shortest", "fit-longest", "squash", "none")


@dataclass(frozen=True)
class EngineOptions:
    """Facts that a .tflite file does not have; None takes what fits the model.

    Attributes:
        sensor: one of SENSORS.
        model_type: one of MODEL_TYPES. Default: by the outputs: a grid of an eighth of a camera's image is
            constrained_object_detection, a vector classification, everything else freeform.
        labels: of the classes, in the model's order. Default: those that the file carries, else "0", "1", ...
        scale: one of PIXEL_SCALES, for cameras. Default: the one nearest to the range of a quantised input, else 0..1.
        frequency: of samples, Hz. Default: 16000 for microphones, 62.5 for other sensors, 0 for cameras and unknown.
        interval_ms: between samples. Default: 1000 / frequency, and 1 where that is 0.
        axis_count: values of one sample. Default: 3 for accelerometers, else 1.
        resize_mode: one of RESIZE_MODES, for cameras: what clients do to images. Default: fit-shortest.
        threshold: smallest score of a box.
        project_id, project_name, project_owner, impulse_id, impulse_name, deploy_version: what the hello reply says
            of the project. Default of project_name: the model's file name.
        interpreter: Python that runs the engine. Default: the one that builds it, with its packages.
    """

    sensor: str = "unknown"
    model_type: str | None = None
    labels: tuple[str, ...] | None = None
    scale: str | None = None
    frequency: float | None = None
    interval_ms: float | None = None
    axis_count: int | None = None
    resize_mode: str | None = None
    threshold: float | None = None
    project_id: int = 0
    project_name: str | None = None
    project_owner: str = "ai-runner"
    impulse_id: int = 1
    impulse_name: str = "Impulse #1"
    deploy_version: int = 1
    interpreter: str | None = None
