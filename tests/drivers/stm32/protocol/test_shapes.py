"""The order of dimensions."""

from __future__ import annotations

import pytest

from ai_runner.drivers.stm32.protocol.shapes import shown_shape


@pytest.mark.parametrize(
    ("code", "dims", "shown"),
    [
        (0, (2, 3), (2, 3)),
        (5, (2, 3), (2, 3)),
        (1, (9,), (1, 1, 1, 9)),
        (1, (1, 2, 3, 4), (1, 4, 3, 2)),
        (1, (1, 2, 3, 4, 5), (1, 4, 3, 5, 2)),
        (1, (1, 2, 3, 4, 5, 6), (1, 4, 3, 5, 6, 2)),
        (2, (7,), (7,)),
        (2, (1, 5), (1, 1, 1, 5)),
        (2, (1, 4, 5), (1, 4, 1, 5)),
        (2, (1, 2, 3, 4), (1, 2, 3, 4)),
        (3, (1, 2, 3, 4), (1, 4, 2, 3)),
        (3, (1, 2, 3, 4, 5), (1, 2, 5, 3, 4)),
        (3, (1, 2, 3, 4, 5, 6), (1, 2, 3, 6, 4, 5)),
        (4 | 64, (1, 8, 8), (1, 8, 8)),
        (4 | 64, (3, 8), (1, 3, 8)),
        (4 | 32, (1, 8), (1, 1, 8)),
        (9, (2, 3), (2, 3)),
        (1, (), ()),
    ],
)
def test_shape_is_shown(code: int, dims: tuple[int, ...], shown: tuple[int, ...]) -> None:
    assert shown_shape(code, dims) == shown
