"""What a user gets: the wheel, the source distribution, the metadata, the installed command."""

from __future__ import annotations

import configparser
import email.message
import email.parser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import ai_runner

REPOSITORY = Path(__file__).resolve().parents[1]
ROOTS = {"ai_runner": "ai_runner", "drivers": "ai_runner/drivers", "firmware_proto": "ai_runner/firmware_proto"}
NOT_SOURCE = (".git", ".venv*", ".*_cache", ".hypothesis", "build", "dist", "*.egg-info", "__pycache__")
SHIPPED = {".py", ".c", ".cpp", ".h", ".hpp", ".ld", ".proto", ".desc", ".json", ".css", ".j2", ".typed"}


def build(source: Path, kind: str, out: Path) -> Path:
    """A wheel or sdist of `source`, made by the declared build backend in a process of its own."""
    code = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a copy of the tree, so that nothing built earlier can get into it."""
    pytest.importorskip("setuptools", minversion="77")
    copy = tmp_path_factory.mktemp("source") / "copy"
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    return build(copy, "sdist", copy.parent / "out")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the source distribution, as an installer does that finds no wheel."""
    folder = tmp_path_factory.mktemp("unpacked")
    # Python 3.11.2 of Debian 12 has no filters yet, 3.12 warns without one.
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **safely)
    (source,) = folder.iterdir()
    return build(source, "wheel", folder / "out")


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    """METADATA of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode("utf-8"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, without its requirements."""
    target = tmp_path_factory.mktemp("installed") / "site"
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "install"]
    arguments = ["--no-deps", "--no-index", "--target", str(target), str(wheel)]
    done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def shipped_files() -> set[str]:
    """Every source of the tree, under the name it is installed as."""
    found = set()
    for folder, package in ROOTS.items():
        for path in (REPOSITORY / folder).rglob("*"):
            relative = path.relative_to(REPOSITORY / folder)
            seen_elsewhere = folder == "ai_runner" and relative.parts[0] in ROOTS
            if path.suffix in SHIPPED and path.is_file() and not seen_elsewhere:
                found.add(f"{package}/{relative.as_posix()}")
    return found


def test_wheel_holds_every_source_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == shipped_files()
    assert {
        "ai_runner/py.typed",
        "ai_runner/drivers/__init__.py",
        "ai_runner/firmware_proto/__init__.py",
    } <= names


def test_wheel_of_the_checkout_is_the_wheel_of_the_source_distribution(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("checkout") / "copy"
    ignored = shutil.ignore_patterns(*NOT_SOURCE, "tests", "examples")
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=ignored)
    direct = build(copy, "wheel", copy.parent / "out")
    with zipfile.ZipFile(direct) as a, zipfile.ZipFile(wheel) as b:
        assert sorted(a.namelist()) == sorted(b.namelist())


def test_source_distribution_can_be_tested(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        *("Makefile", "README.md", "LICENSE", "requirements.txt", "setup.cfg", "setup.py", "pyproject.toml"),
        *(".ci/run", "drivers/__init__.py", "tests/test_packaging.py", "docs/architecture.md"),
        *("examples/models/digits_int8.tflite", "examples/data/digits_test.npz"),
    ):
        assert name in names


def test_metadata(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "ai-runner"
    assert metadata["Version"] == ai_runner.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (REPOSITORY / "README.md").read_text("utf-8")


def test_requirements_are_those_of_the_file(metadata: email.message.Message) -> None:
    declared = (REPOSITORY / "requirements.txt").read_text("utf-8").split()
    required = metadata.get_all("Requires-Dist") or []
    assert sorted(line for line in required if "extra ==" not in line) == sorted(declared)
    assert {"dev", "onnx", "tensorflow", "tflite-runtime"} <= set(metadata.get_all("Provides-Extra") or [])


def test_requirements_give_a_lowest_version() -> None:
    # `make test-oldest` turns each into a pin.
    for line in (REPOSITORY / "requirements.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"[a-z-]+>=[0-9.]+", line), line


def run_installed(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command that sees the installed wheel first, and this environment only for the requirements."""
    # -S and an explicit path keep the editable installation of the checkout out.
    libraries = [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *libraries])}
    return subprocess.run(
        [sys.executable, "-S", *command], env=env, cwd=installed, capture_output=True, text=True, check=False
    )


def test_installed_package_is_whole(installed: Path) -> None:
    code = "import ai_runner, ai_runner.drivers.tflite as d; print(ai_runner.__file__, d.__file__, sep='\\n')"
    done = run_installed(installed, "-c", code)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert Path(line).is_relative_to(installed)


def test_command_is_declared_and_runs_from_the_installed_wheel(installed: Path) -> None:
    entry_points = configparser.ConfigParser()
    (declared,) = installed.glob("*.dist-info/entry_points.txt")
    entry_points.read(declared, "utf-8")
    assert entry_points["console_scripts"]["ai-runner"] == "ai_runner.cli:main"

    scripts = [path for path in (installed / "bin").iterdir() if path.name.startswith("ai-runner")]
    assert len(scripts) == 1
    done = run_installed(installed, str(scripts[0]), "--help")
    assert done.returncode == 0, done.stderr
    assert "validate" in done.stdout
