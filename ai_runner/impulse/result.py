"""Replies to a classification as arrays: what a model of each kind has as outputs, and how a reply fills them.

=================================  =============================================================================
model                              outputs, shapes of one sample
=================================  =============================================================================
classification, regression         ``classification`` float32 (labels,), in the order of the labels
detectors                          ``bounding_boxes`` `BOX` (MAX_BOXES,), ``bounding_boxes_count`` int32 (1,)
\\+ object tracking                 ``object_tracking`` `TRACE` (MAX_BOXES,), ``object_tracking_count`` int32 (1,)
visual anomaly                     ``visual_anomaly_grid`` `BOX` (MAX_BOXES,), ``visual_anomaly_grid_count`` int32 (1,),
                                   ``visual_anomaly_max``, ``visual_anomaly_mean`` float32 (1,)
any anomaly block                  ``anomaly`` float32 (1,)
freeform                           ``freeform_0``, ``freeform_1``, ... float32 (elements,)
=================================  =============================================================================

A number that is null, or a field that a reply leaves out while it has others, is NaN; a list left out has count 0.
A count is that of the reply, also where it is larger than MAX_BOXES and the rest is dropped.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidMsgError
from ai_runner.impulse.hello import Anomaly, Hello
from ai_runner.model import TensorInfo, TensorRole

Array = npt.NDArray[Any]

MAX_BOXES = 1024
# Pixels of the model's input, from the top left corner. label: index into the labels, -1 for another word.
_PLACE = [("label", "i4"), ("value", "f4"), ("x", "i4"), ("y", "i4"), ("width", "i4"), ("height", "i4")]
BOX = np.dtype(_PLACE)
TRACE = np.dtype([*_PLACE, ("object_id", "i4")])

_NUMBERS = frozenset({int, float, type(None)})
_NULL = -1  # of an integer
_I4 = range(-(1 << 31), 1 << 31)
_SHOWN = 60


def output_tensors(hello: Hello, freeform_sizes: Sequence[int] = ()) -> tuple[TensorInfo, ...]:
    """The outputs of a model, in the order of `ResultReader`; at least one.

    Args:
        hello: of the model.
        freeform_sizes: elements of each output of a freeform model, where the hello does not have them.

    Raises:
        InvalidMsgError: the hello promises nothing that could be an output.
    """
    tensors: list[tuple[str, int, np.dtype[Any], tuple[str, ...]]] = []
    f4, i4 = np.dtype(np.float32), np.dtype(np.int32)
    if hello.is_freeform:
        sizes = freeform_sizes or [block.elements for block in hello.freeform_shm]
        tensors += [(f"freeform_{k}", size, f4, ()) for k, size in enumerate(sizes)]
    elif hello.is_detector:
        tensors += [("bounding_boxes", MAX_BOXES, BOX, hello.labels), ("bounding_boxes_count", 1, i4, ())]
        if hello.has_object_tracking:
            tensors += [("object_tracking", MAX_BOXES, TRACE, hello.labels), ("object_tracking_count", 1, i4, ())]
    elif hello.labels:
        tensors.append(("classification", len(hello.labels), f4, hello.labels))
    if hello.is_visual_anomaly:
        tensors += [("visual_anomaly_grid", MAX_BOXES, BOX, hello.labels), ("visual_anomaly_grid_count", 1, i4, ())]
        tensors += [("visual_anomaly_max", 1, f4, ()), ("visual_anomaly_mean", 1, f4, ())]
    if hello.anomaly != Anomaly.NONE:
        tensors.append(("anomaly", 1, f4, ()))
    if not tensors:
        raise InvalidMsgError(f"hello: a model of type {hello.model_type[:40]!r} without labels has no output")
    return tuple(
        TensorInfo(name, (1, size), dtype, role=TensorRole.OUTPUT, tag=f"O.{k}", labels=labels)
        for k, (name, size, dtype, labels) in enumerate(tensors)
    )


class ResultReader:
    """Fills the outputs of one model from its replies.

    Args:
        tensors: as `output_tensors` gave them.
    """

    def __init__(self, tensors: Sequence[TensorInfo]) -> None:
        self._tensors = tuple(tensors)
        self._fields = frozenset(_field(tensor.name) for tensor in tensors)
        self._writers = [_writer(tensor) for tensor in tensors]

    def empty(self, batch: int) -> tuple[Array, ...]:
        """Zeroed arrays, ``(batch,) + sample_shape``, one an output."""
        return tuple([np.zeros((batch, *tensor.sample_shape), tensor.dtype) for tensor in self._tensors])

    def read(self, result: Mapping[str, Any], outputs: Sequence[Array], row: int) -> None:
        """Writes the ``result`` object of a reply into row `row` of `outputs`.

        Raises:
            InvalidMsgError: nothing that the hello promised is in it, or a value is of a wrong type or size.
        """
        nested = result.get("visual_anomaly")
        if nested is not None and isinstance(nested, Mapping):
            result = {**result, **nested}
        if self._fields.isdisjoint(result) and not ("bounding_boxes" in self._fields and "classification" in result):
            raise InvalidMsgError(
                f"a reply has {repr(list(result))[:_SHOWN]}, and not {self._promised()}",
                hint="the engine's hello describes another kind of model than its replies are of",
            )
        for write, output in zip(self._writers, outputs, strict=True):
            write(result, output[row])

    def _promised(self) -> str:
        return " or ".join(sorted(self._fields))


def _field(name: str) -> str:
    return "freeform" if name.startswith("freeform_") else name.removesuffix("_count")


def _writer(tensor: TensorInfo) -> Callable[[Mapping[str, Any], Array], None]:
    name, labels = tensor.name, tensor.labels
    if name == "classification":
        return partial(_write_classes, labels)
    if name.endswith("_count"):
        return lambda result, row: row.fill(len(_entries(result, _field(name))))
    if name.startswith("freeform_"):
        index = int(name.removeprefix("freeform_"))
        return lambda result, row: _write_freeform(result, index, row)
    if tensor.dtype in (BOX, TRACE):
        numbers = {label: k for k, label in reversed(list(enumerate(labels)))}
        return lambda result, row: _write_boxes(result, name, numbers, row)
    return lambda result, row: row.fill(_floats(name, [result.get(name)])[0])


def _write_classes(labels: tuple[str, ...], result: Mapping[str, Any], row: Array) -> None:
    classes = result.get("classification")
    if classes is None:
        row.fill(np.nan)
        return
    try:
        values = [classes[label] for label in labels]
    except (KeyError, TypeError, IndexError):
        raise InvalidMsgError(f"a reply has no value for every label: {repr(classes)[:_SHOWN]}") from None
    row.data[:] = _floats("classification", values)


def _write_freeform(result: Mapping[str, Any], index: int, row: Array) -> None:
    tensors = result.get("freeform")
    if not isinstance(tensors, list) or index >= len(tensors):
        raise InvalidMsgError(f"a reply has no freeform output {index}: {repr(tensors)[:_SHOWN]}")
    values = tensors[index]
    if not isinstance(values, list | np.ndarray) or len(values) != len(row):
        raise InvalidMsgError(f"freeform output {index} of a reply has not {len(row)} values")
    if isinstance(values, np.ndarray):
        row[:] = values
    else:
        row.data[:] = _floats(f"freeform output {index}", values)


def _floats(name: str, values: list[Any]) -> array[float]:
    """`values` as float32; what that cannot hold becomes infinite, and unlike in numpy without a warning."""
    if not _NUMBERS.issuperset(map(type, values)):
        wrong = next(value for value in values if type(value) not in _NUMBERS)
        raise InvalidMsgError(f"{name}: a reply has {repr(wrong)[:_SHOWN]}, not a number")
    try:
        return array("f", values if None not in values else [math.nan if v is None else v for v in values])
    except OverflowError:
        raise InvalidMsgError(f"{name}: a reply has a number that is too large") from None


def _write_boxes(result: Mapping[str, Any], name: str, numbers: Mapping[str, int], row: Array) -> None:
    fields = row.dtype.names or ()
    boxes = []
    for entry in _entries(result, name)[: len(row)]:
        label, value = entry.get("label"), entry.get("value")
        (score,) = _floats(name, [value])
        known = numbers.get(label, _NULL) if isinstance(label, str) else _NULL
        boxes.append((known, score, *(_coordinate(name, entry, key) for key in fields[2:])))
    row[: len(boxes)] = boxes


def _coordinate(name: str, entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    if value is None:
        return _NULL
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or value not in _I4:
        raise InvalidMsgError(f"{name}: a reply has {key}={repr(value)[:_SHOWN]}, not a number of pixels")
    return value


def _entries(result: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = result.get(name)
    if entries is None and name == "object_tracking":
        # Engines of early August 2025 put the object's number into the boxes.
        boxes = result.get("bounding_boxes") or []
        entries = [box for box in boxes if isinstance(box, Mapping) and "object_id" in box]
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InvalidMsgError(f"{name}: a reply has {repr(entries)[:_SHOWN]}, not a list of objects")
    return entries
