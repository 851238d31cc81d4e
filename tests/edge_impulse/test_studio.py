from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ai_runner.edge_impulse import studio as studio_module
from ai_runner.edge_impulse.studio import Studio
from ai_runner.errors import (
    HwIOError,
    InvalidModelError,
    InvalidMsgError,
    InvalidParamError,
    LinkLostError,
    LinkTimeoutError,
)

RUNNER = "runner-linux-x86_64"


@pytest.fixture
def project(ei_service: Any, tmp_path: Path) -> Any:
    with Studio(
        12345, ei_service.KEY, address=ei_service.studio_address, cache=tmp_path / "cache", timeout=20.0, poll=0.0
    ) as studio:
        yield studio


def paths(service: Any) -> list[str]:
    return [f"{method} {path.partition('?')[0].removeprefix('/v1/api/12345')}" for method, path, _ in service.requests]


def test_a_deployment_is_built_downloaded_and_kept(ei_service: Any, project: Studio, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = project.deployment(RUNNER, progress=lambda done, of: seen.append((done, of)))
    assert found.path.read_bytes() == ei_service.project.built
    assert found.path.name == "model.eim"
    assert (found.version, found.engine, found.model_type) == (1, "tflite", "float32")
    assert (found.was_built, found.was_downloaded) == (True, True)
    assert seen[-1] == (len(ei_service.project.built),) * 2
    if os.name == "posix":
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o755
    assert [path.name for path in found.path.parent.iterdir()] == ["model.eim"]
    assert found.path.parent.name == "v1-float32-runner-linux-x86_64-tflite-impulse1"
    assert found.path.is_relative_to(tmp_path / "cache")
    assert paths(ei_service) == [
        "GET ",
        "GET /deployment/targets",
        "GET /deployment",
        "POST /jobs/build-ondevice-model",
        *["GET /jobs/700/status"] * 3,
        "GET /deployment",
        "GET /deployment/download",
    ]
    assert all(headers["x-api-key"] == ei_service.KEY for _, _, headers in ei_service.requests)
    ei_service.requests.clear()
    again = project.deployment(RUNNER)
    assert (again.path, again.was_built, again.was_downloaded) == (found.path, False, False)
    assert "GET /deployment/download" not in paths(ei_service)


def test_what_is_there_is_only_downloaded(ei_service: Any, project: Studio) -> None:
    key = (RUNNER, "int8", "tflite-eon", "3")
    ei_service.project.deployments[key] = (7, b"PK\x03\x04 a zip")
    found = project.deployment(RUNNER, engine="tflite-eon", model_type="int8", impulse=3)
    assert (found.version, found.was_built, found.was_downloaded) == (7, False, True)
    assert found.path.name == "deployment.zip"
    if os.name == "posix":
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o644
    assert not any(path.startswith("POST") for path in paths(ei_service))


def test_force_build(ei_service: Any, project: Studio) -> None:
    project.deployment(RUNNER)
    ei_service.project.built = b"#!/bin/sh another"
    found = project.deployment(RUNNER, force_build=True)
    assert (found.version, found.was_built) == (2, True)
    assert found.path.read_bytes() == b"#!/bin/sh another"


def test_targets_are_listed(project: Studio) -> None:
    [runner, library] = project.targets()
    assert (runner.format, runner.preferred_engine, runner.engines) == (RUNNER, "tflite", ("tflite", "tflite-eon"))
    assert (library.format, library.engines) == ("zip", ())
    assert project.name_and_impulse() == ("digits", 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"target": "runner-vax"}, "has no target 'runner-vax'"),
        ({"target": "../../etc"}, "is no name"),
        ({"target": RUNNER, "engine": "steam"}, "does not take the engine 'steam'"),
        ({"target": RUNNER, "model_type": "int3"}, "model type 'int3'"),
    ],
)
def test_what_the_project_does_not_have(project: Studio, arguments: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidParamError, match=says):
        project.deployment(**arguments)  # type: ignore[arg-type]


def test_a_failure_comes_with_status_200(ei_service: Any, tmp_path: Path) -> None:
    with (
        Studio(1, ei_service.KEY, address=ei_service.studio_address, cache=tmp_path) as studio,
        pytest.raises(HwIOError, match="project 1: Project not found"),
    ):
        studio.deployment(RUNNER)


def test_a_failed_job_shows_the_end_of_its_log(ei_service: Any, project: Studio, caplog: Any) -> None:
    ei_service.project.build_succeeds = False
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(HwIOError, match="job 700 failed: ld: error: no memory") as info,
    ):
        project.deployment(RUNNER)
    assert info.value.evidence["log"] == "compiling\nld: error: no memory"
    assert "job 700: compiling" in caplog.text


@pytest.mark.parametrize("log", [None, "a\nb", [], ["x", 3], [{"data": 1}], {"a": 1}])
def test_a_log_of_any_shape(ei_service: Any, project: Studio, log: Any) -> None:
    ei_service.project.build_succeeds = False
    ei_service.project.log = log
    with pytest.raises(HwIOError, match="job 700 failed"):
        project.deployment(RUNNER)


def test_a_job_that_does_not_end(ei_service: Any, project: Studio) -> None:
    ei_service.project.polls_until_built = 10**9
    with pytest.raises(LinkTimeoutError, match="job 700 has not ended"):
        project.deployment(RUNNER, build_timeout=0.05)


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("cancel", "cancelled"), [(False, []), (True, [700])])
def test_ctrl_c_cancels_the_job_when_asked_to(
    ei_service: Any, project: Studio, monkeypatch: pytest.MonkeyPatch, cancel: bool, cancelled: list[int]
) -> None:
    monkeypatch.setattr(studio_module.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        project.deployment(RUNNER, cancel_on_interrupt=cancel)
    assert ei_service.project.cancelled == cancelled


@pytest.mark.parametrize("fault", ["drop at start", "drop mid answer", ("status", 502, b"bad gateway", {})])
def test_polling_survives_faults(ei_service: Any, project: Studio, fault: Any) -> None:
    ei_service.faults = [None, None, None, None, None, fault, fault]
    assert project.deployment(RUNNER).was_built
    assert len(ei_service.project.jobs) == 1


@pytest.mark.parametrize("fault", ["store and drop", "drop mid answer"])
def test_a_job_is_not_started_twice(ei_service: Any, project: Studio, fault: Any) -> None:
    ei_service.faults = [None, None, None, fault]
    with pytest.raises(LinkLostError):
        project.deployment(RUNNER)
    assert len(ei_service.project.jobs) == 1


def test_a_download_that_breaks_off_is_begun_again(ei_service: Any, project: Studio) -> None:
    ei_service.project.deployments[(RUNNER, "float32", "tflite", "1")] = (3, b"\x7fELF" + b"x" * 1_000_000)
    ei_service.faults = [None, None, None, "drop mid answer"]
    found = project.deployment(RUNNER)
    assert found.path.stat().st_size == 1_000_004
    assert paths(ei_service).count("GET /deployment/download") == 2


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (("status", 200, b"<html>", {}), InvalidModelError, "neither an executable nor a zip"),
        (("status", 200, b"", {}), InvalidModelError, "neither"),
        (
            ("status", 200, b'{"success": false, "error": "gone"}', {"Content-Type": "application/json"}),
            HwIOError,
            "gone",
        ),
        (("status", 200, b'{"success": true}', {"Content-Type": "application/json"}), InvalidMsgError, "is JSON"),
        (("status", 401, b"", {}), InvalidParamError, "the API key was refused"),
        (("status", 302, b"", {"Location": "https://files.example/x"}), HwIOError, "redirects to files.example"),
    ],
)
def test_a_download_that_is_none(
    ei_service: Any, project: Studio, tmp_path: Path, fault: Any, kind: type, says: str
) -> None:
    ei_service.project.deployments[(RUNNER, "float32", "tflite", "1")] = (3, b"\x7fELF")
    ei_service.faults = [None, None, None, fault]
    with pytest.raises(kind, match=says) as info:  # type: ignore[call-overload]
        project.deployment(RUNNER)
    assert ei_service.KEY not in str(info.value)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_download_has_a_bound(
    ei_service: Any, project: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_runner.edge_impulse import deployment_cache

    monkeypatch.setattr(deployment_cache, "MAX_BYTES", 1 << 20)
    ei_service.project.deployments[(RUNNER, "float32", "tflite", "1")] = (3, b"\x7fELF")
    ei_service.faults = [None, None, None, "huge"]
    with pytest.raises(InvalidModelError, match="more than"):
        project.deployment(RUNNER)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{}",
        b"null",
        b"nonsense",
        b'{"success": true}',
        b'{"success": true, "targets": 3}',
        b'{"success": true, "targets": [null, {"format": 3}]}',
        b'{"success": true, "targets": [{"format": "runner-linux-x86_64", "preferredEngine": "../x"}]}',
        b'{"success": true, "targets": [{"format": "runner-linux-x86_64", "preferredEngine": null}]}',
    ],
)
def test_answers_that_make_no_sense_are_errors(ei_service: Any, project: Studio, answer: bytes) -> None:
    ei_service.faults = [None, ("status", 200, answer, {})]
    with pytest.raises((HwIOError, InvalidMsgError, InvalidParamError)):
        project.deployment(RUNNER)


def test_a_version_that_is_none(ei_service: Any, project: Studio) -> None:
    for version in (b'"../7"', b"true", b"-1", b"null"):
        body = b'{"success": true, "hasDeployment": true, "version": ' + version + b"}"
        ei_service.faults = [None, None, ("status", 200, body, {})]
        with pytest.raises(InvalidMsgError, match="version"):
            project.deployment(RUNNER)


def test_a_cache_that_cannot_be_written(ei_service: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        Studio(12345, ei_service.KEY, address=ei_service.studio_address, cache=tmp_path / "file", poll=0.0) as studio,
        pytest.raises(HwIOError, match="cannot be written"),
    ):
        studio.deployment(RUNNER)


def test_wrong_project() -> None:
    with pytest.raises(InvalidParamError):
        Studio(0, "ei_key")
