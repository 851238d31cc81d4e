"""Shared memory that another process made: as a file, and by the call that other systems need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ai_runner.errors import HwIOError
from ai_runner.transport import shared_memory
from ai_runner.transport.shared_memory import SharedArray, mapped_by, unlink_shared


@pytest.fixture(params=["file", "call"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an object with 0.0, 1.0, 2.0, opened in either way."""
    posix = pytest.importorskip("_posixshmem")
    if request.param == "call":
        monkeypatch.setattr(shared_memory, "_FOLDER", tmp_path / "no such folder")
    elif not Path("/dev/shm").is_dir():
        pytest.skip("shared memory is no file here")
    name = f"/shm-test-{os.getpid()}-{request.param}"
    fd = posix.shm_open(name, os.O_RDWR | os.O_CREAT, mode=0o600)
    os.ftruncate(fd, 12)
    if request.param == "file" or os.uname().sysname == "Linux":
        os.write(fd, np.arange(3, dtype=np.float32).tobytes())
    os.close(fd)
    yield name
    unlink_shared(name)


def test_values_go_both_ways(made: str) -> None:
    one, other = SharedArray(made, 3), SharedArray(made, 2)
    assert one.values.tolist() == [0, 1, 2]
    one.values[:] = [5, 6, 7]
    assert other.values.tolist() == [5, 6]
    view = one.values[1:]
    one.close()
    other.close()
    assert (one.values.size, view.tolist()) == (0, [6, 7])


def test_it_is_removed_once(made: str) -> None:
    shared = SharedArray(made, 3)
    assert unlink_shared(made)
    assert not unlink_shared(made)
    assert shared.values[2] == 2
    with pytest.raises(HwIOError, match=made):
        SharedArray(made, 3)


def test_one_that_is_too_small(made: str) -> None:
    with pytest.raises(HwIOError, match="has 12 bytes, not 16"):
        SharedArray(made, 4)


@pytest.mark.parametrize("name", ["", "/", "shm", "/../etc/passwd", "/a/b", "/a\0b", "/" + "x" * 251])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(HwIOError):
        SharedArray(name, 1)
    assert not unlink_shared(name)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is no file here")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(bytes(64))
    link = Path(f"/dev/shm/shm-link-{os.getpid()}")
    link.symlink_to(target)
    try:
        with pytest.raises(HwIOError):
            SharedArray(f"/{link.name}", 4)
    finally:
        link.unlink()


def test_without_any_way_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "_FOLDER", tmp_path / "no such folder")
    monkeypatch.setitem(__import__("sys").modules, "_posixshmem", None)
    with pytest.raises(HwIOError, match="_posixshmem"):
        SharedArray("/x", 1)
    assert not unlink_shared("/x")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not tell what is mapped")
def test_what_a_process_has_mapped(made: str) -> None:
    if made.endswith("call"):
        pytest.skip("found as files only")
    assert made not in mapped_by(os.getpid())
    shared = SharedArray(made, 3)
    assert made in mapped_by(os.getpid())
    shared.close()
    assert made not in mapped_by(os.getpid())
    assert mapped_by(1 << 30) == set()
