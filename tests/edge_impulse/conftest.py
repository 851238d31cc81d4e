"""The official client as a peer, and a machine without the optional packages."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from types import ModuleType

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
