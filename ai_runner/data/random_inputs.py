"""Inputs of random numbers that are the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.labels import Labels
from ai_runner.errors import InvalidParamError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]

DEFAULT_SEED = 42
DEFAULT_SAMPLES = 16
_PHILOX_WORDS = 4  # of 64 bits, made for each value of the counter


class RandomInputs:
    """Random inputs: integers over their full range, floats uniform in [-1, 1), booleans 0 or 1.

    Sample i of input k depends on the seed, i and k only: not on the number of samples, the chunks, the machine or
    the version of numpy. (The words of the counter-based Philox4x64-10 are used as they come; numpy keeps the bit
    streams of its bit generators, but not what its distributions make of them.)
    """

    labels: Labels | None = None

    def __init__(self, inputs: Sequence[TensorInfo], samples: int = DEFAULT_SAMPLES, seed: int = DEFAULT_SEED) -> None:
        """Raises InvalidParamError for no samples, a negative seed or a dtype that has no random values."""
        if samples < 1:
            raise InvalidParamError(f"{samples} random samples", hint="at least one sample is needed")
        if not 0 <= seed < 2**64:
            raise InvalidParamError(f"the seed {seed} is not in 0..2**64-1")
        for tensor in inputs:
            if tensor.dtype.kind not in "iubf":
                raise InvalidParamError(f"input '{tensor.name}': no random values for dtype {tensor.dtype}")
        self._inputs = tuple(inputs)
        self.samples = samples
        self.seed = seed
        self.description = f"{samples} random samples, seed {seed}"

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Samples start..stop-1, one array an input."""
        return [self._input(k, tensor, start, stop) for k, tensor in enumerate(self._inputs)]

    def _input(self, k: int, tensor: TensorInfo, start: int, stop: int) -> Array:
        size = prod(tensor.sample_shape)
        words = -(-size * tensor.dtype.itemsize // 8) if tensor.dtype.kind in "iu" else size
        blocks = -(-words // _PHILOX_WORDS)
        # Every sample has its own range of the counter, so that a chunk is one run of the generator from anywhere.
        counter = [(start * blocks >> shift) & (2**64 - 1) for shift in (0, 64, 128, 192)]
        generator = np.random.Philox(key=np.array([self.seed, k], np.uint64), counter=np.array(counter, np.uint64))
        stream = generator.random_raw((stop - start, blocks * _PHILOX_WORDS))
        batch = _values(stream[:, :words], tensor.dtype, size)
        return batch.reshape(stop - start, *tensor.sample_shape)


def _values(words: npt.NDArray[np.uint64], dtype: np.dtype[Any], size: int) -> Array:
    if dtype.kind in "iu":
        octets = np.ascontiguousarray(words, "<u8")
        return octets.view(dtype.newbyteorder("<")).astype(dtype, copy=False)[:, :size]
    if dtype.kind == "b":
        values: Array = words >> np.uint64(63) != 0
        return values
    # As many bits as the float holds: every value is exact, and 1 is never reached by rounding.
    bits = min(np.finfo(dtype).nmant + 1, 53)
    unit = (words >> np.uint64(64 - bits)).astype(np.float64) * 2.0**-bits
    return (2.0 * unit - 1.0).astype(dtype)
