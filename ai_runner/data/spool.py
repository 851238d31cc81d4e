"""Samples that come one after the other, kept in temporary files so that any of them can be read again."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from math import prod
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from ai_runner.errors import HwIOError

Array = npt.NDArray[Any]


class Spool:
    """Files without a name, one an input, in the folder for temporary files (``TMPDIR``). A context manager.

    Memory does not grow with the number of samples. The arrays outlive the context; the files vanish with them.
    """

    def __init__(self, inputs: int) -> None:
        self._stack = ExitStack()
        self._count = 0
        self._kinds: list[tuple[np.dtype[Any], tuple[int, ...]]] = []
        try:
            self._files: list[IO[bytes]] = [
                self._stack.enter_context(tempfile.TemporaryFile(prefix="ai-runner-"))  # noqa: SIM115 - closed on exit
                for _ in range(inputs)
            ]
        except OSError as error:
            raise no_room(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, sample: list[Array]) -> None:
        """Adds one sample, an array an input; types and shapes are those of the first.

        Raises:
            ValueError: another type or shape than that of the first sample; one line.
            HwIOError: the disk is full.
        """
        kinds = [(array.dtype, array.shape) for array in sample]
        self._kinds = self._kinds or kinds
        for (dtype, shape), (first_dtype, first_shape) in zip(kinds, self._kinds, strict=True):
            if shape != first_shape or dtype != first_dtype:
                raise ValueError(f"{dtype}{list(shape)}, the first sample has {first_dtype}{list(first_shape)}")
        try:
            for array, file in zip(sample, self._files, strict=True):
                file.write(np.ascontiguousarray(array).tobytes())
        except OSError as error:
            raise no_room(error) from error
        self._count += 1

    def arrays(self) -> list[Array]:
        """All samples, one array an input, mapped read-only."""
        return [self._mapped(file, *kind) for file, kind in zip(self._files, self._kinds, strict=False)]

    def _mapped(self, file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        whole = (self._count, *shape)
        if not prod(whole):
            return np.empty(whole, dtype)
        try:
            file.flush()
            mapped: Array = np.memmap(file, dtype, "r", shape=whole)
        except OSError as error:
            raise no_room(error) from error
        return mapped


def no_room(error: OSError) -> HwIOError:
    """What to say when the folder for temporary files does not take any more."""
    return HwIOError(
        f"{tempfile.gettempdir()}: samples cannot be kept: {error.strerror or error}",
        hint="the variable TMPDIR names a folder with more room",
    )
