"""A runtime whose times are made up: what the measurement notes down, and what the gate says about it, is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ai_runner.model import Caps, DeviceInfo, Mode, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource

TENSOR = TensorInfo("x", (1, 2), np.dtype("f4"))


def model_info(**changes: Any) -> ModelInfo:
    """A model on a board at 84 MHz; `runtime` and `device` are changes of those."""
    runtime = RuntimeInfo("proto", "RT", (1, 2, 3), compiler="gcc 12", capabilities=(Caps.IO_ONLY, Caps.PER_LAYER))
    device = DeviceInfo("STM32", "a board", "0x413", sys_clock=84_000_000, bus_clock=42_000_000, attrs=("icache",))
    runtime = replace(runtime, **changes.pop("runtime", {}))
    device = replace(device, **changes.pop("device", {}))
    return ModelInfo("net", (TENSOR,), (TENSOR,), runtime, device, hash="0x1", **changes)


@dataclass
class Fake:
    """Connects to a model; every run draws its times.

    Attributes:
        model: draws the time of a run in ms.
        layers: draw the times of layers.
        counts: of each layer, the same in every run; None without counters.
        modes, connections: what was done to it.
    """

    model: Callable[[], float]
    layers: Sequence[Callable[[], float]] = ()
    source: TimeSource = TimeSource.DEVICE
    node_source: TimeSource | None = None
    names: Sequence[str] | None = None
    counts: Sequence[Sequence[int]] | None = None
    info: ModelInfo = field(default_factory=model_info)
    host_ms: float = 9.0
    modes: list[Mode] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Mode], RunResult]]:
        self.connections += 1
        self.open += 1
        try:
            yield self.run
        finally:
            self.open -= 1

    def run(self, mode: Mode) -> RunResult:
        assert self.open == 1
        self.modes.append(mode)
        nodes = []
        for i, draw in enumerate(self.layers if Mode.PER_LAYER in mode else ()):
            name = self.names[i] if self.names else f"layer_{i}"
            counters = [list(self.counts[i])] if self.counts else []
            node = NodeInfo(name, i, 0, "CONV", (TENSOR,))
            source = self.node_source or self.source
            nodes.append(NodeProfile(node, [draw()], source, counters_type="ops", counters=counters))
        return RunResult(self.info, mode, (), [self.model()], self.source, tuple(nodes), host_duration=self.host_ms)


@pytest.fixture
def fake() -> type[Fake]:
    return Fake


@pytest.fixture
def info() -> Callable[..., ModelInfo]:
    return model_info


@pytest.fixture
def noisy() -> Callable[..., Callable[[], float]]:
    """Draws times as a busy machine gives them: skewed, with outliers."""

    def times(ms: float, seed: int, noise: float = 0.03) -> Callable[[], float]:
        random = np.random.default_rng(seed)
        return lambda: float(ms * (1 + noise * random.gamma(1.0)) * (3.0 if random.random() < 0.02 else 1.0))

    return times


@pytest.fixture
def same() -> Callable[[float], Callable[[], float]]:
    """A time that never changes."""
    return lambda ms: lambda: ms
