"""A fair sample of a stream of unknown length, of bounded size, and the same however the stream is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_UNSEEN = np.iinfo(np.uint64).max


class Reservoir:
    """Keeps `capacity` of the rows it sees, each with the same chance, whatever way they come in chunks.

    A row is drawn by a hash of its position: those with the smallest hashes stay. So no random state is needed, two
    runs over the same data keep the same rows, and a period in the data (ten classes, say) cannot hide in a stride.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self._capacity = capacity
        self._rows = np.empty((0, width))
        self._positions = np.empty(0, np.uint64)
        self._hashes = np.empty(0, np.uint64)
        self._largest = np.uint64(_UNSEEN)
        self.count = 0

    def update(self, *columns: Array) -> None:
        """Adds rows: one flat array a column, all of one length."""
        positions = np.arange(self.count, self.count + columns[0].size, dtype=np.uint64)
        self.count += columns[0].size
        hashes = _splitmix64(positions)
        full = len(self._hashes) == self._capacity
        chosen = np.flatnonzero(hashes < (self._largest if full else _UNSEEN))
        if not chosen.size:
            return
        rows = np.stack([column.reshape(-1)[chosen].astype(np.float64) for column in columns], axis=1)
        self._rows = np.concatenate([self._rows, rows])
        self._positions = np.concatenate([self._positions, positions[chosen]])
        self._hashes = np.concatenate([self._hashes, hashes[chosen]])
        if len(self._hashes) >= self._capacity:
            kept = np.sort(np.argpartition(self._hashes, self._capacity - 1)[: self._capacity])
            self._rows, self._positions, self._hashes = self._rows[kept], self._positions[kept], self._hashes[kept]
            self._largest = self._hashes.max()

    @property
    def rows(self) -> npt.NDArray[np.float64]:
        """What was kept, ``(kept, columns)``, in the order it came."""
        return self._rows

    @property
    def positions(self) -> npt.NDArray[np.uint64]:
        """Where in the stream the kept rows stood, counted from 0."""
        return self._positions


def _splitmix64(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection of 64-bit integers that looks random (Steele, Lea and Flood, OOPSLA 2014)."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z
