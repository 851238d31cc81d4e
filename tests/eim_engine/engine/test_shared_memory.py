from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from ai_runner.eim_engine.engine.shared_memory import SharedMemory

pytestmark = pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm")


def test_it_exists_from_create_to_unlink() -> None:
    memory = SharedMemory(3)
    assert re.fullmatch("/shm-[0-9a-f]{12}", memory.name)
    file = Path("/dev/shm", memory.name[1:])
    assert not file.exists()
    memory.create()
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (12, 0o600)
    file.write_bytes(np.array([1, 2, 3], "<f4").tobytes())
    assert np.frombuffer(memory.buffer, "<f4").tolist() == [1, 2, 3]
    memory.unlink()
    memory.unlink()
    assert not file.exists()
    assert memory.buffer[:4] == np.float32(1).tobytes()
    assert memory.describe() == {"name": memory.name, "size_bytes": 12, "type": "float32", "elements": 3}


@pytest.mark.skipif(sys.platform != "linux", reason="room is reserved on Linux")
def test_without_room_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    memory = SharedMemory(3)
    with pytest.raises(OSError, match="No space left"):
        memory.create()
    assert not Path("/dev/shm", memory.name[1:]).exists()


def test_removing_what_was_never_made() -> None:
    SharedMemory(1).unlink()
