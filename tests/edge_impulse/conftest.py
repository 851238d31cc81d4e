"""The official client as a peer, and a machine without the optional packages."""

from __future__ import annotations

import os
import queue
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def official() -> Iterator[ModuleType]:
    """The package edge_impulse_linux. It imports PyAudio and six, which installing it does not bring: stand-ins do."""
    moves = ModuleType("six.moves")
    moves.queue = queue  # type: ignore[attr-defined]
    stand_ins = {"pyaudio": ModuleType("pyaudio"), "six": ModuleType("six"), "six.moves": moves}
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in stand_ins.items():
            patch.setitem(sys.modules, name, stand_in)
        pytest.importorskip("cv2")
        yield pytest.importorskip("edge_impulse_linux")


@pytest.fixture
def without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import cv2` fails."""
    monkeypatch.setitem(sys.modules, "cv2", None)


@pytest.fixture
def running() -> Callable[[Path], list[int]]:
    """Process ids of an engine, zombies too, by the path it was started with."""
    processes = Path("/proc")
    if not processes.is_dir():
        pytest.skip("no /proc to look for processes in")

    def of(engine: Path) -> list[int]:
        found = []
        for entry in processes.glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            is_own_zombie = state[0] == "Z" and int(state[1]) == os.getpid()
            if str(engine).encode() in words or is_own_zombie:
                found.append(int(entry.name))
        return found

    return of


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where temporary files go, empty at first."""
    with tempfile.TemporaryDirectory(prefix="s") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twelve frames of 64x48, frame k of the colour (20 k, 100, 250 - 20 k)."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for k in range(12):
        frame = np.empty((48, 64, 3), np.uint8)
        frame[:] = (250 - 20 * k, 100, 20 * k)  # OpenCV writes BGR
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def image_model() -> dict[str, Any]:
    """Parameters of a model of pictures of 8x4 for the scenario of an engine."""
    return {
        "image_input_width": 8,
        "image_input_height": 4,
        "image_channel_count": 3,
        "image_input_frames": 1,
        "image_resize_mode": "squash",
        "input_features_count": 32,
        "frequency": 0,
        "sensor": 3,
    }


@pytest.fixture
def audio_model() -> dict[str, Any]:
    """Parameters of a model that hears 100 samples at 1000 Hz for the scenario of an engine."""
    return {
        "input_features_count": 100,
        "slice_size": 25,
        "frequency": 1000,
        "interval_ms": 1,
        "sensor": 1,
        "use_continuous_mode": True,
    }
