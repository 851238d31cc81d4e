"""The drivers of docs/drivers.md keep the contract that the page speaks of, and its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# Each file of the page, by what only it has in it.
FILES = {"dense.py": "class DenseDriver", "line.py": "class LineDriver", "specimens.py": "SPECIMENS = "}
ENTRY_POINTS = "[ai_runner.drivers]\ndense = dense:DenseDriver\nline = line:LineDriver\n"
RECORD_AND_REPLAY = """
import numpy as np
from ai_runner import AiRunner
from specimens import device

server, descriptor = device()
said = []
for text in (f"{descriptor}?record=two.cassette", "replay:two.cassette"):
    with AiRunner.open(text) as runner:
        said.append(runner.run(np.array([[1, 2, 3, 4]], np.float32)))
    server.shutdown()
    server.server_close()
assert (said[0].outputs[0] == [[3, 5, 7]]).all()
assert (said[0].outputs[0] == said[1].outputs[0]).all()
assert said[1].durations == [0.007]
"""


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "drivers.md").read_text("utf-8")


@pytest.fixture(scope="module")
def package(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page, as if they had been installed there."""
    folder = tmp_path_factory.mktemp("package")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, mark in FILES.items():
        (block,) = [block for block in blocks if mark in block]
        (folder / name).write_text(block, "utf-8")
    metadata = folder / "their_drivers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-drivers\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, "utf-8")
    return folder


def run(words: list[str], package: Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(package), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, *words],
        **{"capture_output": True, "text": True, "cwd": folder, "check": False},
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def test_they_pass_this_suite(page: str, package: Path, repository: Path) -> None:
    (line,) = re.findall(r"```sh\n(.*)\n```", page)
    assert line == "AI_RUNNER_SPECIMENS=specimens:SPECIMENS python -m pytest tests/conformance -k my-"
    words = [*line.split()[2:], "-n0", "-q", "-p", "no:cacheprovider"]
    done = run(words, package, repository, AI_RUNNER_SPECIMENS="specimens:SPECIMENS")
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 70  # type: ignore[index]
    assert "[my-dense]" not in done.stdout  # nothing of it was skipped, or said otherwise


def test_commands_of_the_page(page: str, package: Path, tmp_path: Path) -> None:
    (make_model,) = [
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if 'savez("two.npz"' in block
    ]
    assert run(["-c", make_model], package, tmp_path).returncode == 0
    commands = re.findall(r"^\$ ai-runner (.*dense:.*)$", page, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = run(["-m", "ai_runner.cli", *command.split()], package, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert re.search("dense_1|FULLY_CONNECTED", done.stdout), command


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, 2), (b"no archive", 4), (b"PK\x03\x04" + bytes(99), 4), ({"w0": [[1.0]], "b0": [1, 2]}, 4)],
)
def test_files_that_are_no_models(content: object, code: int, package: Path, tmp_path: Path) -> None:
    if isinstance(content, bytes):
        (tmp_path / "two.npz").write_bytes(content)
    elif content is not None:
        assert run(["-c", f"import numpy; numpy.savez('two.npz', **{content})"], package, tmp_path).returncode == 0
    done = run(["-m", "ai_runner.cli", "info", "-d", "dense:two.npz"], package, tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("ai-runner: error: two.npz: ")


def test_a_session_of_the_wire_is_recorded_and_replayed(package: Path, tmp_path: Path) -> None:
    done = run(["-c", RECORD_AND_REPLAY], package, tmp_path)
    assert done.returncode == 0, done.stderr
