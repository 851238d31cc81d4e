"""JSON as the engine reads and writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isinf
from typing import Any

from ai_runner.eim_engine.engine.framing import MAX_BUFFER


def parse_message(raw: bytes) -> dict[str, Any]:
    """The object that `raw` holds; an empty one where the engine's parser would find none.

    As there: the first of equal keys counts, NaN and Infinity are no numbers, half a surrogate pair is no text, and
    bytes that are no UTF-8 are not looked at.
    """
    try:
        message = _DECODER.decode(raw.decode("utf-8", "replace"))
        if b"\\u" in raw:
            json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def encode_reply(reply: Mapping[str, Any]) -> bytes:
    """Compact JSON with sorted keys and a line feed.

    One that does not fit the reply buffer is cut; a classification is replaced by an error instead.
    """
    raw = _line(reply)
    if len(raw) > MAX_BUFFER and "result" in reply:
        reason = f"Classification response ({len(raw)} bytes) was larger than max response buffer size "
        raw = _line({"id": reply["id"], "success": False, "error": f"{reason}({MAX_BUFFER} bytes)"})
    return raw[: MAX_BUFFER - 1]


def is_int32(value: object) -> bool:
    """True for a JSON integer of 32 bits with sign; true and false are none."""
    return type(value) is int and -(1 << 31) <= value < 1 << 31


def is_number(value: object) -> bool:
    """True for a JSON number."""
    return type(value) in (int, float)


def _line(reply: Mapping[str, Any]) -> bytes:
    text = json.dumps(reply, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


def _first_of_equal_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if type(value) is float and isinf(value):
            raise ValueError(f"{key} is beyond what a double holds")
        members.setdefault(key, value)
    return members


def _no_number(text: str) -> None:
    raise ValueError(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_first_of_equal_keys, parse_constant=_no_number)
