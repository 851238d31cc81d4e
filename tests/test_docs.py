"""Every command and every Python block of the README and of docs/ runs as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_runner.eim_engine import EngineOptions, build_engine

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Run elsewhere: the targets of make in test_makefile.py, the drivers of docs/drivers.md in test_registry.py and
# conformance/test_documented_drivers.py, a running firmware in tests/cli/test_firmware.py, comparisons of latencies in
# tests/cli/test_bench.py.
ELSEWHERE = re.compile(
    r"make |pip install|ai-runner (.*-d (doubler|dense):|firmware run|bench .*--(against|baseline|save-baseline) )"
)
ELSEWHERE_CODE = re.compile(r"class Doubler|from dense import")


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(page.name, block) for page in PAGES for block in pattern.findall(page.read_text(encoding="utf-8"))]


def sessions() -> list[tuple[str, list[str]]]:
    """The `$ command` lines of each block, those that end with a backslash joined with the next."""
    found = []
    for page, block in blocks("console"):
        lines = [line[2:] for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
        found.append((page, [line for line in lines if not ELSEWHERE.match(line)]))
    return [(page, lines) for page, lines in found if lines]


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory,
    digits_descriptors: dict[str, str],
    digits_int8: Path,
    stub_export: Callable[..., Path],
    stub_library: Callable[..., Path],
) -> Path:
    """A folder that looks like a checkout after `make demo`, with an Edge Impulse export and the library made of it."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    (folder / "keyword-export").symlink_to(stub_export())
    (folder / "keyword.so").symlink_to(stub_library())
    demo = folder / "build" / "demo"
    demo.mkdir(parents=True)
    for api in ("st-ai", "legacy"):
        (demo / api).symlink_to(digits_descriptors[api].removeprefix("file:"))
    build_engine(digits_int8, demo / "digits.eim", EngineOptions(labels=tuple("0123456789")))
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("page", "commands"), [pytest.param(*one, id=f"{one[0]}-{one[1][0]}") for one in sessions()])
def test_commands(page: str, commands: list[str], workspace: Path) -> None:
    """A command may use what those before it in its block have written."""
    for command in commands:
        check_command(page, command, workspace)


def check_command(page: str, command: str, workspace: Path) -> None:
    if "c-model" in command:  # what stands there is a link to what all tests of this module share
        command = command.replace("build/demo/", "build/made/")
    words = command.split()
    if words[0] == "ai-runner":
        words = [sys.executable, "-m", "ai_runner.cli", *words[1:]]
    done = run(words, workspace)
    assert "Traceback" not in done.stderr, f"{page}: {command}\n{done.stderr}"
    if "benchmarks/" not in command:  # their exit code says how fast this machine is just now, or what it lacks
        assert done.returncode == 0, f"{page}: {command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(("page", "code"), [b for b in blocks("python") if not ELSEWHERE_CODE.search(b[1])])
def test_python(page: str, code: str, workspace: Path) -> None:
    done = run([sys.executable, "-c", code], workspace)
    assert done.returncode == 0, f"{page}:\n{code}\n{done.stdout}{done.stderr}"


def test_commands_are_found() -> None:
    assert {page for page, _ in sessions()} >= {"README.md", "stm_ai_runner.md"}


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
