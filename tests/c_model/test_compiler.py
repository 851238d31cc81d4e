from __future__ import annotations

import ctypes
import os
import stat
import sys
from pathlib import Path

import pytest

from ai_runner.c_model.compiler import compile_library, find_compiler, library_suffix
from ai_runner.errors import ExitCode, HwIOError, InvalidParamError, MissingRuntimeError

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in compiler is a shell script")


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "a.c").write_text(
        '__attribute__((visibility("default"))) int shown(void) { return ANSWER; }\nint hidden(void) { return 1; }\n'
    )
    return "a.c"


def test_compiles_with_cc_and_cflags(
    source: str, compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", f"{compiler} -DUNUSED")
    monkeypatch.setenv("CFLAGS", "-O0 '-DANSWER=(40 + 2)'")
    compile_library(tmp_path, [source], "lib.so")
    library = ctypes.CDLL(str(tmp_path / "lib.so"))
    assert library.shown() == 42
    assert not hasattr(library, "hidden")


@posix
def test_exactness_is_not_left_to_cflags(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fake = tmp_path / "fake cc"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{log}"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    compile_library(tmp_path, ["a.c"], "lib.so", f"'{fake}' -m64", "-Ofast -ffp-contract=fast")
    words = log.read_text().splitlines()
    assert words[0] == "-m64"
    assert words.index("-ffp-contract=off") > words.index("-ffp-contract=fast")
    assert words.index("-fno-fast-math") > words.index("-Ofast")
    assert words[-4:] == ["a.c", "-o", "lib.so", "-lm"]


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -x")
    with pytest.raises(MissingRuntimeError, match="no C compiler: no-such-compiler") as raised:
        compile_library(tmp_path, ["a.c"], "lib.so")
    assert "CC" in raised.value.hint
    assert "apt-get install gcc" in raised.value.hint
    assert "--no-compile" in raised.value.hint
    assert raised.value.EXIT_CODE == ExitCode.BENCH
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingRuntimeError, match="no C compiler: cc"):
        find_compiler()


@posix
def test_a_compiler_that_cannot_be_started(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    with pytest.raises(MissingRuntimeError, match="no C compiler"):
        compile_library(tmp_path, ["a.c"], "lib.so", str(broken))


def test_a_failing_compiler(source: str, compiler: str, tmp_path: Path) -> None:
    with pytest.raises(HwIOError, match=r"compiling lib.so failed with exit code \d+: .*ANSWER") as raised:
        compile_library(tmp_path, [source], "lib.so", compiler, "")
    assert "\n" not in raised.value.message
    assert "ANSWER" in raised.value.evidence["stderr"]
    assert "a.c" in raised.value.evidence["command"]


def test_unbalanced_quotes(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="CFLAGS"):
        compile_library(tmp_path, ["a.c"], "lib.so", sys.executable, "'-O3")
    with pytest.raises(InvalidParamError, match="CC"):
        find_compiler("'cc")


@pytest.mark.parametrize(("platform", "suffix"), [("linux", ".so"), ("darwin", ".dylib"), ("win32", ".dll")])
def test_library_suffix(platform: str, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert library_suffix() == suffix
