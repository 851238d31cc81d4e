"""The command line called in this process, and runtimes that do as their descriptor says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from ai_runner import registry
from ai_runner.cli import main
from ai_runner.driver import AiRunnerCallback, Driver
from ai_runner.errors import HwIOError, InvalidModelError, TargetCrashError
from ai_runner.model import Caps, DeviceInfo, Mode, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource


class FakeDriver(Driver):
    """``fake:what``: y = 2 * x, x float32 [1, 3]; ``what`` names a fault."""

    OPTIONS: ClassVar[dict[str, str]] = {
        "add": "added to the output",
        "dies": "at which call",
        "silence": "at which call it does not answer: an option of the link, as boards have it",
    }
    runs: ClassVar[list[str]] = []
    closed: ClassVar[list[str]] = []

    def open(self, deadline: Any) -> None:
        fault = self.descriptor.address
        self._calls = 0
        if fault == "busy":
            raise HwIOError("port COM3 is in use", hint="close the terminal", evidence={"port": "COM3"}, retryable=True)
        if fault == "broken":
            raise InvalidModelError("the model\nis broken")
        if fault == "bug":
            raise ZeroDivisionError("division by zero")
        if fault == "interrupted":
            raise KeyboardInterrupt
        x, y = (TensorInfo(name, (1, 3), np.dtype(np.float32)) for name in "xy")
        caps = (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA)
        runtime = RuntimeInfo("fake", "Fake", (1, 0, 0), capabilities=caps)
        self._info = ModelInfo("network", (x,), (y,), runtime, DeviceInfo("HOST", "here", ""), n_nodes=1)

    def names(self) -> tuple[str, ...]:
        return ("network",)

    def info(self, name: str) -> ModelInfo:
        return self._info

    def invoke(
        self, name: str, inputs: Any, mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        self._calls += 1
        self.runs.append(str(self.descriptor))
        if self._calls in (self.descriptor.integer("dies", 0), self.descriptor.integer("silence", 0)):
            raise TargetCrashError("the process died of SIGSEGV", hint="see its log")
        output = inputs[0] * 2 + np.float32(self.descriptor.options.get("add", "0"))
        nodes = []
        if Mode.PER_LAYER in mode:
            info = NodeInfo("double", 0, 0, "MUL", self._info.outputs)
            data = (output,) if Mode.PER_LAYER_WITH_DATA in mode else ()
            nodes = [NodeProfile(info, [0.5] * len(output), TimeSource.HOST, data)]
        warnings = ("is only a fake",) if self.descriptor.address == "warns" else ()
        times = [1.0] * len(output)
        return RunResult(self._info, mode, (output,), times, TimeSource.HOST, tuple(nodes), warnings=warnings)

    def close(self) -> None:
        self.closed.append(str(self.descriptor))


@pytest.fixture(autouse=True)
def fake_driver(monkeypatch: pytest.MonkeyPatch) -> type[FakeDriver]:
    """Registers ``fake:`` the way another package would."""
    module = ModuleType("fake_driver_package")
    module.FakeDriver = FakeDriver  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_driver_package", module)
    entry = registry.DriverEntry("fake", "from fake-package", "fake_driver_package:FakeDriver", "fake-package")

    def entry_points() -> Iterator[registry.DriverEntry]:
        yield entry

    monkeypatch.setattr(registry, "_entry_points", entry_points)
    monkeypatch.setenv("COLUMNS", "160")
    FakeDriver.runs.clear()
    FakeDriver.closed.clear()
    return FakeDriver


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def ai_runner(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs ``ai-runner`` with arguments."""

    def run(*arguments: object) -> Ended:
        code = main([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return run
