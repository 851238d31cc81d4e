"""Makers of tensors and data sets."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]


def make_tensor(name: str, *shape: int, dtype: Any = np.float32, scale: float | None = None) -> TensorInfo:
    """A tensor with a batch dimension of 1; quantized by `scale` and zero point 0."""
    quantization = None if scale is None else Quantization((scale,), (0,))
    return TensorInfo(name, (1, *shape), np.dtype(dtype), quantization)


@pytest.fixture(scope="session")
def tensor() -> Callable[..., TensorInfo]:
    return make_tensor


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    """Writes pixels (height, width) or (height, width, channels) as ``image("a/1.png", pixels)``."""
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    def write(name: str, pixels: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(np.asarray(pixels, np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """Writes PCM frames (samples,) or (samples, channels) as ``wav("a/1.wav", frames, rate=16000)``."""

    def write(name: str, frames: Any, rate: int = 16000) -> Path:
        array = np.asarray(frames)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1 if array.ndim == 1 else array.shape[1])
            file.setsampwidth(array.dtype.itemsize)
            file.setframerate(rate)
            file.writeframes(array.tobytes())
        return path

    return write


@pytest.fixture
def text(tmp_path: Path) -> Callable[..., Path]:
    """Writes a text file."""

    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.fixture
def npy(tmp_path: Path) -> Any:
    def save(array: Array) -> Path:
        path = tmp_path / "inputs.npy"
        np.save(path, array)
        return path

    return save


@pytest.fixture
def npz(tmp_path: Path) -> Any:
    def save(**arrays: Any) -> Path:
        path = tmp_path / "inputs.npz"
        np.savez(path, **arrays)
        return path

    return save
