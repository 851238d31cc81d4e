"""The interface of ei_c_api.h through ctypes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ctypes import c_char_p, c_float, c_int32, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np

from ai_runner.drivers.ei_library import status
from ai_runner.drivers.ei_library.library import LISTS, SUMMARY, Array, Batch, Library, classification_of
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.impulse.hello import parse_hello
from ai_runner.impulse.result import TRACE
from ai_runner.shared_library.image import Image

PREFIX = "ai_runner_ei_"
ABI_SYMBOL = f"{PREFIX}abi"
_MAGIC, _VERSION = 0xE1A1, 1
_MAX_FREEFORM = 1 << 16
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "init": (c_int32, ()),
    "reset": (c_int32, ()),
    "deinit": (c_int32, ()),
    "hello": (c_char_p, ()),
    "run": (c_int32, (c_void_p, c_uint64, c_uint32, c_void_p, c_void_p)),
    "boxes": (c_int32, (c_uint32, c_void_p, c_uint32)),
    "traces": (c_int32, (c_void_p, c_uint32)),
    "box_label": (c_char_p, (c_uint32, c_uint32)),
    "freeform_count": (c_int32, ()),
    "freeform_size": (c_uint64, (c_uint32,)),
    "freeform": (c_int32, (c_uint32, c_void_p, c_uint64)),
    "set_threshold": (c_int32, (c_uint32, c_char_p, c_float)),
}


class CApiLibrary(Library):
    """A library that `ai-runner ei-library` built, or that ei_c_api.cpp was compiled into.

    Args:
        image: the loaded library; closed with this.

    Raises:
        InvalidModelError: another version of the interface, or the model cannot be initialised.
        InvalidMsgError: what it says of its model makes no sense.
    """

    def __init__(self, image: Image) -> None:
        self.path = image.path
        self._image = image
        version = image.function(ABI_SYMBOL, c_uint32, ())()
        if version >> 16 != _MAGIC or version & 0xFFFF != _VERSION:
            raise InvalidModelError(
                f"{image.path}: has interface {version:#010x}, this version speaks {_MAGIC << 16 | _VERSION:#010x}",
                hint="build it again with this version: ai-runner ei-library",
            )
        self.interface = f"ei_c_api {_VERSION}"
        self._f = {name: image.function(f"{PREFIX}{name}", *types) for name, types in _FUNCTIONS.items()}
        self.check(self._f["init"](), "initialising")
        self.hello = parse_hello(self.hello_reply())
        self.freeform_sizes = self._sizes()
        self.measures_postprocessing = "postprocessing" in (self._description().get("stages") or ())

    def hello_reply(self) -> dict[str, Any]:
        """See `Library.hello_reply`."""
        return {key: value for key, value in self._description().items() if key != "stages"}

    def batch(self, features: Array, outputs: Mapping[str, Array], flags: int) -> Batch:
        """See `Library.batch`."""
        return _CApiBatch(self, self._f, features, outputs, flags)

    def label_texts(self, name: str, count: int) -> list[str]:
        """See `Library.label_texts`."""
        number, label = LISTS.index(name), self._f["box_label"]
        return [(label(number, k) or b"").decode("utf-8", "replace") for k in range(count)]

    def set_threshold(self, block: int, values: Mapping[str, float]) -> None:
        """See `Library.set_threshold`."""
        for name, value in values.items():
            returned = self._f["set_threshold"](block, name.encode(), value)
            if returned != 0:
                raise InvalidParamError(
                    f"{self.path}: threshold {name!r} of block {block}: {status.words(returned)}",
                    hint=f"thresholds of the model: {self.hello_reply().get('model_parameters', {}).get('thresholds')}",
                )

    def reset(self) -> None:
        """See `Library.reset`."""
        self.check(self._f["reset"](), "resetting")

    def close(self) -> None:
        """See `Library.close`."""
        if self._f:
            self._f["deinit"]()
            self._f = {}
            self._image.close()

    def _description(self) -> dict[str, Any]:
        text: bytes | None = self._f["hello"]()
        try:
            reply = json.loads((text or b"").decode("utf-8", "replace"))
        except ValueError as error:
            raise InvalidModelError(f"{self.path}: its description is no JSON: {error}") from error
        if not isinstance(reply, dict):
            raise InvalidModelError(f"{self.path}: its description is no object")
        return reply

    def _sizes(self) -> tuple[int, ...]:
        count = min(self._f["freeform_count"](), _MAX_FREEFORM)
        return tuple(int(self._f["freeform_size"](k)) for k in range(count))


class _CApiBatch(Batch):
    def __init__(
        self,
        library: CApiLibrary,
        functions: Mapping[str, Any],
        features: Array,
        outputs: Mapping[str, Array],
        flags: int,
    ) -> None:
        rows, count = features.shape
        self.summaries = np.zeros(rows, SUMMARY)
        self._library = library
        self._kept = (features, outputs)  # their memory is written to by address
        self._count, self._flags = count, flags
        classification = classification_of(outputs, rows, library.hello.labels)
        self._classification = classification
        self._addresses = [
            (array.ctypes.data, array.strides[0]) for array in (features, classification, self.summaries)
        ]
        self._native = functions["run"]
        self._boxes, self._traces, self._freeform = (functions[name] for name in ("boxes", "traces", "freeform"))
        self._lists = [(k, name) for k, name in enumerate(LISTS) if name in outputs]
        self._tensors = [(k, outputs[f"freeform_{k}"]) for k in range(len(library.freeform_sizes))]

    def run(self, row: int) -> int:
        (x, dx), (y, dy), (s, ds) = self._addresses
        returned: int = self._native(x + row * dx, self._count, self._flags, y + row * dy, s + row * ds)
        return returned

    def take(self, row: int) -> None:
        outputs = self._kept[1]
        for number, name in self._lists:
            entries = outputs[name][row]
            if entries.dtype == TRACE:
                copied = self._traces(entries.ctypes.data, len(entries))
            else:
                copied = self._boxes(number, entries.ctypes.data, len(entries))
            self._library.check(min(copied, 0), f"reading {name}")
        for k, tensor in self._tensors:
            self._library.check(self._freeform(k, tensor[row].ctypes.data, tensor.shape[1]), "reading outputs")
