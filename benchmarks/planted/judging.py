"""Judging what targets have computed; the reference runs once, and its layers again only where that is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner import AiRunner
from ai_runner.compare.participant import Session
from ai_runner.compare.target_judge import NoiseFloor
from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import TargetResult
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult
from ai_runner.rerun import Rerun, TensorPlace

Array = npt.NDArray[Any]
LAYERS = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
KERNELS = ("reference", "builtin", "xnnpack")


class Recorded:
    """What a runtime has computed from some samples, as a runtime of its own.

    Args:
        result: of all samples, in order; it answers any batch of the first ones.
        info: what it says about itself; default: what the result says.
    """

    def __init__(self, result: RunResult, descriptor: str = "recorded:", info: ModelInfo | None = None) -> None:
        self.descriptor = descriptor
        self._result = result
        self._info = info or result.info
        self.names = [self._info.name]

    def model_info(self, name: Any = None) -> ModelInfo:
        return self._info

    def run(self, inputs: Any, name: Any = None, *, mode: Mode = Mode.IO_ONLY) -> RunResult:
        return first_samples(self._result, len(inputs[0]))


def first_samples(result: RunResult, samples: int) -> RunResult:
    """A result without the samples after those."""
    nodes = tuple(replace(node, data=tuple(x[:samples] for x in node.data)) for node in result.nodes)
    return replace(result, outputs=tuple(x[:samples] for x in result.outputs), nodes=nodes)


class _Arrays:
    """Samples as a source."""

    seed = None
    description = "samples of a benchmark"

    def __init__(self, array: Array) -> None:
        self._array = array
        self.samples = len(array)

    def chunk(self, start: int, stop: int) -> list[Array]:
        return [self._array[start:stop]]


class Court:
    """One model's references, and its samples.

    Args:
        path: of the .tflite.
        inputs: ``(samples,) + sample_shape``.
    """

    def __init__(self, path: Path, inputs: Array) -> None:
        self._path = path
        self._inputs = inputs
        self._runners = {kernels: AiRunner.open(f"tflite:{path}?kernels={kernels}") for kernels in KERNELS}
        self._results: dict[str, RunResult] = {}
        self._known: dict[Any, Rerun | None] = {}
        self._keeping = False

    def close(self) -> None:
        """Closes the references."""
        for runner in self._runners.values():
            runner.close()

    def result(self, kernels: str) -> RunResult:
        """What a kernel set computes from the samples."""
        if kernels not in self._results:
            self._results[kernels] = self._runners[kernels].run([self._inputs], mode=LAYERS)
        return self._results[kernels]

    @property
    def operators(self) -> list[str]:
        """``CONV_2D``, ..., one a node."""
        return [node.info.type_name for node in self.result(KERNELS[0]).nodes]

    def forget(self) -> None:
        """Drops what `remembering` has kept."""
        self._known.clear()

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Keeps what is run again: layers before a fault are those of the correct target."""
        self._keeping = True
        try:
            yield
        finally:
            self._keeping = False

    def judge(self, *targets: Session, exact: bool = False, kernels: Sequence[str] = KERNELS) -> list[TargetResult]:
        """The verdicts on targets that are given the samples.

        Args:
            kernels: kernel sets that are trusted; the first one is the reference.
        """

        def rerun(node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
            found = self._rerun(node, recorded)
            if found is None:
                return None
            return replace(found, outputs={name: x for name, x in found.outputs.items() if name in kernels})

        found = validate(
            Recorded(self.result(kernels[0]), f"tflite:{self._path}"),
            targets,
            _Arrays(self._inputs),
            per_layer=True,
            noise_floor=NoiseFloor(rerun, exact=exact),
            chunk_samples=len(self._inputs),
            chunk_bytes=1 << 40,
        )
        return list(found.targets)

    def _rerun(self, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        key = node, tuple((place, array.shape, hash(array.tobytes())) for place, array in sorted(recorded.items()))
        if key in self._known:
            return self._known[key]
        found = self._runners[KERNELS[0]].rerun(node, recorded)
        if self._keeping:
            self._known[key] = found
        return found


def changed_nodes(one: RunResult, other: RunResult) -> list[int]:
    """Positions of the nodes whose tensors differ in any bit."""
    return [
        position
        for position, (mine, theirs) in enumerate(zip(one.nodes, other.nodes, strict=True))
        if any(not np.array_equal(_bits(a), _bits(b)) for a, b in zip(mine.data, theirs.data, strict=True))
    ]


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(np.uint8)
