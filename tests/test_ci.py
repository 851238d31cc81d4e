"""docs/ci.md: the jobs of its YAML, and the commands that build on them, run as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_runner.pytest_plugin.options import add_options

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
# What needs a network, or the service that the job runs on.
ELSEWHERE = ("pip install", "gh ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    """The two files as a service reads them."""
    github, gitlab = (yaml.safe_load(block) for block in blocks("yaml"))
    return {"github": github, "gitlab": gitlab}


def github_commands(job: dict[str, Any]) -> Iterator[str]:
    for step in job["steps"]:
        if "run" in step:
            yield step["run"]
        else:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


@pytest.fixture
def checkout(tmp_path: Path, compiler: str) -> Path:
    """A folder that looks like a fresh checkout."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As both services do: by bash, which ends at the first error."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "step-summary.md")}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )


def run_all(commands: Iterator[str], folder: Path) -> None:
    for command in commands:
        if not command.startswith(ELSEWHERE):
            done = run(command, folder)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_github_job_gates_and_the_commands_after_it_run(jobs: dict[str, Any], checkout: Path) -> None:
    job = jobs["github"]["jobs"]["validate"]
    run_all(github_commands(job), checkout)
    left = {path.name for path in (checkout / "build" / "ci").iterdir()}
    assert left >= {"junit.xml", "board.xml", "summary.md", "report.html", "result.zip"}
    assert "pass" in (checkout / "step-summary.md").read_text("utf-8").lower()
    (upload,) = (step["with"]["path"] for step in job["steps"] if "upload" in step.get("uses", ""))
    assert (checkout / upload).is_dir()
    (more,) = blocks("sh")
    run_all(iter(more.splitlines()), checkout)


def test_gitlab_job_gates(jobs: dict[str, Any], checkout: Path) -> None:
    job = jobs["gitlab"]["validate"]
    run_all(iter(job["script"]), checkout)
    for path in (*job["artifacts"]["paths"], *job["artifacts"]["reports"]["junit"]):
        assert (checkout / path).exists(), path
    assert "ai-runner.noise-floor" in (checkout / "build" / "ci" / "junit.xml").read_text("utf-8")


def test_a_job_fails_when_a_rule_does_and_leaves_its_reports(jobs: dict[str, Any], checkout: Path) -> None:
    strict = (ROOT / "examples" / "ci" / "policy.toml").read_text("utf-8").replace("min = 0.98", "min = 0.999")
    (checkout / "strict.toml").write_text(strict, "utf-8")
    make, validate = list(github_commands(jobs["github"]["jobs"]["validate"]))[1:3]
    assert run(make, checkout).returncode == 0
    done = run(validate.replace("examples/ci/policy.toml", "strict.toml"), checkout)
    assert done.returncode == 1, done.stderr
    assert "0.999" in (checkout / "build" / "ci" / "summary.md").read_text("utf-8")
    assert "<failure" in (checkout / "build" / "ci" / "junit.xml").read_text("utf-8")


class Options:
    """Stands for pytest's parser and its group, and notes the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_: str) -> Options:
        return self

    def addoption(self, name: str, **_: Any) -> None:
        self.names.append(name)


def test_every_option_of_the_plugin_is_in_the_page() -> None:
    options: Any = Options()
    add_options(options)
    assert len(options.names) > 20
    assert all(name.startswith("--ai-runner") for name in options.names)
    assert {name for name in options.names if f"{name}`" not in PAGE and f"{name}=" not in PAGE} == set()
