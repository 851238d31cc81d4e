"""Which dialect a firmware speaks."""

from __future__ import annotations

import pytest

from ai_runner.drivers.stm32.protocol.dialect import DIALECTS, dialect_of
from ai_runner.drivers.stm32.protocol.errors import UnsupportedDialectError


@pytest.mark.parametrize(
    ("header_bytes", "version", "name"),
    [
        *((known.header_bytes, known.version, known.name) for known in DIALECTS),
        (1, (2, 9), "v2.2"),
        (1, (3, 2), "v3.1-1b"),
        (2, (3, 9), "v3.2"),
        (2, (3, 0), "v3.1-2b"),
    ],
)
def test_known_or_nearest(header_bytes: int, version: tuple[int, int], name: str) -> None:
    assert dialect_of(header_bytes, version).name == name


@pytest.mark.parametrize(("header_bytes", "version"), [(1, (1, 4)), (1, (2, 0)), (2, (2, 1)), (2, (4, 0)), (1, (0, 0))])
def test_other_protocols_are_refused_with_a_way_out(header_bytes: int, version: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedDialectError, match="not supported") as caught:
        dialect_of(header_bytes, version)
    assert "aiValidation" in caught.value.hint
    assert not caught.value.retryable
