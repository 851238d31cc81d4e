"""Real numbers to integers and back: the one place that does it.

The mapping is the affine one of the TensorFlow Lite 8-bit quantization specification,
``real = scale * (q - zero_point)``, with the arithmetic of its QUANTIZE and DEQUANTIZE kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Quantization:
    """How the integers of a tensor stand for real numbers.

    Attributes:
        scale: one value, or one per slice along `axis`; each is exactly representable as float32.
        zero_point: as many integers.
        axis: the dimension that `scale` runs along when there are several.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        """True when several scales run along `axis`."""
        return len(self.scale) > 1

    def quantize(self, real: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Real values to integers of `dtype`, saturating; same shape.

        Divides in float32 and rounds halves away from zero, as TFLite's AffineQuantize does. NaN has no integer:
        it becomes the zero point.
        """
        values = np.asarray(real, dtype=np.float32)
        scale = self._along_axis(np.array(self.scale, np.float32), values.ndim)
        zero_point = self._along_axis(np.array(self.zero_point, np.float64), values.ndim)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            q = (values / scale).astype(np.float64)
        np.nan_to_num(q, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
        q = np.trunc(q + np.copysign(0.5, q)) + zero_point
        limits = np.iinfo(np.dtype(dtype))
        integers: npt.NDArray[Any] = np.clip(q, limits.min, limits.max).astype(dtype)
        return integers

    def dequantize(self, q: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Integers to real values, float32, same shape."""
        scale = self._along_axis(np.array(self.scale, np.float64), q.ndim)
        zero_point = self._along_axis(np.array(self.zero_point, np.float64), q.ndim)
        real: npt.NDArray[np.float32] = (scale * (q - zero_point)).astype(np.float32)
        return real

    def _along_axis(self, values: npt.NDArray[Any], ndim: int) -> npt.NDArray[Any]:
        if not self.per_channel:
            return values.reshape(())
        shape = [1] * ndim
        shape[self.axis] = -1
        return values.reshape(shape)
