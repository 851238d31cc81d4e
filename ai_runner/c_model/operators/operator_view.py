"""An operator with its tensors at hand, and the refusals that every lowering shares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.c_model.node import C_DTYPES, CArray, CNode, NodeType, ParamValue
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel, TfliteOperator, TfliteTensor

_MAX_BYTES = 2**31 - 1  # kernels count in int32_t


class OperatorView:
    """One operator of a model.

    Every tensor it hands out has a fixed shape without empty dimensions, a numpy dtype and fewer than 2 GB; everything
    else is an InvalidModelError that names the file, the operator and what is wrong.
    """

    def __init__(self, model: TfliteModel, operator: TfliteOperator) -> None:
        self.model = model
        self.operator = operator

    def unsupported(self, reason: str) -> InvalidModelError:
        """The error to raise; `reason` completes "<file>: operator <index> (<name>): ..."."""
        op = self.operator
        return InvalidModelError(
            f"{self.model.path}: operator {op.index} ({op.name}): {reason}",
            hint="the C-model cannot be generated from this model; the tflite driver may still run it",
            evidence={"file": self.model.path, "operator": op.name, "index": op.index},
        )

    def require(self, condition: bool, reason: str) -> None:
        """Raises `unsupported(reason)` unless `condition` holds."""
        if not condition:
            raise self.unsupported(reason)

    # ---- tensors ----

    @property
    def inputs(self) -> tuple[TfliteTensor, ...]:
        """All inputs; none may be absent."""
        return tuple(self.input(i) for i in range(len(self.operator.inputs)))

    def input(self, position: int) -> TfliteTensor:
        """The input at `position`, which must be there."""
        tensor = self.optional_input(position)
        if tensor is None:
            raise self.unsupported(f"input {position} is missing")
        return tensor

    def optional_input(self, position: int) -> TfliteTensor | None:
        """The input at `position`, None where it is absent."""
        if position >= len(self.operator.inputs) or self.operator.inputs[position] < 0:
            return None
        return self._checked(self.model.tensors[self.operator.inputs[position]])

    @property
    def output(self) -> TfliteTensor:
        """The only output, which is computed."""
        outputs = self.operator.outputs
        self.require(len(outputs) == 1 and outputs[0] >= 0, f"{len(outputs)} outputs instead of 1")
        tensor = self._checked(self.model.tensors[outputs[0]])
        self.require(tensor.data is None, f"its output {tensor.index} is a constant")
        return tensor

    def _checked(self, tensor: TfliteTensor) -> TfliteTensor:
        shape = list(tensor.shape)
        self.require(not tensor.is_variable, f"tensor {tensor.index} is a variable (stateful models)")
        self.require(not tensor.is_sparse, f"tensor {tensor.index} is sparse")
        self.require(tensor.dtype is not None, f"tensor {tensor.index} has type {tensor.type_name}")
        self.require(min(shape, default=1) > 0, f"tensor {tensor.index} has no fixed size: shape {shape}")
        n_bytes = math.prod(shape) * self.itemsize(tensor)
        self.require(n_bytes <= _MAX_BYTES, f"tensor {tensor.index} of shape {shape} is too large")
        return tensor

    @staticmethod
    def itemsize(tensor: TfliteTensor) -> int:
        """Bytes of an element."""
        return 0 if tensor.dtype is None else tensor.dtype.itemsize

    def constant(self, tensor: TfliteTensor, what: str) -> npt.NDArray[Any]:
        """The values of a constant input that the message calls `what`."""
        if tensor.data is None:
            raise self.unsupported(f"its {what} (tensor {tensor.index}) are computed at run time")
        return tensor.data

    def constant_integers(self, position: int, what: str) -> list[int]:
        """A constant int32 or int64 input, flattened."""
        tensor = self.input(position)
        self.require(tensor.type_name in ("INT32", "INT64"), f"its {what} have type {tensor.type_name}")
        return [int(v) for v in self.constant(tensor, what).reshape(-1)]

    # ---- types, shapes and quantization ----

    def types_are(self, tensors: Sequence[TfliteTensor], type_name: str) -> bool:
        """True when all of them are of one type."""
        return all(tensor.type_name == type_name for tensor in tensors)

    def unsupported_types(self, tensors: Sequence[TfliteTensor]) -> InvalidModelError:
        """The error to raise for a combination of types that no kernel has."""
        return self.unsupported(f"types {', '.join(tensor.type_name for tensor in tensors)} are not supported")

    def require_output_shape(self, expected: Sequence[int]) -> None:
        """Raises unless the file gives the output the shape that follows from the inputs."""
        shape = list(self.output.shape)
        self.require(shape == list(expected), f"its output has shape {shape} instead of {list(expected)}")

    def scales(self, tensor: TfliteTensor, axis: int, n: int) -> npt.NDArray[np.float64]:
        """`n` scales along dimension `axis`; a single one is repeated."""
        quantization = tensor.quantization
        if quantization is None:
            raise self.unsupported(f"tensor {tensor.index} is not quantised")
        scale = np.array(quantization.scale, np.float64)
        self.require(bool(np.all(np.isfinite(scale) & (scale > 0))), f"tensor {tensor.index} has an unusable scale")
        self.require(scale.size in (1, n), f"tensor {tensor.index} has {scale.size} scales for {n} channels")
        self.require(
            scale.size == 1 or quantization.axis == axis, f"tensor {tensor.index} is quantised along axis {axis}"
        )
        return np.broadcast_to(scale, (n,))

    def quantization(self, tensor: TfliteTensor) -> tuple[float, int]:
        """Scale and zero point of a tensor that is quantised as a whole."""
        scale = float(self.scales(tensor, 0, 1)[0])
        zero_point = tensor.quantization.zero_point[0] if tensor.quantization is not None else 0
        assert tensor.dtype is not None  # noqa: S101 - _checked saw to it
        limits = np.iinfo(tensor.dtype)
        self.require(limits.min <= zero_point <= limits.max, f"tensor {tensor.index} has zero point {zero_point}")
        return scale, zero_point

    def bias(self, position: int, type_name: str, n: int) -> CArray | None:
        """The constant bias of `n` channels at input `position`, None where there is none."""
        tensor = self.optional_input(position)
        if tensor is None:
            return None
        values = self.constant(tensor, "biases")
        self.require(tensor.type_name == type_name, f"its biases have type {tensor.type_name}")
        self.require(values.size == n, f"{values.size} biases for {n} channels")
        return c_array("int32_t" if type_name == "INT32" else "float", values.reshape(-1))

    def option(self, name: str) -> Any:
        """A builtin option by its name in the schema."""
        return self.operator.options[name]

    # ---- the result ----

    def node(
        self,
        function: str,
        source: str,
        params_type: str,
        params: Mapping[str, ParamValue],
        inputs: Sequence[TfliteTensor],
        *,
        node_type: int = NodeType.OTHER,
        macc: int = 0,
        scratch_bytes: int = 0,
        inputs_as_array: bool = False,
    ) -> CNode:
        """The node that calls `function` with `inputs` and the operator's output."""
        self.require(all(tensor is not self.output for tensor in inputs), "its output is one of its inputs")
        return CNode(
            index=self.operator.index,
            operator=self.operator.name,
            function=function,
            source=source,
            params_type=params_type,
            params=params,
            inputs=tuple(tensor.index for tensor in inputs),
            outputs=(self.output.index,),
            inputs_as_array=inputs_as_array,
            scratch_bytes=scratch_bytes,
            macc=macc,
            node_type=node_type,
        )


def c_array(ctype: str, values: npt.ArrayLike) -> CArray:
    """A constant array of `ctype`; the values must fit it."""
    return CArray(ctype, np.ascontiguousarray(values, C_DTYPES[ctype]))
