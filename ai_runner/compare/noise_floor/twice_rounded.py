"""What an int8 FULLY_CONNECTED computes where sums are rounded twice.

Kernels in fixed point multiply a sum by 31 bits of the scale, round, shift right and round again (gemmlowp, CMSIS-NN);
others round once. Where n bits are shifted out, 2^-(n+1) of the elements come out one step beside: 12 % for n = 2, far
more than other correct kernels differ. Of LiteRT's convolutions the reference kernels round twice everywhere; for
FULLY_CONNECTED it depends on the machine whether any kernel set does. So that a verdict does not, this arithmetic is
always within the band.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel

Array = npt.NDArray[Any]

_UNLIMITED = {"NONE": False, "RELU": True}


@dataclass(frozen=True, eq=False)
class TwiceRounded:
    """One int8 FULLY_CONNECTED.

    Attributes:
        weights: float64 ``(in_features, out_features)``, zero point taken off; sums of products are exact in it.
        bias: float64 ``(out_features,)``.
        multiplier, shift: int64 ``(out_features,)``; the factor of a sum is ``multiplier * 2 ** (shift - 31)``.
        lowest: of the output.
    """

    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    input_zero_point: int
    output_zero_point: int
    lowest: int

    @classmethod
    def of(cls, model: bytes) -> TwiceRounded | None:
        """The operator of a .tflite that has no other; None where it is something else."""
        try:
            parsed = TfliteModel.parse(model)
        except InvalidModelError:
            return None
        if len(parsed.operators) != 1 or parsed.operators[0].name != "FULLY_CONNECTED":
            return None
        operator = parsed.operators[0]
        bias_number = operator.inputs[2] if len(operator.inputs) > 2 else -1
        x, filters, y = (parsed.tensors[i] for i in (operator.inputs[0], operator.inputs[1], operator.outputs[0]))
        quantizations = x.quantization, filters.quantization, y.quantization
        int8 = all(tensor.type_name == "INT8" for tensor in (x, filters, y))
        activation = operator.options.get("fused_activation_function", "NONE")
        if not int8 or None in quantizations or filters.data is None or filters.data.ndim != 2:
            return None
        if activation not in _UNLIMITED or operator.options.get("weights_format", "DEFAULT") not in ("DEFAULT", 0):
            return None
        bias = None if bias_number < 0 else parsed.tensors[bias_number].data
        if bias_number >= 0 and bias is None:
            return None
        assert x.quantization and filters.quantization and y.quantization  # noqa: S101, PT018 - seen to above
        scales = np.float64(x.quantization.scale[0]) * np.asarray(filters.quantization.scale) / y.quantization.scale[0]
        parts = [_normalised(float(scale)) for scale in np.broadcast_to(scales, len(filters.data))]
        zero_point = y.quantization.zero_point[0]
        return cls(
            (filters.data.astype(np.float64) - filters.quantization.zero_point[0]).T,
            np.zeros(len(filters.data)) if bias is None else bias.astype(np.float64),
            np.array([multiplier for multiplier, _ in parts], np.int64),
            np.array([shift for _, shift in parts], np.int64),
            x.quantization.zero_point[0],
            zero_point,
            max(-128, zero_point) if _UNLIMITED[str(activation)] else -128,
        )

    def run(self, inputs: Array) -> tuple[Array, Array]:
        """Its outputs for int8 ``(batch, ...)``: ``(rows, out_features)``, int8, halves away from zero and upwards."""
        rows = inputs.reshape(-1, len(self.weights)).astype(np.float64) - self.input_zero_point
        sums = (rows @ self.weights + self.bias).astype(np.int64)
        high = ((sums << np.maximum(self.shift, 0)) * self.multiplier + (1 << 30)) >> 31
        right = np.maximum(-self.shift, 0)
        half = (1 << right) >> 1
        away, upwards = np.sign(high) * ((np.abs(high) + half) >> right), (high + half) >> right
        return self._stored(away), self._stored(upwards)

    def _stored(self, whole: Array) -> Array:
        stored: Array = np.clip(whole + self.output_zero_point, self.lowest, 127).astype(np.int8)
        return stored


def _normalised(real: float) -> tuple[int, int]:
    fraction, shift = frexp(real)
    multiplier = round(fraction * 2**31)
    return (2**30, shift + 1) if multiplier == 2**31 else (multiplier, shift)
