"""Channels first and last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.compare.alignment.arrangement import arranged, arrangements, declared_arrangement, same_dimensions

sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@given(spatial=sizes, channels=st.integers(2, 5), flat=st.sampled_from(["neither", "wanted", "given"]))
def test_channels_are_found_wherever_they_are(tensors: Any, spatial: list[int], channels: int, flat: str) -> None:
    last = np.random.default_rng(0).normal(size=(2, *spatial, channels)).astype(np.float32)
    first = np.moveaxis(last, -1, 1)
    for one, other in ((first, last), (last, first)):
        wanted = tensors.f32("x", *((one[0].size,) if flat == "wanted" else one.shape[1:]))
        given_ = tensors.f32("y", *((one[0].size,) if flat == "given" else other.shape[1:]))
        ways = [way(other).reshape(2, -1) for way in arrangements(wanted, given_)]
        as_it_is = other.reshape(2, -1)
        assert any(np.array_equal(found, one.reshape(2, -1)) for found in [*ways, as_it_is])
        if flat == "neither":
            declared = declared_arrangement(wanted, given_)
            assert same_dimensions(wanted, arranged(given_, declared))
            assert declared is None or declared(other).shape[1:] == tuple(size for size in one.shape[1:] if size != 1)


@pytest.mark.parametrize(
    ("wanted", "given_", "shape"),
    [
        ((16, 8, 4), (8, 4, 16), (16, 8, 4)),
        ((8, 4, 16), (16, 8, 4), (8, 4, 16)),
        ((16, 1, 8), (1, 8, 16), (16, 8)),
        ((8, 4, 16), (8, 4, 16), None),  # as it is
        ((8, 8, 8), (8, 8, 8), None),  # the shapes do not tell
        ((512,), (8, 4, 16), None),
        ((16, 4, 8), (8, 4, 16), None),  # rows and columns are exchanged as well: something else
        ((10,), (10,), None),
    ],
)
def test_what_shapes_tell(tensors: Any, wanted: Any, given_: Any, shape: Any) -> None:
    found = declared_arrangement(tensors.f32("x", *wanted), tensors.f32("y", *given_))
    assert (None if found is None else found.shape) == shape
