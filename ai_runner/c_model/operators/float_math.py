"""Functions of the C library in single precision, which LiteRT fills its lookup tables with.

Their last bit is the C library's own affair, so they are called where that is possible; elsewhere the result is
rounded from double precision, which differs in the last bit at most.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable

_FLOAT_MAX = 3.4028234663852886e38


def expf(x: float) -> float:
    """exp(x), a float32; infinity beyond its range."""
    return _expf(x)


def tanhf(x: float) -> float:
    """tanh(x), a float32."""
    return _tanhf(x)


def _from_c_library(name: str, otherwise: Callable[[float], float]) -> Callable[[float], float]:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):  # Windows has no such handle, others may not export the function
        return lambda x: ctypes.c_float(otherwise(x)).value
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return lambda x: float(function(x))


def _exp(x: float) -> float:
    try:
        y = math.exp(x)
    except OverflowError:
        return math.inf
    return y if y <= _FLOAT_MAX else math.inf


_expf = _from_c_library("expf", _exp)
_tanhf = _from_c_library("tanhf", math.tanh)
