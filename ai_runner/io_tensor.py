"""The `io_tensor` objects of AiRunner's dictionaries: a tensor's storage, and arrays to and from it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ai_runner.tensor_format import WORD_BITS, FormatKind, TensorFormat

if TYPE_CHECKING:
    from ai_runner.model import TensorInfo

_SHORT_NAMES = {"float16": "f16", "float32": "f32", "float64": "f64"}


class IOTensor:
    """How one tensor of a model is stored. Immutable; compares by identity."""

    __slots__ = ("_format", "_info", "_shape")

    def __init__(self, info: TensorInfo) -> None:
        self._info = info
        shape = info.shape
        self._shape = shape if shape and shape[0] == 1 else (1, *shape)
        self._format = info.format or _plain_format(info.dtype)

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self._info.name

    @property
    def tag(self) -> str:
        """``I.0``, ``O.0``, ``N.<node>.<k>``."""
        return self._info.tag

    @property
    def c_addr(self) -> int:
        """Address in the target's memory, 0 when unknown."""
        return self._info.address

    @property
    def memory_pool(self) -> str:
        """Where the bytes live."""
        return self._info.memory_pool

    @property
    def raw_fmt(self) -> int:
        """ST's format word without its flags."""
        return self._format.word

    @property
    def dtype(self) -> type[np.generic]:
        """numpy type of one storage unit."""
        return self._info.dtype.type

    @property
    def shape(self) -> tuple[int, ...]:
        """With the batch in front."""
        return self._shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self._shape)

    @property
    def quant_params(self) -> dict[str, Any]:
        """``scale`` and ``zero_point`` (arrays), or empty."""
        q = self._info.quantization
        if q is None:
            return {}
        return {"scale": np.array(q.scale, np.float32), "zero_point": np.array(q.zero_point, np.int32)}

    @property
    def is_packed(self) -> bool:
        """True when several elements share a 32-bit word."""
        return self._format.packed

    @property
    def is_bool(self) -> bool:
        """True for boolean tensors."""
        return self._format.kind is FormatKind.BOOL

    @property
    def is_signed(self) -> bool:
        """True when negative values can be stored."""
        return self._format.signed

    @property
    def is_fxp(self) -> bool:
        """True for fixed-point (Q) tensors."""
        return self._format.fixed_point

    @property
    def is_quantized(self) -> bool:
        """True when scale and zero point apply."""
        return self._info.quantization is not None

    def get_c_shape(self, shape: Sequence[int] | None = None) -> tuple[int, ...]:
        """Shape as stored: the last dimension of a packed tensor counts 32-bit words."""
        return self._format.stored_shape(self._shape if shape is None else shape)

    def get_c_size(self, shape: Sequence[int] | None = None) -> int:
        """Storage units (words when packed)."""
        return prod(self.get_c_shape(shape))

    def get_c_size_in_bytes(self) -> int:
        """Bytes of one sample as stored."""
        return self.get_c_size() * self._info.dtype.itemsize

    def zeros(self) -> npt.NDArray[Any]:
        """A zeroed array as stored."""
        return np.zeros(self.get_c_shape(), self._info.dtype)

    def pack(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Elements to storage: bits of a 1-bit tensor into words (a set bit is -1 when signed); others unchanged."""
        if not self.is_packed:
            return values
        bits = values < 0 if self.is_signed else values != 0
        padding = -bits.shape[-1] % WORD_BITS
        bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, padding)])
        words = np.packbits(bits, axis=-1).view(">u4").astype(np.uint32)
        return words.view(self._info.dtype)

    def unpack(self, words: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Storage to elements: int8 -1/+1 (signed) or 0/1 of a 1-bit tensor; others unchanged."""
        if not self.is_packed:
            return words
        count = self._shape[-1]
        octets = np.ascontiguousarray(words).view(np.uint32).astype(">u4").view(np.uint8)
        bits = np.unpackbits(octets, axis=-1, count=count).astype(np.int8)
        return (1 - 2 * bits).astype(np.int8) if self.is_signed else bits

    def quantize(self, real: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Real values to what is stored; a tensor that is neither quantised nor fixed point only changes its type."""
        q = self._info.quantization
        if q is not None:
            return q.quantize(real, self._info.dtype)
        if self.is_fxp:
            limits = np.iinfo(self._info.dtype)
            scaled = np.round(np.asarray(real, np.float64) * 2.0**self._format.fractional_bits)
            return np.clip(scaled, limits.min, limits.max).astype(self._info.dtype)
        return np.asarray(real).astype(self._info.dtype)

    def dequantize(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What is stored as real values, float32."""
        q = self._info.quantization
        if q is not None:
            return q.dequantize(stored)
        if self.is_fxp:
            return (stored * 2.0**-self._format.fractional_bits).astype(np.float32)
        return stored.astype(np.float32)

    to_float32 = dequantize

    def get_quant_desc(self) -> str:
        """``QLinear(scale,zero_point,type)``, ``Q7.8``-like for fixed point, or ''."""
        q = self._info.quantization
        if q is not None:
            scale = ",".join(f"{s:.9f}" for s in q.scale[:1]) + (f"..x{len(q.scale)}" if q.per_channel else "")
            return f"QLinear({scale},{q.zero_point[0]},{self._info.dtype.name})"
        if self.is_fxp:
            whole = self._format.bits - self._format.fractional_bits
            return f"{'Q' if self.is_signed else 'UQ'}{whole}.{self._format.fractional_bits}"
        return ""

    def to_str(self, selector: Sequence[str] | None = None, short: bool = False) -> str:
        """The parts named in `selector`: ``tag``, ``name``, ``format``, ``size``, ``quant``, ``pool``.

        All but the name by default, only tag and format when `short`.
        """
        name = "record" if self._info.dtype.names else self._info.dtype.name
        kind = (
            f"{'s' if self.is_signed else 'u'}{self._format.bits}" if self.is_packed else _SHORT_NAMES.get(name, name)
        )
        parts = {
            "name": f"'{self.name}'",
            "format": f"{kind}[{','.join(str(d) for d in self._shape)}]",
            "size": f"{self.get_c_size_in_bytes()} Bytes",
            "quant": self.get_quant_desc(),
            "pool": self.memory_pool.replace("'", ""),
        }
        chosen = selector or (("tag", "format") if short else ("tag", "format", "size", "quant", "pool"))
        text = ", ".join(parts[key] for key in chosen if parts.get(key))
        return f"{self.tag} {text}" if "tag" in chosen and self.tag else text

    def desc(self, full: bool = True) -> str:
        """`to_str`, long or short."""
        return self.to_str(short=not full)

    def __str__(self) -> str:
        return self.to_str()

    def __repr__(self) -> str:
        return f"<IOTensor {self}>"


def _plain_format(dtype: np.dtype[Any]) -> TensorFormat:
    try:
        return TensorFormat.of_dtype(dtype)
    except KeyError:
        return TensorFormat.decode(0x40)
