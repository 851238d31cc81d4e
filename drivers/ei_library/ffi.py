"""Libraries that export `ei_ffi_*`, the wrapper of the Rust crate: the SDK's own structures, read by their layout.

Nothing in such a library describes its model, so the caller does. Of its thresholds one kind has an effect that can be
relied on (visual anomaly); that of tracking is set only where the description says that the block is one, because the
wrapper does not look.
"""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Mapping
from ctypes import c_float, c_int, c_size_t, c_uint8, c_uint16, c_uint32, c_void_p
from typing import Any

import numpy as np

from ai_runner.drivers.ei_library import status
from ai_runner.drivers.ei_library.library import CONTINUOUS, DEBUG, SUMMARY, Array, Batch, Library, classification_of
from ai_runner.drivers.ei_library.metadata import Metadata
from ai_runner.drivers.ei_library.result_layout import (
    BOUNDING_BOXES,
    BOUNDING_BOXES_COUNT,
    CLASS,
    CLASSIFICATION,
    SDK_BOX,
    SIGNAL_BYTES,
)
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.impulse.hello import with_threshold
from ai_runner.shared_library.image import Image

PREFIX = "ei_ffi_"
NEEDED = ("ei_ffi_run_classifier_init", "ei_ffi_signal_from_buffer", "ei_ffi_run_classifier")
_MAX_ENTRIES = 1 << 16
_FAR = 1 << 24
_TRACKING = "ei_ffi_object_tracking_trace_at"
_FREEFORM = "ei_ffi_run_classifier_freeform"


class FfiLibrary(Library):
    """A library with `ei_ffi_*` symbols.

    Args:
        image: the loaded library; closed with this.
        metadata: what its caller tells of it.

    Raises:
        InvalidModelError: it lacks functions that its model needs.
    """

    def __init__(self, image: Image, metadata: Metadata) -> None:
        if ctypes.sizeof(c_void_p) != 8:
            raise InvalidModelError(f"{image.path}: the layout of its results is known for 64-bit hosts only")
        self.path, self.interface = image.path, "ei_ffi"
        self.hello, self.layout = metadata.hello, metadata.layout
        self.measures_postprocessing = self.layout.has_postprocessing_time
        self._reply = metadata.reply
        self._image = image
        self._open = False
        self.texts: Mapping[str, list[str]] = {}  # labels of the entries of the last run, which its batch leaves here
        self.freeform_sizes = self._freeform_sizes()
        if self.hello.has_object_tracking and not image.has(_TRACKING):
            raise InvalidModelError(
                f"{image.path}: a model with object tracking, and no {_TRACKING} to read traces with",
                hint="build it with a newer wrapper, or with ai-runner ei-library",
            )
        image.function("ei_ffi_run_classifier_init", None, ())()
        self._open = True

    def hello_reply(self) -> dict[str, Any]:
        """See `Library.hello_reply`."""
        return copy.deepcopy(self._reply)

    def batch(self, features: Array, outputs: Mapping[str, Array], flags: int) -> Batch:
        """See `Library.batch`."""
        return _FfiBatch(self, self._image, features, outputs, flags)

    def label_texts(self, name: str, count: int) -> list[str]:
        """See `Library.label_texts`."""
        return self.texts.get(name, [])[:count]

    def set_threshold(self, block: int, values: Mapping[str, float]) -> None:
        """See `Library.set_threshold`."""
        known = {threshold.type: threshold for threshold in self.hello.thresholds if threshold.id == block}
        if "min_anomaly_score" in values and len(values) == 1:
            function = self._image.function("ei_ffi_set_anomaly_threshold", c_int, (c_uint32, c_float))
            returned = function(block, values["min_anomaly_score"])
        elif "object_tracking" in known and values.keys() <= known["object_tracking"].values.keys():
            merged = {**known["object_tracking"].values, **values}
            arguments = (c_uint32, c_float, c_uint32, c_uint16)
            function = self._image.function("ei_ffi_set_object_tracking_threshold", c_int, arguments)
            returned = function(block, merged["threshold"], int(merged["keep_grace"]), int(merged["max_observations"]))
        else:
            raise InvalidParamError(
                f"{self.path}: {', '.join(values)} of block {block} cannot be set through ei_ffi_ functions",
                hint="that for detectors has no effect; build the library with ai-runner ei-library",
            )
        if returned != 0:
            what = "no such block" if returned == status.INFERENCE_ERROR else status.words(returned)
            raise InvalidParamError(f"{self.path}: threshold of block {block}: {what}")
        self._reply = with_threshold(self._reply, {"id": block, **values})

    def reset(self) -> None:
        """See `Library.reset`. The wrapper leaks when it is initialised twice, so it is ended before."""
        self._end()
        self._image.function("ei_ffi_run_classifier_init", None, ())()
        self._open = True

    def close(self) -> None:
        """See `Library.close`."""
        self._end()
        self._image.close()

    def _end(self) -> None:
        if self._open:
            self._open = False
            if self._image.has("ei_ffi_run_classifier_deinit"):
                self._image.function("ei_ffi_run_classifier_deinit", None, ())()

    def _freeform_sizes(self) -> tuple[int, ...]:
        if not self.hello.is_freeform:
            return ()
        if not self._image.has(_FREEFORM):
            raise InvalidModelError(
                f"{self.path}: a freeform model, and no {_FREEFORM} to read its outputs with",
                hint="build it with a newer wrapper, or with ai-runner ei-library",
            )
        count = self._image.function("ei_ffi_freeform_outputs_count", c_uint8, ())()
        size = self._image.function("ei_ffi_freeform_output_size", c_uint32, (c_uint8,))
        return tuple(size(k) for k in range(count))


class _FfiBatch(Batch):
    def __init__(
        self, library: FfiLibrary, image: Image, features: Array, outputs: Mapping[str, Array], flags: int
    ) -> None:
        rows = len(features)
        self.summaries = np.zeros(rows, SUMMARY)
        self._library, self._layout = library, library.layout
        self._features, self._outputs, self._flags = features, outputs, flags
        self._classification = classification_of(outputs, rows, library.hello.labels)
        self._numbers = {label: k for k, label in reversed(list(enumerate(library.hello.labels)))}
        # Every reader looks at the same bytes, which the library fills anew at each run.
        self._signal = np.zeros(SIGNAL_BYTES // 8, np.uint64)
        self._bytes = np.zeros((self._layout.size + 7) // 8, np.uint64).view(np.uint8)
        self._result = self._bytes.ctypes.data
        self._classes = self._view(CLASSIFICATION, CLASS, max(1, self._layout.labels))
        self._timing = self._view(self._layout.timing, self._layout.timing_dtype)
        self._anomaly = self._view(self._layout.anomaly, np.dtype(np.float32))
        self._tensors = [np.zeros(size, np.float32) for size in library.freeform_sizes]
        self._fill_signal = image.function("ei_ffi_signal_from_buffer", c_int, (c_void_p, c_size_t, c_void_p))
        self._call = self._classifier(image)
        self._trace_at = None
        if "object_tracking" in outputs:
            self._trace_at = image.function(_TRACKING, c_uint8, (c_void_p, c_uint32, *[c_void_p] * 6))

    def run(self, row: int) -> int:
        features = self._features[row]
        self._signal.fill(0)
        signal = self._signal.ctypes.data
        returned: int = self._fill_signal(features.ctypes.data, features.size, signal)
        if returned == 0:
            returned = self._call(signal)
        if returned == 0:
            self._summarise(row)
            if "classification" in self._outputs:
                if row == 0:
                    self._compare_labels()
                self._classification[row] = self._classes["value"][: self._classification.shape[1]]
        return returned

    def take(self, row: int) -> None:
        found: dict[str, list[tuple[str, tuple[Any, ...]]]] = {}
        summary = self.summaries[row]
        if "bounding_boxes" in self._outputs:
            found["bounding_boxes"] = self._entries(BOUNDING_BOXES, BOUNDING_BOXES_COUNT)
        if "visual_anomaly_grid" in self._outputs:
            at = self._layout.visual_anomaly
            found["visual_anomaly_grid"] = self._entries(at, at + 8)
            summary["visual_anomaly_mean"], summary["visual_anomaly_max"] = self._view(at + 12, np.dtype("f4"), 2)
        if self._trace_at is not None:
            found["object_tracking"] = self._traces()
        for name, entries in found.items():
            summary[name] = len(entries)
            target = self._outputs[name][row]
            for k, (text, numbers) in enumerate(entries[: len(target)]):
                target[k] = (self._numbers.get(text, -1), *numbers)
        for k, tensor in enumerate(self._tensors):
            self._outputs[f"freeform_{k}"][row] = tensor
        self._library.texts = {name: [text for text, _ in entries] for name, entries in found.items()}

    def _classifier(self, image: Image) -> Any:
        debug = int(bool(self._flags & DEBUG))
        if self._flags & CONTINUOUS:
            arguments: tuple[Any, ...] = (c_void_p, c_void_p, c_int, c_int)
            continuous = image.function("ei_ffi_run_classifier_continuous", c_int, arguments)
            return lambda signal: continuous(signal, self._result, debug, 0)
        if self._tensors:
            arguments = (c_void_p, c_void_p, c_int, c_void_p, c_uint32)
            freeform = image.function(_FREEFORM, c_int, arguments)
            buffers = np.array([tensor.ctypes.data for tensor in self._tensors], np.uint64)
            return lambda signal: freeform(signal, self._result, debug, buffers.ctypes.data, len(buffers))
        plain = image.function("ei_ffi_run_classifier", c_int, (c_void_p, c_void_p, c_int))
        return lambda signal: plain(signal, self._result, debug)

    def _summarise(self, row: int) -> None:
        timing = self._timing[0]
        stages = [name for name in self._timing.dtype.names or () if f"{name}_us" in (self._timing.dtype.names or ())]
        summary = self.summaries[row]
        summary["postprocessing_us"] = -1
        for stage in stages:
            ms, us = int(timing[stage]), int(timing[f"{stage}_us"])
            # SDKs derive the milliseconds, rounded or cut; a wrong layout has anything here.
            if not 0 <= us < 1 << 42 or not 0 <= ms < 1 << 30 or (us and abs(ms - us / 1000) > 1):
                raise InvalidModelError(
                    f"{self._library.path}: results are not laid out as the metadata says: {stage} {ms} ms, {us} us",
                    hint="number of labels, has_visual_anomaly or has_postprocessing_time is wrong",
                )
            summary[f"{stage}_us"] = us or ms * 1000
        summary["anomaly"] = self._anomaly[0]

    def _compare_labels(self) -> None:
        """Refuses a library whose labels are not those of the metadata: their number decides where everything lies."""
        labels = self._library.hello.labels
        addresses = [int(address) for address in self._classes["label"]]
        # Labels lie in one section; behind the last of them are numbers, which must not be followed.
        if all(abs(address - addresses[0]) < _FAR for address in addresses) and addresses[0] > _FAR:
            texts = tuple(_text(address) for address in addresses)
            if texts == labels:
                return
        raise InvalidModelError(
            f"{self._library.path}: results are not laid out as the metadata says: its labels are others",
            hint="list the labels of the model, all of them in its order",
        )

    def _entries(self, pointer_at: int, count_at: int) -> list[tuple[str, tuple[Any, ...]]]:
        """(label, (value, x, y, width, height)) of the SDK's list, without those of value 0 that fill it up."""
        address = int(self._view(pointer_at, np.dtype("u8"))[0])
        count = int(self._view(count_at, np.dtype("u4"))[0])
        if count > _MAX_ENTRIES:
            raise InvalidModelError(
                f"{self._library.path}: results are not laid out as the metadata says: a list of {count} entries",
                hint="has_visual_anomaly or has_postprocessing_time is wrong",
            )
        if not address or not count:
            return []
        boxes = np.frombuffer(ctypes.string_at(address, count * SDK_BOX.itemsize), SDK_BOX)
        return [
            (_text(box["label"]), (box["value"], box["x"], box["y"], box["width"], box["height"]))
            for box in boxes
            if box["value"] != 0
        ]

    def _traces(self) -> list[tuple[str, tuple[Any, ...]]]:
        """As `_entries`, with the object's number at the end; the wrapper tells no label."""
        label = self._library.hello.labels[0] if len(self._library.hello.labels) == 1 else ""
        numbers = np.zeros(5, np.uint32)
        value = np.zeros(1, np.float32)
        pointers = [numbers[k:].ctypes.data for k in range(5)]
        found: list[tuple[str, tuple[Any, ...]]] = []
        assert self._trace_at is not None  # noqa: S101 (asked for only with traces)
        while len(found) < _MAX_ENTRIES and self._trace_at(self._result, len(found), *pointers, value.ctypes.data):
            number, x, y, width, height = (int(n) for n in numbers)
            found.append((label, (float(value[0]) or 1.0, x, y, width, height, np.int32(np.uint32(number)))))
        return found

    def _view(self, offset: int, dtype: np.dtype[Any], count: int = 1) -> Array:
        return self._bytes[offset : offset + count * dtype.itemsize].view(dtype)


def _text(address: int) -> str:
    return ctypes.string_at(int(address)).decode("utf-8", "replace") if address else ""
