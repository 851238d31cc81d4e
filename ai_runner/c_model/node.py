"""A node of the C-model: one kernel call with everything the code generator has to write for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CArray:
    """A constant array of the generated file (`static const <ctype> name[]`).

    Attributes:
        ctype: element type in C: a key of `C_DTYPES`
        values: the elements, any shape, written in C order; dtype as `ctype` says.
    """

    ctype: str
    values: npt.NDArray[Any]

    def __post_init__(self) -> None:
        if self.values.dtype != np.dtype(C_DTYPES[self.ctype]):
            raise TypeError(f"{self.values.dtype} elements cannot be written as {self.ctype}")


C_DTYPES: Mapping[str, str] = {
    "int8_t": "int8",
    "uint8_t": "uint8",
    "int16_t": "int16",
    "int32_t": "int32",
    "float": "float32",
    "double": "float64",
}
"""C element type of a constant array -> numpy dtype."""


class NodeType:
    """ST's numbers of the operator kinds that kernels have (stateless operators are 0x100 + n)."""

    OTHER = 0x100
    CONV_2D = 0x103
    DENSE = 0x104
    NON_LINEAR = 0x107
    TRANSPOSE = 0x10A
    POOL = 0x10B
    SOFTMAX = 0x10C
    CONCAT = 0x110
    ELTWISE = 0x113
    ELTWISE_INTEGER = 0x114
    PAD = 0x116
    SLICE = 0x117
    REDUCE = 0x119
    RESIZE = 0x11B


ParamValue = int | float | bool | Sequence[int] | CArray | None
"""What a field of a parameter struct holds: a scalar, a fixed array of integers, a constant array, NULL."""


@dataclass(frozen=True)
class CNode:
    """One operator of the model lowered to one call of a kernel.

    The call is ``function(&params, in0, ..., out0, ...[, scratch])``.

    Attributes:
        index: index of the operator in the .tflite; the node's id.
        operator: TFLite's name of it, "CONV_2D".
        function: the kernel, "conv_2d_s8"; declared in kernels/kernels.h.
        source: kernel file without ending, "conv_2d" -> kernels/conv_2d.c.
        params_type: the C struct that `params` initialises, passed as `const <params_type> *`.
        params: field -> value in the order of the struct's declaration; a field is a designator of C99, so that
            "window.stride_height" is a field of the nested struct `window`. A float field takes a value that is
            exactly representable as float32 and is to be written exactly.
        inputs: tensors read, in argument order; constant tensors may be among them.
        outputs: tensors written, in argument order.
        inputs_as_array: the inputs are passed as one `const void *const *`.
        scratch_bytes: when above 0 the kernel takes a last argument `void *scratch` of that many bytes, 8-byte aligned.
        macc: multiply-accumulate operations of one run.
        node_type: one of `NodeType`.
    """

    index: int
    operator: str
    function: str
    source: str
    params_type: str
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    inputs_as_array: bool = False
    scratch_bytes: int = 0
    macc: int = 0
    node_type: int = NodeType.OTHER
