"""Commands beyond inference: the hello, results as an .eim replies them, continuous classification, thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ai_runner.drivers.ei_library.execution import finish, stage_names
from ai_runner.drivers.ei_library.library import CONTINUOUS, DEBUG, LISTS, Array, Library
from ai_runner.errors import InvalidParamError
from ai_runner.impulse.features import checked_features
from ai_runner.model import ModelInfo

_STAGES_OF_EIM = ("dsp", "classification", "anomaly")


def extend(library: Library, info: ModelInfo, command: Mapping[str, Any]) -> Any:
    """Carries out one command of a script.

    Args:
        library: open.
        info: of its model.
        command: ``cmd`` and its arguments:

            ``hello``
                the description as an .eim's hello reply, thresholds as they are now
            ``classify``, ``classify_continuous`` (`features`, `debug`)
                ``result`` and ``timing`` as an .eim replies them; ``timing`` has microseconds besides, in fields
                that end with ``_us``
            ``set_threshold`` (`threshold`: ``id`` of the block, names and values)
                an empty dict
            ``reset``
                an empty dict; continuous classification and tracking begin anew

    Returns:
        As above, the caller's own; False for a command that there is not.

    Raises:
        InvalidParamError: an argument is missing or impossible, or the library refused a threshold.
        InvalidModelError: the library refused to classify.
    """
    match command.get("cmd"):
        case "hello":
            return library.hello_reply()
        case "classify":
            return _classify(library, info, library.hello.features, command, 0)
        case "classify_continuous":
            if library.hello.slice_size < 1:
                raise InvalidParamError("this model has no continuous classification: it has no slice_size")
            return _classify(library, info, library.hello.slice_size, command, CONTINUOUS)
        case "set_threshold":
            _set_threshold(library, command.get("threshold"))
            return {}
        case "reset":
            library.reset()
            return {}
    return False


def _classify(library: Library, info: ModelInfo, count: int, command: Mapping[str, Any], flags: int) -> Any:
    features = np.ascontiguousarray(checked_features(command.get("features"), count)).reshape(1, -1)
    outputs = {tensor.name: np.zeros((1, *tensor.sample_shape), tensor.dtype) for tensor in info.outputs}
    batch = library.batch(features, outputs, flags | (DEBUG if command.get("debug") else 0))
    library.check(batch.run(0))
    batch.take(0)
    finish(outputs, batch, slice(None))
    # An .eim replies the first three always.
    stages = dict.fromkeys((*_STAGES_OF_EIM, *stage_names(library)))
    times = {stage: int(batch.summaries[f"{stage}_us"][0]) for stage in stages}
    timing = {stage: (us + 500) // 1000 for stage, us in times.items()}
    return {
        "result": _result(library, outputs),
        "timing": {**timing, **{f"{stage}_us": us for stage, us in times.items()}},
    }


def _result(library: Library, outputs: Mapping[str, Array]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, array in outputs.items():
        if name == "classification":
            result[name] = dict(zip(library.hello.labels, map(float, array[0]), strict=True))
        elif name in LISTS:
            result[name] = _entries(library, name, array[0], int(outputs[f"{name}_count"][0, 0]))
        elif name.startswith("freeform_"):
            result.setdefault("freeform", []).append(array[0].tolist())
        elif not name.endswith("_count"):
            result[name] = float(array[0, 0])
    return result


def _entries(library: Library, name: str, rows: Array, count: int) -> list[dict[str, Any]]:
    kept = rows[:count]
    entries = []
    for text, row in zip(library.label_texts(name, len(kept)), kept, strict=True):
        fields = dict(zip(rows.dtype.names or (), row.item(), strict=True))
        entries.append({**fields, "label": text})
    return entries


def _set_threshold(library: Library, threshold: Any) -> None:
    if not isinstance(threshold, Mapping) or type(threshold.get("id")) is not int:
        raise InvalidParamError("set_threshold needs threshold, a dictionary with the id of a block and its values")
    block = threshold["id"]
    values = {name: value for name, value in threshold.items() if name not in ("id", "type")}
    if not 0 <= block < 1 << 32:
        raise InvalidParamError(f"set_threshold: {block} is not the number of a block")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidParamError(f"set_threshold: {name} is {str(value)[:40]!r}, not a number")
    library.set_threshold(block, {name: float(value) for name, value in values.items()})
