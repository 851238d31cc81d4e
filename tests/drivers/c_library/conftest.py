"""Libraries for these tests: the conformance examples of both APIs, and a network of our own with its faults."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.c_library.driver import CLibraryDriver

SOURCES = Path(__file__).parent / "sources"
ABI_PROBE = Path(__file__).resolve().parents[4] / "shared" / "abi_probe"
COMPILE = ("-std=gnu11", "-O1", "-fPIC", "-shared", "-Wno-psabi")

OpenDriver = Callable[..., CLibraryDriver]
BuildTwin = Callable[..., Path]


@pytest.fixture(scope="session")
def compiler() -> str:
    found = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not found:
        pytest.skip("no C compiler")
    return found


@pytest.fixture(scope="session")
def abi_probe(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the twelve built variants."""
    if not ABI_PROBE.is_dir() or not shutil.which("make"):
        pytest.skip("needs ../shared/abi_probe and make")
    out = tmp_path_factory.mktemp("abi_probe")
    subprocess.run(["make", "-s", "-j2", "-C", str(ABI_PROBE), f"OUT={out}", f"CC={compiler}"], check=True)
    return out


@pytest.fixture(scope="session")
def build_twin(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> BuildTwin:
    """Builds the network of sources/twin.h once for each set of sources and definitions."""
    built: dict[tuple[Any, ...], Path] = {}

    def build(*sources: str, define: Sequence[str] = (), file_name: str = "libai_network.so") -> Path:
        key = (sources, tuple(define), file_name)
        if key not in built:
            path = tmp_path_factory.mktemp("twin") / file_name
            flags = [f"-D{definition}" for definition in define]
            files = [str(SOURCES / f"{source}_twin.c") for source in sources]
            subprocess.run([compiler, *COMPILE, *flags, *files, "-o", str(path)], check=True)
            built[key] = path
        return built[key]

    return build


@pytest.fixture
def build_c(compiler: str) -> Callable[..., Path]:
    """Builds a library from a line of C."""

    def build(code: str, path: Path, *flags: str) -> Path:
        command = [compiler, *COMPILE, "-Wl,-z,lazy", "-xc", "-", "-o", str(path), *flags]
        subprocess.run(command, input=code.encode(), check=True)
        return path

    return build


@pytest.fixture(scope="session")
def two_models(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One library: `first` in the legacy API, `second` in st-ai."""
    folder = tmp_path_factory.mktemp("two_models")
    objects = []
    for name, source in (("first", "legacy"), ("second", "stai")):
        target = folder / f"{name}.o"
        source_file = str(SOURCES / f"{source}_twin.c")
        subprocess.run(
            [compiler, "-std=gnu11", "-fPIC", f"-DNET={name}", "-c", source_file, "-o", str(target)], check=True
        )
        objects.append(str(target))
    path = folder / "renamed.so"
    subprocess.run([compiler, "-shared", *objects, "-o", str(path)], check=True)
    return path


@pytest.fixture
def open_driver() -> Iterator[OpenDriver]:
    """Opens a driver on a path with options; all are closed at the end."""
    drivers: list[CLibraryDriver] = []

    def open_(path: Path | str, options: str = "", **keywords: Any) -> CLibraryDriver:
        driver = CLibraryDriver(parse_descriptor(f"file:{path}{options}"), **keywords)
        drivers.append(driver)
        driver.open(Deadline(None))
        return driver

    yield open_
    for driver in drivers:
        driver.close()
