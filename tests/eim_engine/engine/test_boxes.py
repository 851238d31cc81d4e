from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ai_runner.eim_engine.engine.boxes import bounding_boxes


def grid(*rows: str) -> np.ndarray:
    """Scores of one class: tenths as digits, . for 0; the background has 1."""
    tenths = [[0 if letter == "." else int(letter) for letter in row] for row in rows]
    scores = np.array(tenths, np.float32)[..., np.newaxis] / np.float32(10)
    return np.concatenate([np.ones_like(scores), scores], axis=2)


def places(scores: np.ndarray, min_score: float = 0.5) -> list[tuple[int, int, int, int, float]]:
    boxes = bounding_boxes(scores, ["stop"], min_score)
    assert all(box["label"] == "stop" for box in boxes)
    return [(box["x"], box["y"], box["width"], box["height"], round(box["value"], 3)) for box in boxes]


def test_neighbours_unite_with_the_best_score() -> None:
    assert places(grid("....", ".57.", "....", "6...")) == [(8, 8, 16, 8, 0.7), (0, 24, 8, 8, 0.6)]


def test_corners_touch() -> None:
    assert places(grid("5..", ".5.", "..5")) == [(0, 0, 24, 24, 0.5)]


def test_cells_that_meet_later_are_one_box() -> None:
    assert places(grid("5.5", "5.5", "555")) == [(0, 0, 24, 24, 0.5)]


def test_a_cell_on_the_left_is_not_lost() -> None:
    assert places(grid("..5", ".5.", "...")) == [(8, 0, 16, 16, 0.5)]


def test_the_threshold_is_reached_from_below() -> None:
    scores = grid("345")
    assert places(scores, 0.4) == [(8, 0, 16, 8, 0.5)]
    assert places(scores, 0.6) == []
    assert places(grid("..5"), 0.0) == [(16, 0, 8, 8, 0.5)]


def test_classes_do_not_unite() -> None:
    scores = np.zeros((1, 2, 3), np.float32)
    scores[0, 0, 1] = scores[0, 1, 2] = 1
    labels = [(box["label"], box["x"]) for box in bounding_boxes(scores, ["a", "b"], 0.5)]
    assert labels == [("a", 0), ("b", 8)]


@given(arrays(np.float32, (5, 6, 2), elements=st.sampled_from([0.0, 0.25, 0.75, 1.0])))
def test_every_cell_over_the_threshold_is_in_a_box(scores: np.ndarray) -> None:
    boxes = bounding_boxes(scores, ["stop"], 0.5)
    for row, column in np.argwhere(scores[..., 1] >= 0.5):
        around = [
            box
            for box in boxes
            if box["x"] <= column * 8 < box["x"] + box["width"] and box["y"] <= row * 8 < box["y"] + box["height"]
        ]
        assert around
        assert max(box["value"] for box in around) >= scores[row, column, 1]
