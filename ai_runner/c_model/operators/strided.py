"""Nested loops over two arrays, as kernels/strided_loop.h walks them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ai_runner.c_model.node import ParamValue
from ai_runner.c_model.operators.operator_view import OperatorView

LOOP_RANK = 6
"""Loops a kernel can nest."""


class Dimension(NamedTuple):
    """One loop: how often, and how far each array advances."""

    size: int
    a: int
    b: int = 0


def row_major(shape: Sequence[int], itemsize: int = 1) -> list[int]:
    """Strides of a dense array."""
    return [math.prod(shape[i + 1 :]) * itemsize for i in range(len(shape))]


def merged(dimensions: Iterable[Dimension]) -> list[Dimension]:
    """The same walk in as few loops as possible: neighbours that continue each other become one."""
    result: list[Dimension] = []
    for size, a, b in dimensions:
        if size == 1:
            continue
        if result and (result[-1].a, result[-1].b) == (size * a, size * b):
            result[-1] = Dimension(result[-1].size * size, a, b)
        else:
            result.append(Dimension(size, a, b))
    return result


def loop_params(op: OperatorView, name: str, dimensions: Sequence[Dimension]) -> dict[str, ParamValue]:
    """The fields of the `strided_loop` called `name`."""
    op.require(
        len(dimensions) <= LOOP_RANK, f"it needs {len(dimensions)} nested loops, at most {LOOP_RANK} are supported"
    )
    padded = [Dimension(1, 0, 0)] * (LOOP_RANK - len(dimensions)) + list(dimensions)
    return {
        f"{name}.count": math.prod(dimension.size for dimension in dimensions),
        f"{name}.shape": [dimension.size for dimension in padded],
        f"{name}.stride_a": [dimension.a for dimension in padded],
        f"{name}.stride_b": [dimension.b for dimension in padded],
    }
