"""Commands beyond inference: the hello, raw replies, continuous classification, thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ai_runner.drivers.eim.engine import Engine
from ai_runner.drivers.eim.protocol import request
from ai_runner.errors import InvalidParamError
from ai_runner.impulse.features import checked_features


def extend(engine: Engine, command: Mapping[str, Any]) -> Any:
    """Carries out one command of a script.

    Args:
        engine: after its hello.
        command: ``cmd`` and its arguments:

            ``hello``
                the hello reply without ``id`` and ``success``, thresholds as they are now
            ``classify``, ``classify_continuous`` (`features`, `debug`)
                the reply without ``id`` and ``success``: ``result``, ``timing``, sometimes ``info``; freeform outputs
                as lists of floats
            ``set_threshold`` (`threshold`: ``id`` of the block, names and values)
                an empty dict
            ``request`` (`request`: the fields)
                the reply to any request, with ``id`` and ``success``, also when that is False
            ``output``
                the last lines that the engine printed

    Returns:
        As above, the caller's own; False for a command that there is not.

    Raises:
        InvalidParamError: an argument is missing or impossible, or the engine refused a threshold; features are
            checked before anything is sent.
        InvalidModelError: the engine refused to classify.
        HwIOError, InvalidMsgError: the engine fell silent, died or talks nonsense.
    """
    match command.get("cmd"):
        case "hello":
            return engine.hello_fields()
        case "classify" | "classify_continuous" as cmd:
            return _classify(engine, cmd == "classify_continuous", command)
        case "set_threshold":
            engine.set_threshold(_mapping(command, "threshold"))
            return {}
        case "request":
            return engine.request(request(_mapping(command, "request")))
        case "output":
            return engine.link.said()
    return False


def _classify(engine: Engine, continuous: bool, command: Mapping[str, Any]) -> Any:
    hello = engine.hello
    if continuous and hello.slice_size < 1:
        raise InvalidParamError("this model has no continuous classification: its hello has no slice_size")
    count = hello.slice_size if continuous else hello.features
    features = checked_features(command.get("features"), count)
    fields = engine.classify(features, continuous, bool(command.get("debug", False)))
    freeform = fields["result"].get("freeform")
    if isinstance(freeform, list):
        fields["result"]["freeform"] = [
            output.tolist() if isinstance(output, np.ndarray) else output for output in freeform
        ]
    return fields


def _mapping(command: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = command.get(key)
    if not isinstance(value, Mapping):
        raise InvalidParamError(f"extension(cmd={command['cmd']!r}) needs {key}, a dictionary")
    return dict(value)
