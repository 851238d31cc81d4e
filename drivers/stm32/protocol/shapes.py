"""The order of dimensions, from what a v3 firmware sends to what this library shows."""

from __future__ import annotations

from collections.abc import Sequence

from ai_runner.drivers.stm32.protocol.codes import ShapeFormat

_HAS_BATCH = 64

# (format, rank) -> position of each shown dimension in `dims`; None stands for a dimension of 1.
_ORDER: dict[tuple[int, int], tuple[int | None, ...]] = {
    (ShapeFormat.BCWH, 1): (None, None, None, 0),
    (ShapeFormat.BCWH, 4): (0, 3, 2, 1),
    (ShapeFormat.BCWH, 5): (0, 3, 2, 4, 1),
    (ShapeFormat.BCWH, 6): (0, 3, 2, 4, 5, 1),
    (ShapeFormat.BHWC, 2): (0, None, None, 1),
    (ShapeFormat.BHWC, 3): (0, 1, None, 2),
    (ShapeFormat.BCHW, 4): (0, 3, 1, 2),
    (ShapeFormat.BCHW, 5): (0, 1, 4, 2, 3),
    (ShapeFormat.BCHW, 6): (0, 1, 2, 5, 3, 4),
}


def shown_shape(code: int, dims: Sequence[int]) -> tuple[int, ...]:
    """The shape of a tensor from its format code (`aiTensorDescMsg.n_dims >> 24`) and its `dims`.

    ST_AI shapes get a leading 1 where they have no batch dimension; other ranks and formats are shown as sent.
    """
    if code & 0xF == ShapeFormat.ST_AI:
        batched = bool(code & _HAS_BATCH) and tuple(dims[:1]) == (1,)
        return tuple(dims) if batched else (1, *dims)
    order = _ORDER.get((code & 0xF, len(dims)))
    if order is None:
        return tuple(dims)
    return tuple(1 if position is None else dims[position] for position in order)
