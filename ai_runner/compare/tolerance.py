"""How far a target may be from the reference, tensor by tensor."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isclose

from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

DEFAULT_MAX_LSB = 1.0  # two correct kernel sets round differently by one step
DEFAULT_ATOL = 1e-5
DEFAULT_RTOL = 1e-4

_SAME_SCALE = 1e-6


@dataclass(frozen=True)
class Tolerance:
    """What one tensor is held to.

    Attributes:
        max_lsb: largest error in steps of the reference's quantization, of the target's where the reference is real;
            None where both are.
        atol, rtol: a real value passes when ``abs(reference - target) <= atol + rtol * abs(reference)``, numpy's rule.
    """

    max_lsb: float | None = None
    atol: float = 0.0
    rtol: float = 0.0

    def __str__(self) -> str:
        return f"{self.max_lsb:g} LSB" if self.max_lsb is not None else f"atol {self.atol:g} + rtol {self.rtol:g}"


@dataclass(frozen=True)
class ToleranceRule:
    """The tolerances of a comparison; None takes the default.

    Attributes:
        max_lsb: for integers. Default: 1 where there is a quantization, and 0 for integers and booleans without one:
            an index or a flag has no rounding. So is a quantized target of a real reference, unless `atol` or `rtol` is
            given.
        atol, rtol: for real values. Default: 1e-5 and 1e-4.
        named: what goes before, for tensors of the reference whose names fit a pattern (as of a shell); the first that
            fits decides.
    """

    max_lsb: float | None = None
    atol: float | None = None
    rtol: float | None = None
    named: tuple[tuple[str, ToleranceRule], ...] = ()

    def of(self, reference: TensorInfo, target: TensorInfo) -> Tolerance:
        """What this pair of tensors is held to."""
        for pattern, rule in self.named:
            if pattern == reference.name or fnmatchcase(reference.name, pattern):
                return rule.of(reference, target)
        if is_integer(reference) and (reference.quantization is not None or is_integer(target)):
            if self.max_lsb is not None:
                return Tolerance(max_lsb=self.max_lsb)
            return Tolerance(max_lsb=DEFAULT_MAX_LSB if has_steps(reference) or has_steps(target) else 0.0)
        if target.quantization is not None and not is_integer(reference) and self.atol is None and self.rtol is None:
            return Tolerance(max_lsb=DEFAULT_MAX_LSB if self.max_lsb is None else self.max_lsb)
        return Tolerance(
            atol=DEFAULT_ATOL if self.atol is None else self.atol,
            rtol=DEFAULT_RTOL if self.rtol is None else self.rtol,
        )


def is_integer(tensor: TensorInfo) -> bool:
    """True for integers and booleans."""
    return tensor.dtype.kind in "iub"


def same_integers(one: TensorInfo, other: TensorInfo) -> bool:
    """True when equal raw integers of the two mean equal real values.

    A tensor of the same dtype that declares no quantization is taken to have the other's: not every library tells.
    """
    if not (is_integer(one) and is_integer(other)):
        return False
    if _fractional_bits(one) != _fractional_bits(other):
        return False
    if one.quantization is None and other.quantization is None:
        return True
    if one.dtype != other.dtype:
        return False
    return one.quantization is None or other.quantization is None or _same(one.quantization, other.quantization)


def same_scale(one: float, other: float) -> bool:
    """True when they were one number before somebody printed and parsed them as float32."""
    return isclose(one, other, rel_tol=_SAME_SCALE)


def has_steps(tensor: TensorInfo) -> bool:
    """True when an integer stands for a rounded real value, so that an error of one step means little."""
    return tensor.quantization is not None or _fractional_bits(tensor) > 0


def _fractional_bits(tensor: TensorInfo) -> int:
    return tensor.format.fractional_bits if tensor.format is not None and tensor.format.fixed_point else 0


def _same(one: Quantization, other: Quantization) -> bool:
    return (
        one.zero_point == other.zero_point
        and len(one.scale) == len(other.scale)
        and (one.axis == other.axis or not one.per_channel)
        and all(map(same_scale, one.scale, other.scale))
    )
