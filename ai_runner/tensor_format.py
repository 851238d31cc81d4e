"""ST's 32-bit format word: how the elements of a tensor are stored.

Fields (c-model and aiValidation firmware alike): bits 6..0 fractional bits + 64, 13..7 number of bits, 20..17 type,
23 signed; the bits above 24 are flags and are masked away. Packed 1-bit tensors pad their last dimension to 32-bit
words, first element in the most significant bit, a set bit meaning -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

WORD_BITS = 32  # of a word that packed elements share
_FORMAT_MASK = 0x01FFFFFF
_SIGNED = 1 << 23


class FormatKind(IntEnum):
    """The type field of the format word."""

    NONE = 0
    FLOAT = 1
    INTEGER = 2
    BOOL = 3


@dataclass(frozen=True)
class TensorFormat:
    """A decoded format word.

    Attributes:
        word: the 25 significant bits of the word.
        kind: float, integer (plain or fixed point) or bool.
        bits: bits of one element.
        fractional_bits: of a fixed-point (Q) number: real = q * 2**-fractional_bits.
        signed: two's complement, or for 1 bit: -1/+1.
    """

    word: int
    kind: FormatKind
    bits: int
    fractional_bits: int
    signed: bool

    @classmethod
    def decode(cls, word: int) -> TensorFormat:
        """Reads a format word; an unknown type field counts as NONE."""
        word &= _FORMAT_MASK
        kind = (word >> 17) & 0xF
        return cls(
            word=word,
            kind=FormatKind(kind) if kind in tuple(FormatKind) else FormatKind.NONE,
            bits=(word >> 7) & 0x7F,
            fractional_bits=(word & 0x7F) - 64,
            signed=bool(word & _SIGNED),
        )

    @classmethod
    def of_dtype(cls, dtype: npt.DTypeLike) -> TensorFormat:
        """The format of a plain numpy type; raises KeyError for one that ST's tools do not have."""
        return cls.decode(_WORD_OF_DTYPE[np.dtype(dtype).name])

    @property
    def packed(self) -> bool:
        """True when several elements share a word."""
        return 0 < self.bits < 8 and self.kind is not FormatKind.NONE and not self.fixed_point

    def stored_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the storage for elements of `shape`: the last dimension of a packed tensor counts words."""
        if not self.packed or not shape:
            return tuple(shape)
        return (*shape[:-1], -(-shape[-1] * self.bits // WORD_BITS))

    @property
    def fixed_point(self) -> bool:
        """True for Q formats."""
        return self.kind is FormatKind.INTEGER and self.fractional_bits > 0

    @property
    def dtype(self) -> np.dtype[np.generic] | None:
        """The numpy type of one storage unit; None when numpy has none."""
        if self.kind is FormatKind.BOOL:
            return np.dtype(np.bool_)
        if self.kind is FormatKind.FLOAT:
            return np.dtype(f"f{self.bits // 8}") if self.bits in (16, 32, 64) else None
        if self.kind is not FormatKind.INTEGER:
            return None
        if self.bits == 1:
            return np.dtype(np.int32 if self.signed else np.uint32)
        storage = 8 if self.fixed_point and self.bits <= 8 else self.bits
        return np.dtype(f"{'i' if self.signed else 'u'}{storage // 8}") if storage in (8, 16, 32, 64) else None


_WORD_OF_DTYPE = {
    "float16": 0x00820840,
    "float32": 0x00821040,
    "float64": 0x00822040,
    "uint8": 0x00040440,
    "int8": 0x00840440,
    "uint16": 0x00040840,
    "int16": 0x00840840,
    "uint32": 0x00041040,
    "int32": 0x00841040,
    "uint64": 0x00042040,
    "int64": 0x00842040,
    "bool": 0x00060440,
}
