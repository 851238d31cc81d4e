"""`make` on a machine that lacks something: one line that says what to install, and nothing half made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile and the files that its stamps depend on."""
    for name in ("Makefile", "setup.cfg", "setup.py", "pyproject.toml", "requirements.txt"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make as from a shell, whatever make or CI these tests run under."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CC", "PYTHON"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(folder: Path, install: str) -> Path:
    """An interpreter that passes every check and makes environments whose pip runs `install`."""
    pip = f"#!/bin/sh\\n{install}\\n"
    path = folder / "fake-python"
    path.write_text(
        f"""#!/bin/sh
for folder; do :; done
case "$1 $2 $3" in
    "-m venv --clear") rm -rf "$folder"; mkdir -p "$folder/bin"; printf '{pip}' >"$folder/bin/python"
                       chmod +x "$folder/bin/python";;
    *) exec {sys.executable} "$@";;
esac
"""
    )
    path.chmod(0o755)
    return path


def old_python(folder: Path) -> Path:
    """An interpreter that finds itself too old."""
    path = folder / "old-python"
    path.write_text(f'#!/bin/sh\ncase "$2" in *version_info\\ *) exit 1;; *) exec {sys.executable} "$@";; esac\n')
    path.chmod(0o755)
    return path


def python_without_ensurepip(folder: Path) -> Path:
    """Debian's python3 without python3-venv."""
    path = folder / "bare-python"
    path.write_text(f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac\n')
    path.chmod(0o755)
    return path


def test_default_target_lists_the_targets(checkout: Path) -> None:
    done = make(checkout)
    assert done.returncode == 0
    for target in ("demo", "test", "lint", "clean"):
        assert f"make {target} " in done.stdout


@pytest.mark.parametrize("target", ["demo", "test"])
def test_missing_python_is_named(checkout: Path, target: str) -> None:
    assert_one_line(make(checkout, target, "PYTHON=no-such-python"), "no-such-python is not installed", "python3-venv")
    assert not (checkout / ".venv").exists()


def test_old_python_is_named(checkout: Path, tmp_path: Path) -> None:
    done = make(checkout, "demo", f"PYTHON={old_python(tmp_path)}")
    assert_one_line(done, "is not Python 3.11 or newer", "make PYTHON=python3.11 demo")


def test_missing_venv_is_named(checkout: Path, tmp_path: Path) -> None:
    done = make(checkout, "demo", f"PYTHON={python_without_ensurepip(tmp_path)}")
    assert_one_line(done, "cannot make virtual environments", "sudo apt-get install bare-python-venv")


@pytest.mark.parametrize("target", ["demo", "test"])
def test_missing_compiler_is_named_before_anything_is_made(checkout: Path, target: str) -> None:
    done = make(checkout, target, f"PYTHON={sys.executable}", "CC=no-such-cc")
    assert_one_line(done, "no working C compiler (no-such-cc)", "sudo apt-get install gcc libc6-dev")
    assert not (checkout / ".venv").exists()


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """make failed and said so in one line that holds every part."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for part in parts:
        assert part in done.stderr


def test_failed_installation_leaves_nothing(checkout: Path, tmp_path: Path) -> None:
    done = make(checkout, "demo", f"PYTHON={fake_python(tmp_path, 'exit 1')}")
    assert done.returncode != 0
    assert "Could not install into .venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_interrupted_installation_is_made_anew(checkout: Path, tmp_path: Path) -> None:
    fake = f"PYTHON={fake_python(tmp_path, 'exit 0')}"
    half_made = checkout / ".venv" / "lib" / "half-made"
    half_made.mkdir(parents=True)
    make(checkout, "demo", fake)
    assert not half_made.exists()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (checkout / ".venv" / "bin" / "python").is_file()
    assert (checkout / ".venv" / f".ready-{version}").is_file()

    again = make(checkout, "demo", fake)
    assert "Installing" not in again.stdout

    os.utime(checkout / "requirements.txt", None)
    os.utime(checkout / ".venv" / f".ready-{version}", (0, 0))
    assert "Installing" in make(checkout, "demo", fake).stdout
