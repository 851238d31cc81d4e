"""The .tflite model on whichever runtime is installed, real values in and out."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]


class NoRuntime(RuntimeError):
    """No installed runtime loads the model; the text has what each one said.

    Attributes:
        missing: none is installed.
    """

    def __init__(self, text: str, missing: bool) -> None:
        super().__init__(text)
        self.missing = missing


class Network:
    """One model, allocated.

    Args:
        model: a .tflite file with one input.
        stateful: reset its variables before every run.

    Attributes:
        runtime: name of the package that runs it.

    Raises:
        NoRuntime: no runtime loads it.
    """

    def __init__(self, model: bytes, stateful: bool = False) -> None:
        self.runtime, self._interpreter = _load(model)
        self._input = _Tensor(self._interpreter.get_input_details()[0])
        self._outputs = [_Tensor(detail) for detail in self._interpreter.get_output_details()]
        self._stateful = stateful

    def run(self, values: Values) -> list[Values]:
        """The outputs, dequantised and flattened, for an input of as many values as the model takes.

        Raises:
            RuntimeError, ValueError: the runtime failed.
        """
        if self._stateful:
            self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self._input.index, self._input.stored(values))
        self._interpreter.invoke()
        return [tensor.real(self._interpreter.get_tensor(tensor.index)) for tensor in self._outputs]


class _Tensor:
    """An input or output: how its real values are stored."""

    def __init__(self, detail: dict[str, Any]) -> None:
        self.index = int(detail["index"])
        self._shape = tuple(int(size) for size in detail["shape"])
        self._dtype = np.dtype(detail["dtype"])
        quantization = detail["quantization_parameters"]
        self._quantized = len(quantization["scales"]) > 0 and self._dtype.kind in "iu"
        self._scale = np.float32(quantization["scales"][0]) if self._quantized else np.float32(1)
        self._zero_point = int(quantization["zero_points"][0]) if self._quantized else 0
        if self._dtype.kind in "iu":
            limits = np.iinfo(self._dtype)
            self._lowest, self._highest = limits.min - self._zero_point, limits.max - self._zero_point
            # Kept from request to request: for an image, getting the memory takes longer than computing in it.
            # float32 counts the steps of 16 bits exactly.
            working = np.float32 if self._dtype.itemsize <= 2 else np.float64
            self._rest, self._whole = np.empty((2, prod(self._shape)), working)
            self._stored = np.empty(self._shape, self._dtype)

    def stored(self, values: Values) -> npt.NDArray[Any]:
        """As TFLite's own Quantize: the nearest step, halves away from zero, saturated."""
        if self._dtype.kind == "f":
            return values.reshape(self._shape).astype(self._dtype, copy=False)
        with np.errstate(all="ignore"):  # NaN gives some value, as in C
            rest, whole = self._rest, self._whole
            np.divide(values, self._scale, out=rest)
            np.clip(rest, self._lowest, self._highest, out=rest)
            np.trunc(rest, out=whole)
            rest -= whole
            whole += rest >= 0.5
            whole -= rest <= -0.5
            whole += self._zero_point
            np.copyto(self._stored, whole.reshape(self._shape), casting="unsafe")
        return self._stored

    def real(self, stored: npt.NDArray[Any]) -> Values:
        if not self._quantized:
            return stored.astype(np.float32).reshape(-1)
        steps = stored.astype(np.float64) - self._zero_point
        return (steps * np.float64(self._scale)).astype(np.float32).reshape(-1)


def _load(model: bytes) -> tuple[str, Any]:
    said = []
    missing = True
    for package, interpreter_class in _RUNTIMES.items():
        # A binary made for another numpy raises anything, from ImportError to SystemError.
        try:
            interpreter = interpreter_class()(model_content=model)
            interpreter.allocate_tensors()
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            missing = missing and isinstance(error, ImportError)
            said.append(f"{package}: {type(error).__name__}: {reason}")
        else:
            return package, interpreter
    raise NoRuntime("; ".join(said), missing)


def _litert() -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _tensorflow() -> Any:
    import tensorflow

    return tensorflow.lite.Interpreter


def _tflite_runtime() -> Any:
    from tflite_runtime.interpreter import Interpreter

    return Interpreter


_RUNTIMES: dict[str, Callable[[], Any]] = {
    "ai_edge_litert": _litert,
    "tensorflow": _tensorflow,
    "tflite_runtime": _tflite_runtime,
}
