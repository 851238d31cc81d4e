"""Where the inputs of a run over many samples come from, as far as a run needs to know."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt


class InputSource(Protocol):
    """Inputs of a model, read in chunks (`ai_runner.data` has some)."""

    @property
    def samples(self) -> int:
        """How many there are."""

    @property
    def seed(self) -> int | None:
        """Of random inputs."""

    @property
    def description(self) -> str:
        """Where they come from and what is done with them, one line."""

    def chunk(self, start: int, stop: int) -> list[npt.NDArray[Any]]:
        """Samples start..stop-1: one array an input, ``(stop - start,) + sample_shape`` in the model's type."""
