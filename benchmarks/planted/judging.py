"""Judging what targets have computed; the reference runs once, and its layers again only where that is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from ai_runner.errors import InvalidModelError
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
    """Samples as a source: one array an input."""

    seed = None
    description = "samples of a benchmark"

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = arrays
        self.samples = len(arrays[0])

    def chunk(self, start: int, stop: int) -> list[Array]:
        return [array[start:stop] for array in self._arrays]


class Court:
    """One model's references, and its samples.

    Args:
        path: of the .tflite.
        inputs: ``(samples,) + sample_shape``, one an input.
    """

    def __init__(self, path: Path, inputs: Sequence[Array]) -> None:
        self._path = path
        self._inputs = inputs
        self._runners = dict(_opened(path))
        self._results: dict[str, RunResult] = {}
        self._known: dict[Any, Rerun | None] = {}
        self._keeping = False

    def close(self) -> None:
        """Closes the references."""
        for runner in self._runners.values():
            runner.close()

    @property
    def kernels(self) -> list[str]:
        """The kernel sets that take the model: some lack operators."""
        return list(self._runners)

    def result(self, kernels: str) -> RunResult:
        """What a kernel set computes from the samples."""
        if kernels not in self._results:
            self._results[kernels] = self._runners[kernels].run(self._inputs, mode=LAYERS)
        return self._results[kernels]

    @property
    def operators(self) -> list[str]:
        """``CONV_2D``, ..., one a node."""
        return [node.info.type_name for node in self.result(self.kernels[0]).nodes]

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

    def judge(self, *targets: Session, exact: bool = False, without: str = "") -> list[TargetResult]:
        """The verdicts on targets that are given the samples.

        Args:
            without: the kernel set that is not trusted; of the others the first one is the reference.
        """

        def rerun(node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
            found = self._rerun(node, recorded)
            if found is None:
                return None
            outputs = {name: x for name, x in found.outputs.items() if name != without}
            return replace(found, outputs=outputs) if outputs else None

        first = next(name for name in self.kernels if name != without)
        found = validate(
            Recorded(self.result(first), f"tflite:{self._path}"),
            targets,
            _Arrays(self._inputs),
            per_layer=True,
            noise_floor=NoiseFloor(rerun, exact=exact),
            chunk_samples=len(self._inputs[0]),
            chunk_bytes=1 << 40,
        )
        return list(found.targets)

    def _rerun(self, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        key = node, tuple((place, array.shape, hash(array.tobytes())) for place, array in sorted(recorded.items()))
        if key in self._known:
            return self._known[key]
        found = self._runners[self.kernels[0]].rerun(node, recorded)
        if self._keeping:
            self._known[key] = found
        return found


def _opened(path: Path) -> Iterator[tuple[str, AiRunner]]:
    for kernels in KERNELS:
        with suppress(InvalidModelError):
            yield kernels, AiRunner.open(f"tflite:{path}?kernels={kernels}")


def changed_nodes(one: RunResult, other: RunResult) -> list[int]:
    """Positions of the nodes whose tensors differ in any bit."""
    return [
        position
        for position, (mine, theirs) in enumerate(zip(one.nodes, other.nodes, strict=True))
        if any(not np.array_equal(_bits(a), _bits(b)) for a, b in zip(mine.data, theirs.data, strict=True))
    ]


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(np.uint8)
