from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ai_runner.c_model.operators.strided import Dimension, merged, row_major

DIMENSIONS = st.lists(
    st.builds(Dimension, st.integers(1, 4), st.sampled_from([0, 1, 2, 4, 12, -1]), st.sampled_from([0, 1, 3, 6])),
    max_size=5,
)


def walk(dimensions: list[Dimension]) -> list[tuple[int, int]]:
    """The offsets into both arrays in the order of the loops."""
    indices = itertools.product(*(range(d.size) for d in dimensions))
    return [
        (
            sum(i * d.a for i, d in zip(index, dimensions, strict=True)),
            sum(i * d.b for i, d in zip(index, dimensions, strict=True)),
        )
        for index in indices
    ]


@given(dimensions=DIMENSIONS)
def test_merging_keeps_the_walk(dimensions: list[Dimension]) -> None:
    assert walk(merged(dimensions)) == walk(dimensions)


@given(shape=st.lists(st.integers(1, 5), max_size=6))
def test_a_dense_array_is_one_loop(shape: list[int]) -> None:
    strides = row_major(shape)
    assert len(merged(Dimension(n, s, s) for n, s in zip(shape, strides, strict=True))) <= 1
