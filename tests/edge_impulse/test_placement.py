"""Resize modes as geometry, and boxes brought back to the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.edge_impulse.placement import RESIZE_MODES, Region, place
from ai_runner.errors import InvalidParamError

EXTENT = st.integers(1, 3000)
SIZE = st.tuples(EXTENT, EXTENT)


@pytest.mark.parametrize(
    ("mode", "picture", "size", "crop", "inner"),
    [
        ("squash", (640, 480), (96, 96), Region(0, 0, 640, 480), Region(0, 0, 96, 96)),
        ("fit-shortest", (640, 480), (96, 96), Region(80, 0, 480, 480), Region(0, 0, 96, 96)),
        ("fit-shortest", (480, 640), (96, 64), Region(0, 160, 480, 320), Region(0, 0, 96, 64)),
        ("fit-longest", (640, 480), (96, 96), Region(0, 0, 640, 480), Region(0, 12, 96, 72)),
        ("fit-longest", (147, 147), (96, 96), Region(0, 0, 147, 147), Region(0, 0, 95, 95)),
        ("fit-longest", (2000, 4), (96, 96), Region(0, 0, 2000, 4), Region(0, 47, 96, 1)),
        ("fit-shortest", (2, 4000), (4000, 2), Region(0, 1999, 2, 1), Region(0, 0, 4000, 2)),
        ("none", (96, 64), (96, 64), Region(0, 0, 96, 64), Region(0, 0, 96, 64)),
    ],
)
def test_places(mode: str, picture: tuple[int, int], size: tuple[int, int], crop: Region, inner: Region) -> None:
    placement = place(mode, picture, size)
    assert (placement.crop, placement.inner) == (crop, inner)


@given(st.sampled_from(("squash", "fit-shortest", "fit-longest")), SIZE, SIZE)
def test_regions_lie_within_picture_and_input(mode: str, picture: tuple[int, int], size: tuple[int, int]) -> None:
    placement = place(mode, picture, size)
    for region, (width, height) in ((placement.crop, picture), (placement.inner, size)):
        assert min(region.width, region.height) >= 1
        assert 0 <= region.left <= region.left + region.width <= width
        assert 0 <= region.top <= region.top + region.height <= height


@given(st.sampled_from(("squash", "fit-shortest", "fit-longest")), SIZE, SIZE)
def test_a_box_around_the_inner_region_is_the_crop(mode: str, picture: tuple[int, int], size: tuple[int, int]) -> None:
    placement = place(mode, picture, size)
    inner, crop = placement.inner, placement.crop
    box = {"label": "a", "value": 0.5, "x": inner.left, "y": inner.top, "width": inner.width, "height": inner.height}
    back = placement.to_picture(box)
    assert (back["x"], back["y"], back["width"], back["height"]) == (crop.left, crop.top, crop.width, crop.height)
    assert (back["label"], back["value"]) == ("a", 0.5)


def test_a_box_over_the_border_ends_at_the_picture() -> None:
    placement = place("fit-longest", (640, 480), (96, 96))
    back = placement.to_picture({"x": 48, "y": 0, "width": 48, "height": 96})
    assert back == {"x": 320, "y": 0, "width": 320, "height": 480}


@pytest.mark.parametrize("mode", ["", "squish", "not-reported"])
def test_an_unknown_mode_lists_the_known(mode: str) -> None:
    with pytest.raises(ValueError, match="unknown resize mode") as caught:
        place(mode, (4, 4), (2, 2))
    assert isinstance(caught.value, InvalidParamError)
    assert all(known in caught.value.hint for known in RESIZE_MODES)


def test_none_takes_the_exact_size_only() -> None:
    with pytest.raises(InvalidParamError, match=r"640x480 for an input of 96x96"):
        place("none", (640, 480), (96, 96))


def test_nothing_to_resize() -> None:
    with pytest.raises(InvalidParamError, match="nothing to resize"):
        place("squash", (0, 480), (96, 96))
