from __future__ import annotations

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ai_runner.eim_engine import EngineOptions, build_engine
from ai_runner.eim_engine.archive import interpreter_line
from ai_runner.errors import InvalidModelError, InvalidParamError


def test_the_file_is_a_line_and_a_zip(digits_eim: Path, digits_int8: Path) -> None:
    with digits_eim.open("rb") as file:
        assert file.readline() == f"#!{sys.executable} -IS\n".encode()
    assert stat.S_IMODE(digits_eim.stat().st_mode) == 0o755
    with zipfile.ZipFile(digits_eim) as archive:
        assert archive.testzip() is None
        assert archive.read("model.tflite") == digits_int8.read_bytes()
        assert "ai_runner/eim_engine/engine/program.py" in archive.namelist()


def test_the_same_model_gives_the_same_file(digits_int8: Path, tmp_path: Path) -> None:
    one, other = (build_engine(digits_int8, tmp_path / name).path.read_bytes() for name in ("a.eim", "b.eim"))
    assert one == other


def test_another_interpreter_finds_its_own_packages(digits_int8: Path, tmp_path: Path) -> None:
    build = build_engine(digits_int8, tmp_path / "x.eim", EngineOptions(interpreter="/opt/python"))
    assert build.interpreter == "#!/opt/python -I"
    assert build.impulse.python_path == ()


def test_another_python_version_takes_the_source(digits_eim: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.eim"
    with zipfile.ZipFile(digits_eim) as whole, zipfile.ZipFile(path, "w") as copy:
        for name in whole.namelist():
            data = whole.read(name)
            copy.writestr(name, b"\0\0\0\0" + data[4:] if name.endswith(".pyc") else data)
    done = subprocess.run([sys.executable, "-IS", path, "--print-info"], capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["a" * 130, "with space"])
def test_an_interpreter_that_no_line_can_name(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot start a program"):
        interpreter_line(f"/opt/{name}/python")
    link = tmp_path / name
    link.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(link))
    assert interpreter_line(None) == f"#!{Path(link).resolve()} -IS\n".encode()


def test_behind_a_long_path_it_runs_on_what_the_path_leads_to(
    digits_int8: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    link = tmp_path / ("x" * 120)
    link.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(sys, "executable", str(link))
    build = build_engine(digits_int8, tmp_path / "x.eim")
    requests = b'{"id":1,"hello":1}{"id":2,"classify":[' + b"0," * 63 + b"0]}"
    done = subprocess.run([build.path, "stdin"], input=requests, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b'"success":true') == 2


def test_it_is_written_whole_or_not_at_all(digits_int8: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "x.eim"
    path.write_text("an earlier one")

    def full(self: object, *_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(InvalidParamError, match=r"x\.eim: cannot be written: No space left"):
        build_engine(digits_int8, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "an earlier one"


def test_a_device_or_a_pipe_is_not_replaced(digits_int8: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InvalidParamError, match="is no regular file, and is not replaced"):
        build_engine(digits_int8, pipe)
    assert pipe.is_fifo()


def test_a_folder_that_is_not_there(digits_int8: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot be written"):
        build_engine(digits_int8, tmp_path / "missing" / "x.eim")


def test_a_model_that_the_runtime_refuses(digits_int8: Path, tmp_path: Path) -> None:
    raw = digits_int8.read_bytes()
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(raw[:200])
    with pytest.raises(InvalidModelError):
        build_engine(broken, tmp_path / "x.eim")
    assert not (tmp_path / "x.eim").exists()
