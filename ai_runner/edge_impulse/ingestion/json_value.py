"""Values of decoded JSON or CBOR from somebody else: what they are, and how they are shown in a message."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

_BEYOND = 2**64  # what neither encoding holds as a plain integer
_SHOWN = 40


def is_finite(value: Any) -> TypeGuard[int | float]:
    """Whether `value` is a number that a sensor or a picture can have."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < _BEYOND


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether `value` is an integer from 0 (and not a boolean)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _BEYOND


def shown(value: Any) -> str:
    """`value` for a message, short whatever it is."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) >= _BEYOND:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
