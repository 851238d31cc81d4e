"""Inputs and outputs of two runtimes, matched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.packed_pixels import PackedPixels


@pytest.mark.parametrize(
    ("reference", "target", "expected"),
    [
        ([("a", 2), ("b", 3)], [("a", 2), ("b", 3)], [0, 1]),
        ([("a", 2), ("b", 2)], [("b", 2), ("a", 2)], [1, 0]),  # by name
        ([("a", 2), ("b", 3)], [("output_1", 2), ("output_2", 3)], [0, 1]),  # by order
        ([("a", 2), ("b", 3)], [("output_1", 3), ("output_2", 2)], [1, 0]),  # by shape
        ([("a", 2), ("b", 3)], [("b", 2), ("a", 3)], [0, 1]),  # names that contradict the shapes say nothing
        ([("a", 2), ("b", 2)], [("x", 2)], [None, None]),  # which of the two?
        ([("a", 2), ("b", 3)], [("x", 3)], [None, 0]),
        ([("a", 2)], [("x", 2), ("y", 3)], [0]),
        ([("a", 2)], [("x", 4)], [None]),
        ([("a", 2)], [], [None]),
    ],
)
def test_matches(
    tensors: Any, reference: list[tuple[str, int]], target: list[tuple[str, int]], expected: list[int | None]
) -> None:
    ours = [tensors.f32(name, size) for name, size in reference]
    theirs = [tensors.f32(name, 1, 1, size) for name, size in target]
    assert align_tensors(ours, theirs) == expected


def test_an_image_is_its_flattened_values_or_its_packed_pixels(tensors: Any) -> None:
    image, vector, other = tensors.f32("image", 4, 3, 3), tensors.f32("features", 36), tensors.f32("grid", 2, 6, 3)
    pixels = replace(tensors.f32("features", 12), pixels=PackedPixels(4, 3, 3))
    assert align_tensors([image], [vector]) == [0]
    assert align_tensors([vector], [image]) == [0]
    assert align_tensors([image], [pixels]) == [0]
    assert align_tensors([pixels], [image]) == [0]
    assert align_tensors([pixels], [pixels]) == [0]
    assert align_tensors([image], [other]) == [None]
