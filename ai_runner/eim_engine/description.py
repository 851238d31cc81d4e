"""From a .tflite file and what was said about it to the impulse that an engine serves."""

from __future__ import annotations

from math import prod
from pathlib import PurePath
from typing import Any

import numpy as np

from ai_runner.eim_engine.engine.boxes import CELL
from ai_runner.eim_engine.engine.impulse import BOXES, CLASSIFICATION, FREEFORM, Impulse
from ai_runner.eim_engine.options import MODEL_TYPES, RESIZE_MODES, SENSORS, EngineOptions
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.packed_pixels import ASSUMED_SCALE, PIXEL_SCALES, nearest_scale
from ai_runner.tflite_model import TfliteModel, TfliteTensor, output_labels

_FULL_TFLITE = 4  # the protocol's number for an engine that interprets a whole .tflite
_BLOCK = 1
_DEFAULT_THRESHOLD = 0.5
_FREQUENCIES = {"microphone": 16000.0, "camera": 0.0, "unknown": 0.0}
_OTHER_FREQUENCY = 62.5
_SLICES = 4  # of a window, in continuous classification


def describe(model: TfliteModel, options: EngineOptions) -> Impulse:
    """The impulse, without `python_path`.

    Raises:
        InvalidModelError: no engine can serve the model.
        InvalidParamError: an option is none, or does not fit the model.
    """
    _check_options(options)
    tensor = _only_input(model)
    image = _image_shape(tensor, options.sensor, model.path)
    count = prod(image[:2]) if image else prod(_shape(tensor))
    kind, grid = _kind(model, image, options)
    labels = _labels(model, kind, options)
    axes = _axis_count(count, options, model.path)
    frequency = options.frequency
    if frequency is None:
        frequency = _FREQUENCIES.get(options.sensor, _OTHER_FREQUENCY)
    interval = options.interval_ms
    if interval is None:
        interval = 1000 / frequency if frequency else 1
    parameters = {
        "input_features_count": count,
        "sensor": SENSORS[options.sensor],
        "frequency": _plain(frequency),
        "interval_ms": _plain(interval),
        "axis_count": axes,
        "image_input_width": image[1] if image else 0,
        "image_input_height": image[0] if image else 0,
        "image_input_frames": 1 if image else 0,
        "image_channel_count": image[2] if image else 0,
        "image_resize_mode": (options.resize_mode or "fit-shortest") if image else "none",
        "label_count": len(labels),
        "labels": list(labels),
        "has_anomaly": 0,
        "has_object_tracking": False,
        "has_performance_calibration": False,
        "model_type": kind,
        "slice_size": count // axes // _SLICES,
        "use_continuous_mode": options.sensor == "microphone",
        "inferencing_engine": _FULL_TFLITE,
        "thresholds": _thresholds(kind, options),
    }
    return Impulse(
        project=_project(model, options),
        model_parameters=parameters,
        engine_type=_FULL_TFLITE,
        block_id=_BLOCK,
        kind=kind,
        outputs=tuple(prod(_shape(model.tensors[i])) for i in model.outputs),
        grid=grid,
        scale=PIXEL_SCALES[options.scale or pixel_scale(tensor)] if image else None,
        stateful=any(one.is_variable for one in model.tensors),
    )


def pixel_scale(tensor: TfliteTensor) -> str:
    """The name in PIXEL_SCALES that comes nearest to the range of a quantised input; ASSUMED_SCALE for others."""
    quantization, dtype = tensor.quantization, tensor.dtype
    if quantization is None or dtype is None or quantization.per_channel:
        return ASSUMED_SCALE
    limits = np.iinfo(dtype)
    lowest, highest = (quantization.scale[0] * (end - quantization.zero_point[0]) for end in (limits.min, limits.max))
    return nearest_scale(lowest, highest)


def _check_options(options: EngineOptions) -> None:
    for word, value, known in (
        ("sensor", options.sensor, tuple(SENSORS)),
        ("model type", options.model_type, MODEL_TYPES),
        ("scale", options.scale, tuple(PIXEL_SCALES)),
        ("resize mode", options.resize_mode, RESIZE_MODES),
    ):
        if value is not None and value not in known:
            raise InvalidParamError(f"{word} {value!r} is none of {', '.join(known)}")
    if options.sensor != "camera":
        for word, given in (("scale", options.scale), ("resize mode", options.resize_mode)):
            if given is not None:
                raise InvalidParamError(f"{word} {given} belongs to the sensor camera, not {options.sensor}")
    for word, number in (("frequency", options.frequency), ("interval", options.interval_ms)):
        if number is not None and not 0 <= number < float("inf"):
            raise InvalidParamError(f"{word} {number} is no finite number from 0")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise InvalidParamError(f"threshold {options.threshold} is not in 0..1")
    for text in (options.project_name, options.project_owner, options.impulse_name, *(options.labels or ())):
        _check_text(text)


def _check_text(text: str | None) -> None:
    """Refuses what breaks clients: they count braces to find the end of a reply."""
    if text is not None and (not text or not text.isprintable() or set(text) & set("{}")):
        raise InvalidParamError(
            f"{text!r} cannot be a label or a name",
            hint="clients of the protocol count braces: use printable text without any",
        )


def _only_input(model: TfliteModel) -> TfliteTensor:
    if len(model.inputs) != 1:
        raise InvalidModelError(
            f"{model.path}: {len(model.inputs)} inputs: an engine has one window of features",
            hint="export the model with one input",
        )
    if any(operator.name == "VAR_HANDLE" for operator in model.operators):
        raise InvalidModelError(
            f"{model.path}: keeps state in resource variables, which cannot be reset between windows",
            hint="export the model without state",
        )
    for word, indices in (("input", model.inputs), ("output", model.outputs)):
        for tensor in (model.tensors[i] for i in indices):
            numeric = tensor.dtype is not None and tensor.dtype.kind in ("iuf" if word == "input" else "biuf")
            if not numeric or (tensor.quantization is not None and tensor.quantization.per_channel):
                raise InvalidModelError(
                    f"{model.path}: {word} '{tensor.name}' of type {tensor.type_name} cannot be real-valued features",
                    hint="it has to be float, or integer with at most one scale",
                )
    return model.tensors[model.inputs[0]]


def _image_shape(tensor: TfliteTensor, sensor: str, path: str) -> tuple[int, ...]:
    """Height, width and channels for cameras, else ()."""
    if sensor != "camera":
        return ()
    shape = _shape(tensor)
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
        raise InvalidModelError(
            f"{path}: input {list(shape)} is no image of a camera",
            hint="the sensor camera needs an input of shape [1, height, width, 1 or 3]",
        )
    return shape[1:]


def _kind(model: TfliteModel, image: tuple[int, ...], options: EngineOptions) -> tuple[str, tuple[int, int]]:
    shapes = [_shape(model.tensors[i]) for i in model.outputs]
    if not shapes:
        raise InvalidModelError(f"{model.path}: has no output")
    first = shapes[0]
    is_grid = bool(
        image and len(shapes) == 1 and len(first) == 4 and first[1:3] == (image[0] // CELL, image[1] // CELL)
    )
    is_vector = len(shapes) == 1 and sum(size != 1 for size in first) <= 1
    chosen = options.model_type
    if chosen is None:
        chosen = BOXES if is_grid and first[3] > 1 else CLASSIFICATION if is_vector else FREEFORM
    if chosen == FREEFORM:
        return FREEFORM, (0, 0)
    listed = ", ".join(str(list(shape)) for shape in shapes)
    if chosen == BOXES:
        if not is_grid or first[3] < 2:
            raise InvalidModelError(
                f"{model.path}: output {listed} is no grid of object scores",
                hint=f"it needs the sensor camera and shape [1, height/{CELL}, width/{CELL}, 1 + labels]",
            )
        return BOXES, (first[1], first[2])
    if not is_vector:
        raise InvalidModelError(
            f"{model.path}: output {listed} is no vector of values",
            hint="serve it as freeform",
        )
    return CLASSIFICATION, (0, 0)


def _labels(model: TfliteModel, kind: str, options: EngineOptions) -> tuple[str, ...]:
    if kind == FREEFORM:
        if options.labels:
            raise InvalidParamError("labels belong to classification and object detection, not to freeform outputs")
        return ()
    last = model.tensors[model.outputs[0]]
    count = _shape(last)[3] - 1 if kind == BOXES else prod(_shape(last))
    if options.labels is not None:
        if len(options.labels) != count:
            raise InvalidParamError(f"{len(options.labels)} labels given, the model has {count}")
        return options.labels
    if options.model_type == "regression":
        return ("value",) if count == 1 else tuple(f"value_{k}" for k in range(1, count + 1))
    carried = output_labels(model)[0]
    if kind == BOXES and len(carried) == count + 1:
        carried = carried[1:]
    if len(carried) == count and len(set(carried)) == count:
        for label in carried:
            _check_text(label)
        return carried
    return tuple(str(k) for k in range(count))


def _axis_count(count: int, options: EngineOptions, path: str) -> int:
    axes = options.axis_count
    if axes is None:
        axes = 3 if options.sensor == "accelerometer" else 1
    if axes < 1 or count % axes:
        raise InvalidParamError(f"{path}: {count} features are no whole number of samples of {axes} axes")
    return axes


def _thresholds(kind: str, options: EngineOptions) -> list[dict[str, Any]]:
    if kind != BOXES:
        if options.threshold is not None:
            raise InvalidParamError("a threshold belongs to object detection: this model has none")
        return []
    score = _DEFAULT_THRESHOLD if options.threshold is None else options.threshold
    return [{"id": _BLOCK, "type": "object_detection", "min_score": score}]


def _project(model: TfliteModel, options: EngineOptions) -> dict[str, Any]:
    name = options.project_name
    if name is None:
        name = "".join(letter for letter in PurePath(model.path).stem if letter.isprintable() and letter not in "{}")
    return {
        "id": options.project_id,
        "owner": options.project_owner,
        "name": name or "model",
        "deploy_version": options.deploy_version,
        "impulse_id": options.impulse_id,
        "impulse_name": options.impulse_name,
    }


def _shape(tensor: TfliteTensor) -> tuple[int, ...]:
    return tuple(max(1, size) for size in tensor.shape)


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number
