"""What is put where outputs will be before a run: found there afterwards, it tells that nothing was written.

Two patterns take turns from run to run, so that no constant output looks like them. Real ones are NaN with a payload
that no arithmetic makes: what was not written is never within a tolerance, and one element is evidence enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.model import TensorInfo

_BYTES = (0xA5, 0x5A)
_QUIET_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}  # IEEE 754: exponent and first bit of the mantissa


def canary_patterns(tensor: TensorInfo) -> tuple[bytes, bytes] | None:
    """One sample of each pattern, as stored.

    None where a whole pattern cannot be told from results: truth values, records, and packed elements, of whose last
    word a runtime need not write every bit.
    """
    if not _known(tensor.dtype) or (tensor.format is not None and tensor.format.packed):
        return None
    size = tensor.size_bytes // tensor.dtype.itemsize
    first, second = (_element(tensor.dtype, turn).tobytes() * size for turn in (0, 1))
    return first, second


def holds_canary(values: npt.NDArray[Any], turn: int | None = None) -> npt.NDArray[np.bool_]:
    """Which elements are those of pattern `turn` (0 or 1), or of either, in the shape of `values`."""
    if not _known(values.dtype):
        return np.zeros(values.shape, bool)
    if turn is None:
        return holds_canary(values, 0) | holds_canary(values, 1)
    stored = values if values.dtype.kind in "iu" else values.view(f"u{values.dtype.itemsize}")
    return np.asarray(stored == _element(values.dtype, turn).view(stored.dtype), bool)


def _known(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize in _QUIET_NAN)


def _element(dtype: np.dtype[Any], turn: int) -> Any:
    bits = int.from_bytes(bytes([_BYTES[turn]]) * dtype.itemsize, "little")
    bits |= _QUIET_NAN[dtype.itemsize] if dtype.kind == "f" else 0
    return np.array(bits, f"u{dtype.itemsize}").view(dtype)
