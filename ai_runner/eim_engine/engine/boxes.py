"""Boxes out of a grid of class scores, as FOMO models give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

CELL = 8
"""Pixels of the model's input that one cell of the grid is wide and high."""


def bounding_boxes(
    scores: npt.NDArray[np.float32], labels: Sequence[str], min_score: float
) -> list[dict[str, str | float | int]]:
    """Boxes around neighbouring cells of one class, in pixels of the model's input, in reading order of first cells.

    Cells touch also at their corners. A box has the best score of its cells.

    Args:
        scores: ``(rows, columns, 1 + len(labels))``, the first class is the background.
        labels: of the other classes.
        min_score: cells below it are left out.
    """
    found = []
    wanted = (scores >= np.float32(min_score)) & (scores != 0)
    for place, label in enumerate(labels, start=1):
        for cells in _neighbourhoods(wanted[:, :, place]):
            rows, columns = zip(*cells, strict=True)
            box = {
                "label": label,
                "value": float(scores[rows, columns, place].max()),
                "x": min(columns) * CELL,
                "y": min(rows) * CELL,
                "width": (max(columns) - min(columns) + 1) * CELL,
                "height": (max(rows) - min(rows) + 1) * CELL,
            }
            found.append((cells[0], place, box))
    return [box for _, _, box in sorted(found, key=lambda entry: entry[:2])]


def _neighbourhoods(cells: npt.NDArray[Any]) -> list[list[tuple[int, int]]]:
    """The (row, column) of the true cells, grouped by touching, in reading order of their first cells."""
    left = {(int(row), int(column)): None for row, column in np.argwhere(cells)}
    groups = []
    while left:
        group = [next(iter(left))]
        del left[group[0]]
        for row, column in group:  # grows while it is walked through
            for neighbour in [(row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]:
                if neighbour in left:
                    del left[neighbour]
                    group.append(neighbour)
        groups.append(group)
    return groups
