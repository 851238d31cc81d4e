"""Makers of tensors, nodes and runtimes that answer what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.model import Caps, DeviceInfo, Mode, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]


class Tensors:
    """Short names for descriptions of tensors."""

    @staticmethod
    def f32(name: str, *shape: int) -> TensorInfo:
        return TensorInfo(name, (1, *shape), np.dtype(np.float32))

    @staticmethod
    def i8(name: str, *shape: int, scale: float | None = 0.5, zero_point: int = 3) -> TensorInfo:
        quantization = None if scale is None else Quantization((scale,), (zero_point,))
        return TensorInfo(name, (1, *shape), np.dtype(np.int8), quantization)

    @staticmethod
    def node(m_id: int, tensor: TensorInfo, data: Any = None, ms: float | None = None, kind: str = "OP") -> NodeProfile:
        info = NodeInfo(f"{tensor.name}_node", m_id, 0, kind, (tensor,))
        arrays = () if data is None else (np.asarray(data, tensor.dtype),)
        durations = () if ms is None else (ms,) * (len(arrays[0]) if arrays else 1)
        return NodeProfile(info, durations, None if ms is None else TimeSource.HOST, arrays)


class FakeSession:
    """A runtime whose outputs, and nodes, are functions of its inputs."""

    def __init__(
        self,
        inputs: Sequence[TensorInfo],
        outputs: Sequence[TensorInfo],
        compute: Callable[[list[Array]], list[Array]],
        nodes: Callable[[list[Array]], list[NodeProfile]] | None = None,
        *,
        name: str = "network",
        descriptor: str = "fake:one",
        names: Sequence[str] = (),
        model_hash: str = "",
        shows_data: bool = True,
        warnings: tuple[str, ...] = (),
        durations: bool = True,
    ) -> None:
        caps = (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA) if nodes and shows_data else (Caps.IO_ONLY,)
        self.descriptor = descriptor
        self.names = list(names) or [name]
        self.info = ModelInfo(
            name,
            tuple(inputs),
            tuple(outputs),
            RuntimeInfo("fake", "Fake", (1, 2, 3), capabilities=caps, attributes={"kernels": "fake"}),
            DeviceInfo("HOST", "a machine", ""),
            hash=model_hash,
        )
        self._compute = compute
        self._nodes = nodes
        self._warnings = warnings
        self._durations = durations
        self.batches: list[int] = []
        self.inputs: list[list[Array]] = []

    def model_info(self, name: Any = None) -> ModelInfo:
        assert name is None or name in self.names
        return self.info

    def run(self, inputs: Any, name: Any = None, *, mode: Mode = Mode.IO_ONLY) -> RunResult:
        for array, tensor in zip(inputs, self.info.inputs, strict=True):
            assert array.dtype == tensor.dtype
            assert array.shape[1:] == tensor.sample_shape
            assert array.flags.c_contiguous
        self.batches.append(len(inputs[0]))
        self.inputs.append(inputs)
        outputs = self._compute(list(inputs))
        nodes = self._nodes(list(inputs)) if self._nodes and Mode.PER_LAYER in mode else []
        durations = [2.0] * len(inputs[0]) if self._durations else []
        return RunResult(
            self.info, mode, tuple(outputs), durations, TimeSource.HOST, tuple(nodes), warnings=self._warnings
        )


class ArraySource:
    """Inputs that are given as arrays."""

    seed = None
    description = "arrays of a test"

    def __init__(self, *arrays: Array) -> None:
        self._arrays = arrays
        self.samples = len(arrays[0])

    def chunk(self, start: int, stop: int) -> list[Array]:
        return [array[start:stop] for array in self._arrays]


@pytest.fixture(scope="session")
def tensors() -> type[Tensors]:
    return Tensors


@pytest.fixture(scope="session")
def fake_session() -> type[FakeSession]:
    return FakeSession


@pytest.fixture(scope="session")
def array_source() -> type[ArraySource]:
    return ArraySource
