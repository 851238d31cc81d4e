"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_runner.errors import HwIOError, InvalidParamError
from ai_runner.report.output_file import check_writable, whole_file


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), HwIOError("gone")])
def test_nothing_half_written_is_left(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)) as caught:
        interrupted()
    assert caught.value is error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="out: cannot be written: No space"), whole_file(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_link_keeps_pointing_to_its_file(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with whole_file(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_writable(pipe)
        with whole_file(pipe) as file:
            file.write(b"text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_what_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out"
    check_writable(path)
    assert not path.exists()
    path.write_bytes(b"old")
    check_writable(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_said_beforehand(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InvalidParamError, match="cannot be written"):
        check_writable(tmp_path / "none" / "out")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParamError, match="cannot be written"):
        check_writable(tmp_path / "file" / "out")
