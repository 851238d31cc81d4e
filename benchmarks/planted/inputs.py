"""Ways in which an input is spoiled between the caller and the first layer, as by a wrapper around the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]
Cast = Callable[[Array], Array]


def casts(tensor: TensorInfo) -> Iterator[tuple[str, Cast]]:
    """Names and functions for an input of this type and shape; arrays are ``(batch,) + sample_shape``."""
    if tensor.dtype.kind == "f":
        yield "to int8, truncated", lambda x: x.astype(np.int32).astype(np.int8).astype(x.dtype)
        yield "to uint8, saturated", lambda x: np.clip(x, 0, 255).astype(np.uint8).astype(x.dtype)
        yield "to int32", lambda x: x.astype(np.int32).astype(x.dtype)
        yield "to float16", lambda x: x.astype(np.float16).astype(x.dtype)
        yield "to bfloat16", lambda x: (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        yield "divided by 255", lambda x: x / x.dtype.type(255)
    else:
        assert tensor.quantization is not None
        scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zero_point[0]
        yield "unsigned for signed", lambda x: (x.view(np.uint8) ^ np.uint8(128)).view(np.int8)
        yield (
            "real values to int8, no scale",
            lambda x: np.clip((x.astype(np.float64) - zero_point) * scale, -128, 127).astype(np.int8),
        )
        yield (
            "real values to uint8 and back",
            lambda x: np.clip((x.astype(np.float64) - zero_point) * scale, 0, 255).astype(np.uint8).view(np.int8),
        )
        yield "negative values lost", lambda x: np.maximum(x, 0)
        yield "halved", lambda x: x >> 1
        yield "to four bits", lambda x: x & -16
        yield "to unsigned, saturated", lambda x: np.clip(x.astype(np.int16) + 128, 0, 127).astype(np.int8)
        yield "negative values to 127", lambda x: np.where(x < 0, 127, x).astype(np.int8)
    if len(tensor.sample_shape) == 3 and tensor.sample_shape[-1] == 3:
        yield "BGR for RGB", lambda x: np.ascontiguousarray(x[..., ::-1])
    if len(tensor.sample_shape) == 3:
        yield "channels first", lambda x: np.ascontiguousarray(np.moveaxis(x, 3, 1)).reshape(x.shape)
