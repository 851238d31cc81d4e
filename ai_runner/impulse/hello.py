"""The hello reply: project, input, kind of model, engine, thresholds, shared memory.

Fields came over the years, so nearly each may be absent; what each means then is the protocol's rule. What a runtime
says is untrusted: a field of a wrong type is an InvalidMsgError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ai_runner.errors import InvalidMsgError

MAX_FEATURES = 1 << 27
MAX_LABELS = 1 << 16

_SENSORS = {1: "microphone", 2: "accelerometer", 3: "camera", 4: "positional", 5: "environmental", 6: "fusion"}
_ENGINES = {
    1: "uTensor",
    2: "TensorFlow Lite Micro or EON",
    3: "Cube.AI",
    4: "TensorFlow Lite",
    5: "TensaiFlow",
    6: "TensorRT",
    7: "DRP-AI",
    8: "TensorFlow Lite on TIDL",
    9: "Akida",
    10: "Syntiant",
    11: "ONNX on TIDL",
    12: "MemryX",
    13: "Ethos-Linux",
    14: "Aton",
    15: "CEVA NPN",
    16: "Nordic Axon",
    17: "VLM connector",
    255: "no inferencing engine",
}
_TENSOR_RT = 6
_SLOW_STARTERS = frozenset({"gpu_delegates", "qnn_delegates"})


class Anomaly(IntEnum):
    """The kinds of anomaly blocks."""

    NONE = 0
    K_MEANS = 1
    GMM = 2
    VISUAL_GMM = 3
    VISUAL_PATCHCORE = 4
    CUSTOM = 5
    VISUAL_CUSTOM = 6


_VISUAL = frozenset({Anomaly.VISUAL_GMM, Anomaly.VISUAL_PATCHCORE, Anomaly.VISUAL_CUSTOM})
_DETECTORS = frozenset({"object_detection", "constrained_object_detection"})


@dataclass(frozen=True)
class Threshold:
    """What can be tuned in one block.

    Attributes:
        id: of the block; 0 where the runtime tells a threshold without its block.
        type: ``object_detection``, ``anomaly_gmm``, ``object_tracking``, ``performance_calibration`` or another word.
        values: name -> number.
    """

    id: int
    type: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class SharedBlock:
    """A shared memory object of float32: its name, which begins with a slash, and its number of elements."""

    name: str
    elements: int


@dataclass(frozen=True)
class Hello:
    """A parsed hello reply.

    Attributes:
        project_id, project_name, owner, deploy_version, impulse_id, impulse_name: of the deployment; 0 and '' unknown.
        features: numbers of one classification (``input_features_count``).
        slice_size: numbers of one slice in continuous classification; 0 unknown.
        continuous: the model is made for continuous classification.
        sensor: number of the sensor's kind; `sensor_name` has its word.
        frequency: samples a second, Hz; 0 for images.
        interval_ms: ms between samples.
        axis_count: numbers of one sample.
        image_width, image_height, image_frames, image_channels: 0 when the input is no image; 1 channel is grayscale.
        resize_mode: ``none``, ``fit-shortest``, ``fit-longest``, ``squash``.
        labels: in the model's order.
        model_type: ``classification`` (regression too), ``object_detection``, ``constrained_object_detection``,
            ``freeform`` or another word.
        anomaly: number of the anomaly block's kind; see `Anomaly`.
        has_object_tracking, has_performance_calibration: blocks behind the network.
        engine: number of the inferencing engine; `engine_name` has its word.
        engine_properties: words on it, such as ``gpu_delegates``.
        thresholds: of the blocks that can be tuned.
        features_shm, freeform_shm: shared memory for features and freeform outputs; None and () without.
        features_shm_error: why there is none.
    """

    project_id: int = 0
    project_name: str = ""
    owner: str = ""
    deploy_version: int = 0
    impulse_id: int = 0
    impulse_name: str = ""
    features: int = 1
    slice_size: int = 0
    continuous: bool = False
    sensor: int = 255
    frequency: float = 0.0
    interval_ms: float = 0.0
    axis_count: int = 1
    image_width: int = 0
    image_height: int = 0
    image_frames: int = 0
    image_channels: int = 0
    resize_mode: str = "squash"
    labels: tuple[str, ...] = ()
    model_type: str = "classification"
    anomaly: int = Anomaly.NONE
    has_object_tracking: bool = False
    has_performance_calibration: bool = False
    engine: int = 255
    engine_properties: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    features_shm: SharedBlock | None = None
    freeform_shm: tuple[SharedBlock, ...] = field(default=())
    features_shm_error: str = ""

    @property
    def sensor_name(self) -> str:
        """``microphone``, ``camera``, ...; ``unknown``."""
        return _SENSORS.get(self.sensor, "unknown")

    @property
    def engine_name(self) -> str:
        """``TensorFlow Lite Micro or EON``, ...; ``engine 99`` for a number without a word."""
        return _ENGINES.get(self.engine, f"engine {self.engine}")

    @property
    def is_detector(self) -> bool:
        """True when replies are bounding boxes."""
        return self.model_type in _DETECTORS

    @property
    def is_freeform(self) -> bool:
        """True when replies are bare tensors."""
        return self.model_type == "freeform"

    @property
    def is_visual_anomaly(self) -> bool:
        """True when replies have a grid of anomaly scores."""
        return self.anomaly in _VISUAL

    @property
    def starts_slowly(self) -> bool:
        """True for engines that set up a GPU or NPU in their first classification, which can take minutes."""
        return self.engine == _TENSOR_RT or not _SLOW_STARTERS.isdisjoint(self.engine_properties)


def parse_hello(reply: Mapping[str, Any]) -> Hello:
    """Reads a hello reply, with or without `id` and `success`.

    Raises:
        InvalidMsgError: a field is of a wrong type, or the number of features is missing or impossible.
    """
    project, parameters = _object(reply, "project"), _object(reply, "model_parameters")
    engine = _object(reply, "inferencing_engine")
    features = _integer(parameters, "input_features_count", 0)
    if not 0 < features <= MAX_FEATURES:
        raise InvalidMsgError(f"hello: input_features_count={features} is not possible")
    width, height = _integer(parameters, "image_input_width", 0), _integer(parameters, "image_input_height", 0)
    return Hello(
        project_id=_integer(project, "id", 0),
        project_name=_text(project, "name", ""),
        owner=_text(project, "owner", ""),
        deploy_version=_integer(project, "deploy_version", 0),
        impulse_id=_integer(project, "impulse_id", 0),
        impulse_name=_text(project, "impulse_name", ""),
        features=features,
        slice_size=_integer(parameters, "slice_size", 0),
        continuous=_boolean(parameters, "use_continuous_mode"),
        sensor=_integer(parameters, "sensor", 255),
        frequency=_number(parameters, "frequency", 0.0),
        interval_ms=_number(parameters, "interval_ms", 0.0),
        axis_count=_integer(parameters, "axis_count", 1),
        image_width=width,
        image_height=height,
        image_frames=_integer(parameters, "image_input_frames", 1 if width and height else 0),
        image_channels=_integer(parameters, "image_channel_count", 0),
        resize_mode=_text(parameters, "image_resize_mode", "squash"),
        labels=_labels(parameters),
        model_type=_text(parameters, "model_type", "classification"),
        anomaly=_integer(parameters, "has_anomaly", Anomaly.NONE),
        has_object_tracking=_boolean(parameters, "has_object_tracking"),
        has_performance_calibration=_boolean(parameters, "has_performance_calibration"),
        engine=_integer(engine, "engine_type", _integer(parameters, "inferencing_engine", 255)),
        engine_properties=tuple(_texts(engine, "properties")),
        thresholds=tuple(_thresholds(parameters)),
        features_shm=_features_block(reply),
        freeform_shm=_freeform_blocks(reply),
        features_shm_error=_text(reply, "features_shm_error", ""),
    )


def with_threshold(reply: Mapping[str, Any], threshold: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a hello reply in which the values of one block are those of a set_threshold request that succeeded.

    A value whose name no entry of the block has goes into its first one.
    """
    parameters = dict(_object(reply, "model_parameters"))
    entries = [dict(entry) for entry in _objects(parameters, "thresholds")]
    own = [entry for entry in entries if entry.get("id") == threshold.get("id")]
    for name, value in threshold.items():
        if name not in ("id", "type") and own:
            for entry in [entry for entry in own if name in entry] or own[:1]:
                entry[name] = value
    if "thresholds" in parameters:
        parameters["thresholds"] = entries
    return {**reply, "model_parameters": parameters}


def _thresholds(parameters: Mapping[str, Any]) -> Iterator[Threshold]:
    entries = _objects(parameters, "thresholds")
    for entry in entries:
        values = {key: _number(entry, key, math.nan) for key in entry if key not in ("id", "type")}
        yield Threshold(_integer(entry, "id", 0), _text(entry, "type", ""), values)
    if not entries and parameters.get("threshold") is not None:
        yield Threshold(0, "object_detection", {"min_score": _number(parameters, "threshold", math.nan)})


def _labels(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    labels = tuple(_texts(parameters, "labels"))
    if len(labels) > MAX_LABELS:
        raise InvalidMsgError(f"hello: {len(labels)} labels are more than a model has")
    return labels


def _features_block(reply: Mapping[str, Any]) -> SharedBlock | None:
    return _block(_object(reply, "features_shm")) if reply.get("features_shm") else None


def _freeform_blocks(reply: Mapping[str, Any]) -> tuple[SharedBlock, ...]:
    entries = _objects(reply, "freeform_output_shm")
    order = sorted(range(len(entries)), key=lambda k: _integer(entries[k], "index", k))
    return tuple(_block(entries[k]) for k in order)


def _block(described: Mapping[str, Any]) -> SharedBlock:
    elements = _integer(described, "elements", 0)
    kind = _text(described, "type", "float32")
    if kind != "float32" or not 0 < elements <= MAX_FEATURES:
        raise InvalidMsgError(f"hello: shared memory of {elements} elements of type {kind[:40]!r}")
    return SharedBlock(_text(described, "name", ""), elements)


# -- fields of a JSON object, each with what stands for an absent one or null ------------------------------------------


def _object(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(key, value, "an object")
    return value


def _objects(fields: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    values = fields.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
        raise _wrong(key, values, "a list of objects")
    return values


def _integer(fields: Mapping[str, Any], key: str, default: int) -> int:
    value = fields.get(key)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise _wrong(key, value, "an integer")
    return int(value)


def _number(fields: Mapping[str, Any], key: str, default: float) -> float:
    value = fields.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or abs(value) > 1e300:
        raise _wrong(key, value, "a number")
    return float(value)


def _boolean(fields: Mapping[str, Any], key: str) -> bool:
    value = fields.get(key)
    if value is not None and not isinstance(value, bool | int):
        raise _wrong(key, value, "true or false")
    return bool(value)


def _text(fields: Mapping[str, Any], key: str, default: str) -> str:
    value = fields.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _wrong(key, value, "a text")
    return value


def _texts(fields: Mapping[str, Any], key: str) -> list[str]:
    values = fields.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _wrong(key, values, "a list of texts")
    return values


def _wrong(key: str, value: object, what: str) -> InvalidMsgError:
    return InvalidMsgError(f"hello: {key} is {str(value)[:40]!r}, not {what}")
