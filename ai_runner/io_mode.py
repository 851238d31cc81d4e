"""Real values in, real values out: what `io_mode` converts around a run."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from ai_runner.driver import Array
from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo


class IoMode(StrEnum):
    """Raises InvalidParamError (E804) when constructed from anything else."""

    QUANTIZE = "quantize"
    DEQUANTIZE = "dequantize"
    BOTH = "quantize+dequantize"

    @classmethod
    def _missing_(cls, value: object) -> IoMode:
        raise InvalidParamError(f"io_mode={value!r} is not one of {', '.join(cls)}")

    def to_model(self, inputs: Any, infos: Sequence[TensorInfo]) -> Any:
        """Float inputs of quantised tensors as integers; everything else as it came, to be checked afterwards."""
        if self is IoMode.DEQUANTIZE or not isinstance(inputs, np.ndarray | list | tuple):
            return inputs
        arrays = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
        for i, (array, info) in enumerate(zip(arrays, infos, strict=False)):
            if info.quantization and isinstance(array, np.ndarray) and array.dtype.kind == "f":
                arrays[i] = info.quantization.quantize(array, info.dtype)
        return arrays

    def from_model(self, outputs: Sequence[Array], infos: Sequence[TensorInfo]) -> tuple[Array, ...]:
        """Outputs of quantised tensors as float32."""
        if self is IoMode.QUANTIZE:
            return tuple(outputs)
        return tuple(
            info.quantization.dequantize(array) if info.quantization else array
            for array, info in zip(outputs, infos, strict=False)
        )
