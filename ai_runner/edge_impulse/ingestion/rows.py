"""Arrays of inputs as samples: every row becomes a document, or an image, with its label and a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.edge_impulse.ingestion.document import Encoding, Recording, Sensor, signed
from ai_runner.edge_impulse.ingestion.sample import Sample, sample_of_bytes
from ai_runner.edge_impulse.secret import Secret
from ai_runner.errors import InvalidParamError

Arrays = Mapping[str, npt.NDArray[Any]]

INPUT_NAMES = ("inputs", "m_inputs_1")
MAX_ROWS = 1_000_000
_IMAGE_KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg"}


@dataclass(frozen=True)
class RowSettings:
    """What the arrays leave open; what is given here wins over what they say.

    Attributes:
        category: training, testing, anomaly or split.
        interval_ms: ms from one value of a sensor to the next.
        sensors: names of the sensors, ``name`` or ``name:units``.
        class_names: of integer labels, by number; without them the number is the label.
        label: of every row.
        reason: of every row that has none of its own.
        metadata: of every row.
        indices: the rows that are sent; None for all.
    """

    category: str = "training"
    interval_ms: float | None = None
    sensors: Sequence[str] = ()
    class_names: Sequence[str] = ()
    label: str | None = None
    reason: str = ""
    metadata: Mapping[str, str] | None = None
    indices: Sequence[int] | None = None


def samples_of_rows(
    arrays: Arrays,
    where: str,
    name: str,
    settings: RowSettings | None = None,
    *,
    encoding: Encoding = "json",
    hmac_key: Secret | None = None,
    iat: int | None = None,
) -> list[Sample]:
    """One sample a row of the inputs.

    Args:
        arrays: ``inputs`` (or ``m_inputs_1``) ``(n, ...)`` of finite numbers, in which the values of the sensors of
            one point in time stand together; optional ``labels (n,)`` of text or integers, ``reasons (n,)`` of text,
            ``interval_ms ()`` or ``(1,)``, ``sensors (k,)`` of text ``name`` or ``name:units``. Where there are
            ``images``, uint8, PNG and JPEG files one after the other, and ``image_ends (n,)``, these are sent instead.
        where: what messages call them, a file for instance.
        name: the samples are called ``name.0``, ``name.1``, ...: the label is not taken from it.
        settings: the rest.
        encoding: of the documents.
        hmac_key: signs them.
        iat: when they were made, s since 1970.

    Raises:
        InvalidParamError: arrays that are missing, do not fit one another or hold what cannot be sent.
    """
    settings = settings or RowSettings()
    inputs = _inputs(arrays, where)
    labels = _labels(arrays, len(inputs), settings, where)
    reasons = _texts(arrays, "reasons", len(inputs), where) or [settings.reason] * len(inputs)
    images = _images(arrays, len(inputs), where)
    sensors = [] if images else _sensors(arrays, inputs.shape[1:], settings, where)
    interval = 0.0 if images else _interval(arrays, settings, where)
    rows = range(len(inputs)) if settings.indices is None else settings.indices
    samples = []
    for i in rows:
        if not 0 <= i < len(inputs):
            raise InvalidParamError(f"{where}: there is no row {i}, there are {len(inputs)}")
        values: int | None = None
        if images:
            content, kind = images[i]
        else:
            row = np.asarray(inputs[i]).reshape(-1, len(sensors))
            if not np.isfinite(row).all():
                raise InvalidParamError(f"{where}: row {i} of the inputs holds NaN or an infinity")
            payload = Recording(row, sensors, interval).payload()
            content, kind, values = signed(payload, hmac_key, encoding=encoding, iat=iat), str(encoding), len(row)
        reason = reasons[i] or settings.reason
        metadata = {**(settings.metadata or {}), **({"reason": reason} if reason else {})}
        samples.append(
            sample_of_bytes(
                f"{name}.{i}.{kind}",
                content,
                category=settings.category,
                label=labels[i],
                metadata=metadata,
                values=values,
            )
        )
    return samples


def _inputs(arrays: Arrays, where: str) -> npt.NDArray[Any]:
    if "m_inputs_2" in arrays and "inputs" not in arrays:
        raise InvalidParamError(
            f"{where}: holds the inputs of a model that has several; a sample has one",
            hint="save the one to be sent as 'inputs'",
        )
    name = next((name for name in INPUT_NAMES if name in arrays), None)
    if name is None:
        raise InvalidParamError(f"{where}: no array 'inputs' or 'm_inputs_1'", hint=f"there are {', '.join(arrays)}")
    inputs = arrays[name]
    if inputs.ndim < 2 or inputs.dtype.kind not in "iuf" or inputs.size == 0:
        raise InvalidParamError(
            f"{where}: '{name}' is {inputs.dtype.name}{list(inputs.shape)}, expected numbers [samples, ...]"
        )
    if len(inputs) > MAX_ROWS:
        raise InvalidParamError(f"{where}: {len(inputs):,} rows, at most {MAX_ROWS:,} are taken")
    return inputs


def _images(arrays: Arrays, rows: int, where: str) -> list[tuple[bytes, str]]:
    """Content and extension of the image of every row; none where there are no images."""
    if "images" not in arrays:
        return []
    joined, ends = arrays["images"], arrays.get("image_ends", np.empty(0))
    _check_length(ends, "image_ends", rows, where)
    if joined.dtype != np.uint8 or joined.ndim != 1 or ends.dtype.kind not in "iu" or int(ends[-1]) != len(joined):
        raise InvalidParamError(f"{where}: 'images' and 'image_ends' do not fit", hint="see docs/ingestion.md")
    images = []
    for i, (begin, end) in enumerate(pairwise([0, *ends.tolist()])):
        content = joined[begin:end].tobytes() if 0 <= begin < end else b""
        kind = next((kind for magic, kind in _IMAGE_KINDS.items() if content.startswith(magic)), None)
        if kind is None:
            raise InvalidParamError(f"{where}: image {i} is neither PNG nor JPEG")
        images.append((content, kind))
    return images


def _labels(arrays: Arrays, rows: int, settings: RowSettings, where: str) -> list[str]:
    if settings.label is not None:
        return [settings.label] * rows
    labels = arrays.get("labels")
    if labels is None:
        return [""] * rows
    if labels.dtype.kind not in "iu":
        return _texts(arrays, "labels", rows, where)
    _check_length(labels, "labels", rows, where)
    numbers = [int(label) for label in labels]
    if not settings.class_names:
        return [str(number) for number in numbers]
    for i, number in enumerate(numbers):
        if not 0 <= number < len(settings.class_names):
            raise InvalidParamError(f"{where}: labels[{i}] is {number}, there are {len(settings.class_names)} classes")
    return [settings.class_names[number] for number in numbers]


def _texts(arrays: Arrays, name: str, rows: int, where: str) -> list[str]:
    texts = arrays.get(name)
    if texts is None:
        return []
    if texts.dtype.kind != "U":
        raise InvalidParamError(f"{where}: '{name}' is {texts.dtype.name}, expected text")
    _check_length(texts, name, rows, where)
    return [str(text) for text in texts]


def _check_length(array: npt.NDArray[Any], name: str, rows: int, where: str) -> None:
    if array.shape != (rows,):
        raise InvalidParamError(f"{where}: '{name}' has shape {list(array.shape)}, expected [{rows}], one a row")


def _sensors(arrays: Arrays, shape: tuple[int, ...], settings: RowSettings, where: str) -> list[Sensor]:
    names = list(settings.sensors)
    if not names and "sensors" in arrays:
        names = _texts(arrays, "sensors", arrays["sensors"].size, where)
    if not names:
        columns = shape[-1] if len(shape) == 2 else 1
        names = ["value"] if columns == 1 else [f"value_{k}" for k in range(columns)]
    size = prod(shape)
    if size % len(names):
        raise InvalidParamError(f"{where}: a row has {size} numbers, which {len(names)} sensors do not share evenly")
    pairs = [name.partition(":") for name in names]
    return [Sensor(sensor, units) for sensor, _, units in pairs]


def _interval(arrays: Arrays, settings: RowSettings, where: str) -> float:
    if settings.interval_ms is not None:
        interval = settings.interval_ms
    elif "interval_ms" in arrays:
        array = arrays["interval_ms"]
        if array.size != 1 or array.dtype.kind not in "iuf":
            raise InvalidParamError(
                f"{where}: 'interval_ms' is {array.dtype.name}{list(array.shape)}, expected a number"
            )
        interval = float(array.reshape(-1)[0])
    else:
        raise InvalidParamError(
            f"{where}: how many milliseconds are there from one value to the next?",
            hint="--interval-ms, or an array 'interval_ms' in the file",
        )
    if not 0 <= interval < float("inf"):
        raise InvalidParamError(f"{where}: interval_ms is {interval}")
    return int(interval) if float(interval).is_integer() else interval
