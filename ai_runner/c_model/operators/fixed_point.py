"""Real factors and limits as the integers that kernels/quantized.h works with (TFLite's quantization_util)."""

from __future__ import annotations

import math

import numpy as np

from ai_runner.c_model.operators.operator_view import OperatorView

FLOAT_MAX = float(np.finfo(np.float32).max)

REAL_LIMITS = {
    "NONE": (-math.inf, math.inf),
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
"""Fused activation -> the range it lets through."""


def normalized(real: float) -> tuple[int, int]:
    """A positive `real` as multiplier * 2^(shift - 31) with 2^30 <= multiplier < 2^31."""
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    return (2**30, shift + 1) if multiplier == 2**31 else (multiplier, shift)


def multiplier_and_shift(op: OperatorView, real: float) -> tuple[int, int]:
    """As `normalized`, but 0 and 0 where `real` is below 2^-32.

    Raises:
        InvalidModelError: `real` is 2^30 or more, which happens only where scales make no sense.
    """
    op.require(0 <= real < 2**30, f"its scales are too far apart: factor {real:g}")
    multiplier, shift = normalized(real)
    return (0, 0) if shift < -31 else (multiplier, shift)


def real_limits(op: OperatorView) -> tuple[float, float]:
    """Limits of the operator's fused activation."""
    activation = op.option("fused_activation_function")
    op.require(activation in REAL_LIMITS, f"fused activation {activation} is not supported")
    return REAL_LIMITS[activation]


def limits_f32(op: OperatorView) -> dict[str, float]:
    """`output_min` and `output_max` of a float kernel; without an activation they are the largest finite floats."""
    low, high = real_limits(op)
    return {"output_min": max(low, -FLOAT_MAX), "output_max": min(high, FLOAT_MAX)}


def limits_s8(low: float, high: float, scale: float, zero_point: int) -> dict[str, int]:
    """`output_min` and `output_max` of an int8 kernel for real limits."""
    return {
        "output_min": max(-128, quantized(low, scale, zero_point)) if math.isfinite(low) else -128,
        "output_max": min(127, quantized(high, scale, zero_point)) if math.isfinite(high) else 127,
    }


def quantized(real: float, scale: float, zero_point: int) -> int:
    """The integer nearest to `real`, halves away from zero, divided in float32."""
    q = float(np.float32(real) / np.float32(scale))
    return zero_point + int(math.copysign(math.floor(abs(min(max(q, -1e9), 1e9)) + 0.5), q))
