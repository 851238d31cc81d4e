"""What can be asked of an engine, as JSON.

An engine finds the end of a message by counting braces, those in strings too, so no string that is sent may hold one;
and it answers anything that is not JSON, such as NaN, without saying which request it means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError

_MAX_DEPTH = 50
_RESERVED = frozenset({"id"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its id.

    Attributes:
        name: the key that makes it what it is.
        members: those of the JSON object, as text.
    """

    name: str
    members: str


HELLO = Request("hello", '"hello":1')


def classify(features: npt.NDArray[np.float32], continuous: bool = False, debug: bool = False) -> Request:
    """Classification of a whole window, or of one slice.

    Args:
        features: one-dimensional, finite, as many as the hello says. Nine digits tell any float32 from its neighbours.
        continuous: they are a slice.
        debug: the engine shall print what it does.
    """
    name = "classify_continuous" if continuous else "classify"
    return Request(name, f'"{name}":[{_numbers(len(features)) % tuple(features.tolist())}]{_DEBUG if debug else ""}')


def classify_shared(elements: int, continuous: bool = False, debug: bool = False) -> Request:
    """The same with the features already in shared memory."""
    name = "classify_continuous_shm" if continuous else "classify_shm"
    return Request(name, f'"{name}":{{"elements":{elements}}}{_DEBUG if debug else ""}')


def set_threshold(threshold: Mapping[str, Any]) -> Request:
    """Changes values of the block ``id``.

    Raises:
        InvalidParamError: there is no ``id``, or something that cannot be sent.
    """
    if type(threshold.get("id")) is not int:
        raise InvalidParamError(
            f"set_threshold: id={threshold.get('id')!r} is not the number of a block",
            hint="the thresholds of the hello reply have it",
        )
    return request({"set_threshold": dict(threshold)})


def request(fields: Mapping[str, Any]) -> Request:
    """Any request.

    Raises:
        InvalidParamError: it is empty, brings an id along, or holds what cannot be sent: a brace in a string, a number
            that is not finite, something that JSON does not have.
    """
    if not fields or _RESERVED & fields.keys():
        raise InvalidParamError("a request has at least one key and no id: that is put in when it is sent")
    _check(fields, 0)
    return Request(str(next(iter(fields))), json.dumps(fields, separators=(",", ":"))[1:-1])


_DEBUG = ',"debug":true'


@lru_cache(maxsize=4)
def _numbers(count: int) -> str:
    """Formats `count` numbers; three times as fast as writing the digits of doubles, and shorter."""
    return ",".join(["%.9g"] * count)


def _check(value: object, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidParamError(f"a request is nested more than {_MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidParamError(f"a request has the key {key!r}, which is not a text")
            _check(key, depth)
            _check(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner, depth + 1)
    elif isinstance(value, str):
        if "{" in value or "}" in value:
            raise InvalidParamError(
                f"a request holds the text {value[:40]!r}", hint="engines cannot read a brace inside a text"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidParamError(f"a request holds {value}", hint="JSON has finite numbers only")
    elif value is not None and not isinstance(value, bool | int):
        raise InvalidParamError(f"a request holds a {type(value).__name__}, which JSON does not have")
