"""AiTensorDesc: a tensor as scripts written for ST's AiRunner see it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np

from ai_runner.model import TensorInfo, TensorRole


class AiTensorType(Enum):
    """What a tensor is to its model."""

    UNDEFINED = TensorRole.UNDEFINED.value
    INPUT = TensorRole.INPUT.value
    OUTPUT = TensorRole.OUTPUT.value
    INTERNAL = TensorRole.INTERNAL.value


class AiTensorDesc(NamedTuple):
    """`scale` and `zero_point` are lists, ``[0.0]`` and ``[0]`` when the tensor is not quantised."""

    iotype: AiTensorType
    name: str
    shape: tuple[int, ...]
    dtype: type[np.generic]
    scale: list[float]
    zero_point: list[int]


def tensor_desc(tensor: TensorInfo, role: TensorRole) -> AiTensorDesc:
    """The description of `tensor` in the given role."""
    q = tensor.quantization
    scale, zero_point = ([0.0], [0]) if q is None else (list(q.scale), list(q.zero_point))
    return AiTensorDesc(AiTensorType(role.value), tensor.name, tensor.shape, tensor.dtype.type, scale, zero_point)
