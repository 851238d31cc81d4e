"""A small bundle, written by the writer, and ways to spoil it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.bundle.writer import BundleWriter
from ai_runner.compare.validation import validate
from ai_runner.model import Caps, DeviceInfo, Mode, ModelInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import RunResult, TimeSource
from ai_runner.report.json import plain_report

SAMPLES = 5


class Twice:
    """y = 2 * x + offset."""

    names = ("network",)

    def __init__(self, descriptor: str, offset: float = 0.0) -> None:
        self.descriptor = descriptor
        self._offset = np.float32(offset)
        x, y = (TensorInfo(name, (1, 3), np.dtype(np.float32)) for name in "xy")
        runtime = RuntimeInfo("fake", "Fake", (1, 0, 0), capabilities=(Caps.IO_ONLY,))
        self._info = ModelInfo("network", (x,), (y,), runtime, DeviceInfo("HOST", "here", "x"), hash="0xabc")

    def model_info(self, name: Any = None) -> ModelInfo:
        return self._info

    def run(self, inputs: Any, name: Any = None, *, mode: Mode = Mode.IO_ONLY) -> RunResult:
        output = inputs[0] * 2 + self._offset
        return RunResult(self._info, mode, (output,), [1.0] * len(output), TimeSource.HOST)


class Rows:
    """Inputs from an array."""

    seed = None
    description = "rows"

    def __init__(self, values: Any) -> None:
        self.samples = len(values)
        self._values = values

    def chunk(self, start: int, stop: int) -> list[Any]:
        return [self._values[start:stop]]


@pytest.fixture
def make_bundle() -> Callable[..., Path]:
    """Writes a bundle of y = 2 * x, the target off by 0.25."""

    def make(path: Path, values: Any = None) -> Path:
        rows = np.arange(3 * SAMPLES, dtype=np.float32).reshape(SAMPLES, 3) if values is None else values
        with BundleWriter(path) as writer:
            found = validate(Twice("fake:a"), [Twice("fake:b", 0.25)], Rows(rows), recorder=writer)
            infos = Twice("x").model_info()
            writer.finish(plain_report(found), infos, {0: infos})
        return path

    return make


@pytest.fixture
def folder(make_bundle: Callable[..., Path], tmp_path: Path) -> Path:
    """A bundle that is a folder."""
    return make_bundle(tmp_path / "bundle")


@pytest.fixture
def relisted() -> Callable[[Path], None]:
    """Makes the manifest of a folder say what the files are now, as somebody would who has changed them on purpose."""

    def relist(root: Path) -> None:
        manifest = json.loads((root / "manifest.json").read_text())
        for file in manifest["files"]:
            content = (root / file["path"]).read_bytes()
            file["size"], file["sha256"] = len(content), hashlib.sha256(content).hexdigest()
        (root / "manifest.json").write_text(json.dumps(manifest))

    return relist
