from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.cli import main
from ai_runner.edge_impulse.ingestion import is_signed_by

HMAC_KEY = "fed53116f20684c067774ebf9e7bcbdc"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.delenv("EI_HMAC_KEY", raising=False)
    monkeypatch.delenv("EI_HOST", raising=False)


@pytest.fixture
def ei(ei_service: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls a verb against the service: (exit code, standard output, standard error)."""
    monkeypatch.setenv("EI_API_KEY", ei_service.KEY)

    def call(verb: str, *arguments: object) -> tuple[int, str, str]:
        address = ei_service.studio_address if verb == "download" else ei_service.address
        code = main(["ei", verb, "--address", address, *map(str, arguments)])
        captured = capsys.readouterr()
        assert ei_service.KEY not in captured.out + captured.err
        assert "Traceback" not in captured.err or "--debug" in arguments
        return code, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """idle.1.csv, idle.2.csv, cat.jpg with a box, notes.md, a hidden file."""
    folder = tmp_path / "data"
    folder.mkdir()
    for k in (1, 2):
        (folder / f"idle.{k}.csv").write_text(f"timestamp,accX\n0,{k}\n10,2\n20,3\n")
    (folder / "cat.jpg").write_bytes(b"\xff\xd8\xff picture")
    (folder / "notes.md").write_text("# notes")
    (folder / ".hidden.csv").write_text("nonsense")
    box = {"label": "cat", "x": 1, "y": 2, "width": 3, "height": 4}
    labels = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"cat.jpg": [box]}}
    (folder / "bounding_boxes.labels").write_text(json.dumps(labels))
    return folder


def test_a_folder_is_uploaded_with_its_labels(ei: Any, ei_service: Any, folder: Path, tmp_path: Path) -> None:
    code, out, err = ei("upload", folder, "--metadata", "site=roof", "--category", "testing")
    assert (code, out) == (0, "3 accepted\n")
    assert "1 files of the folders are left out: no known extension" in err
    assert ei_service.names() == ["cat.jpg", "idle.1.csv", "idle.2.csv"]
    assert {stored.category for stored in ei_service.stored} == {"testing"}
    assert {stored.label for stored in ei_service.stored} == {None}
    assert all(stored.metadata == {"site": "roof"} for stored in ei_service.stored)
    assert json.loads(ei_service.extras[0].content)["boundingBoxes"]["cat.jpg"][0]["width"] == 3
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [], "no journal is left"


def test_an_attachment_is_no_sample_of_its_own(ei: Any, ei_service: Any, folder: Path) -> None:
    (folder / "notes.txt").write_text("seen at night")
    labels = {"version": 1, "type": "attachments", "attachments": {"cat.jpg": [{"filename": "notes.txt"}]}}
    (folder / "attachments.labels").write_text(json.dumps(labels))
    assert ei("upload", folder)[:2] == (0, "3 accepted\n")
    assert ei_service.names() == ["cat.jpg", "idle.1.csv", "idle.2.csv", "notes.txt"], "the last one as an attachment"


def test_labels(ei: Any, ei_service: Any, folder: Path) -> None:
    assert ei("upload", folder / "idle.1.csv", "--label", "an idle one")[0] == 0
    assert ei("upload", folder / "idle.2.csv", "--no-label")[0] == 0
    assert [stored.label for stored in ei_service.stored] == ["an idle one", ""]


def test_refused_files_are_named_and_the_exit_code_is_1(ei: Any, ei_service: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("REFUSE ME")
    (tmp_path / "b.txt").write_text("fine")
    code, out, err = ei("upload", tmp_path / "a.txt", tmp_path / "b.txt")
    assert code == 1
    assert out.splitlines()[:2] == [f"refused  {tmp_path / 'a.txt'}: cannot be parsed", "1 accepted, 1 refused"]
    assert err == ""


def test_the_same_command_goes_on(ei: Any, ei_service: Any, folder: Path) -> None:
    arguments = ("upload", folder / "idle.1.csv", folder / "idle.2.csv", folder / "cat.jpg", "--retries", "0")
    more = ("--category", "split")
    ei_service.faults = [("status", 500, b"on fire", {})]
    code, out, err = ei(*arguments, *more)
    assert code == 3
    assert "the server failed (500): on fire" in err
    assert "the same command again goes on from here" in out
    assert "unknown" in out
    code, out, _ = ei(*arguments, *more)
    assert (code, out) == (0, "3 accepted\n")
    assert len(ei_service.stored) == 3


@pytest.mark.parametrize("flags", [(), ("-v",), ("--debug",), ("--debug", "-v")])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("drop before answer", 3),
        ("no http", 3),
        (("status", 401, b"no", {}), 2),
        (("status", 302, b"", {"Location": "http://evil.example/"}), 3),
        (("status", 200, b"hello", {}), 3),
    ],
)
def test_the_key_is_never_seen(
    ei: Any, ei_service: Any, folder: Path, fault: Any, code: int, flags: tuple[str, ...]
) -> None:
    ei_service.faults = [fault]
    assert ei("upload", folder / "cat.jpg", "--retries", "0", *flags)[0] == code  # the fixture looks for the key


def test_a_key_that_the_server_repeats_is_hidden(ei: Any, ei_service: Any, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("ei_some_other_key_of_mine\n")
    code, out, err = ei("upload", folder / "cat.jpg", "--api-key-file", file, "--debug", "-v")
    assert code == 2
    assert "ei_some_other_key_of_mine" not in out + err
    assert "[API key]" in err


def test_usage_errors_are_one_line_and_repeat_no_key(ei: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[tuple[tuple[object, ...], str]] = [
        (("upload", folder / "none.csv"), "no such file"),
        (("upload", folder / "cat.jpg", "--api-key", "ei_in_the_open"), "seen by everybody"),
        (("upload", folder / "cat.jpg", "--key=ei_in_the_open"), "seen by everybody"),
        (("upload", folder / "cat.jpg", "--label", ""), "--no-label"),
        (("upload", folder / "cat.jpg", "--metadata", "x"), "KEY=VALUE"),
        (("upload", folder / "cat.jpg", "--jobs", "99"), "1 to 16"),
        (("upload", folder / "cat.jpg", "--timeout", "0"), "seconds"),
        (("upload", folder / "cat.jpg", "--address", "http://example.com"), "plain http"),
        (("download", "--project", "0", "--target", "zip"), "whole number from 1"),
    ]
    for arguments, says in cases:
        code, out, err = ei(*arguments)
        assert (code, out) == (2, "")
        assert says in err
        assert err.count("\n") == 1
        assert "ei_in_the_open" not in err
    monkeypatch.delenv("EI_API_KEY")
    assert "set EI_API_KEY" in ei("upload", folder / "cat.jpg")[2]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "timestamp,x\n0,1\n1,nan\n", "a.csv:3: column 'x' is 'nan'"),
        ("a.json", "{", "a.json: is no JSON"),
        ("a.wav", "RIFF", "a.wav: the WAV file ends"),
        ("bounding_boxes.labels", '{"version": 1}', "bounding_boxes.labels: type is None"),
    ],
)
def test_a_broken_file_stops_everything_before_it_begins(
    ei: Any, ei_service: Any, folder: Path, name: str, content: str, says: str
) -> None:
    (folder / name).write_text(content)
    code, out, err = ei("upload", folder)
    assert (code, out) == (2, "")
    assert says in err
    assert ei_service.requests == []


def test_no_check_sends_it_as_it_is(ei: Any, ei_service: Any, folder: Path) -> None:
    (folder / "log.csv").write_text("a;b\n1;nan\n")
    assert ei("upload", folder / "log.csv", "--no-check")[0] == 0
    assert ei_service.stored[0].content == b"a;b\n1;nan\n"


def test_a_dry_run_needs_no_key_and_sends_nothing(
    ei: Any, ei_service: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EI_API_KEY")
    code, out, _ = ei("upload", folder, "--dry-run")
    assert code == 0
    assert out.splitlines()[:2] == ["training  cat: 1", "training  idle: 2"]
    assert ei_service.requests == []


def test_collected_rows_become_signed_documents(
    ei: Any, ei_service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EI_HMAC_KEY", HMAC_KEY)
    rows = tmp_path / "failing.npz"
    inputs = np.array([[0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    np.savez(rows, inputs=inputs, labels=np.array([1, 0, 1]), reasons=np.array(["", "argmax differs", "NaN"]))
    code, out, _ = ei(
        "collect", rows, "--interval-ms", "62.5", "--sensors", "accX:m/s2,accY:m/s2", "--class-names", "idle,snake",
        "--reason", "low score", "--rows", "0,1",
    )  # fmt: skip
    assert (code, out) == (0, "2 accepted\n")
    first, second = sorted(ei_service.stored, key=lambda stored: stored.name)
    assert (first.name, first.label, first.metadata) == ("failing.0.json", "snake", {"reason": "low score"})
    assert (second.label, second.metadata) == ("idle", {"reason": "argmax differs"})
    document = json.loads(first.content)
    assert document["payload"] == {
        "device_type": "AI_RUNNER",
        "interval_ms": 62.5,
        "sensors": [{"name": "accX", "units": "m/s2"}, {"name": "accY", "units": "m/s2"}],
        "values": [[0.1, 0.2], [0.3, 0.4]],
    }
    assert is_signed_by(first.content, HMAC_KEY)
    assert HMAC_KEY not in out


def test_images_and_saved_runs_are_collected(ei: Any, ei_service: Any, folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "run.npz"
    np.savez(saved, m_inputs_1=np.zeros((2, 3), np.int8), m_outputs_1=np.zeros((2, 2)))
    code, _, _ = ei(
        "collect",
        saved,
        folder / "cat.jpg",
        "--interval-ms",
        10,
        "--label",
        "cat",
        "--reason",
        "missed",
        "--encoding",
        "cbor",
    )
    assert code == 1, "both rows are the same"
    assert ei_service.names() == ["cat.jpg", "run.0.cbor"]
    assert {(stored.label, stored.metadata["reason"]) for stored in ei_service.stored} == {("cat", "missed")}


def test_what_cannot_be_collected(ei: Any, tmp_path: Path) -> None:
    rows = tmp_path / "rows.npz"
    np.savez(rows, inputs=np.zeros((2, 3)))
    assert "--interval-ms" in ei("collect", rows)[2]
    assert "there is no row 7" in ei("collect", rows, "--interval-ms", "1", "--rows", "7")[2]
    rows.write_bytes(b"PK broken")
    assert ei("collect", rows, "--interval-ms", "1")[0] == 2


def test_a_deployment_is_downloaded(ei: Any, ei_service: Any, tmp_path: Path) -> None:
    out_file = tmp_path / "model.eim"
    arguments = ("--project", 12345, "--target", "runner-linux-x86_64", "--out", out_file)
    ei_service.project.polls_until_built = 0
    code, out, err = ei("download", *arguments)
    assert code == 0, err
    assert out == f"{out_file}: version 1, runner-linux-x86_64, tflite, float32; built\n"
    assert out_file.read_bytes() == ei_service.project.built
    if os.name == "posix":
        assert os.access(out_file, os.X_OK)
    assert "from the cache" in ei("download", *arguments)[1]


def test_a_download_that_fails(ei: Any, ei_service: Any, tmp_path: Path) -> None:
    assert ei("download", "--project", 1, "--target", "zip")[0] == 3
    assert ei("download", "--project", 12345, "--target", "vax")[0] == 2
    ei_service.project.build_succeeds = False
    ei_service.project.polls_until_built = 0
    code, _, err = ei("download", "--project", 12345, "--target", "zip")
    assert code == 3
    assert "compiling" in err
    assert "ld: error: no memory" in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_the_command_at_once(ei_service: Any, tmp_path: Path) -> None:
    import signal

    for k in range(4):
        (tmp_path / f"{k}.txt").write_text(f"{k}")
    ei_service.faults = ["silent"] * 2
    command = [sys.executable, "-m", "ai_runner.cli", "ei", "upload", str(tmp_path), "--address", ei_service.address]
    environment = {**os.environ, "EI_API_KEY": ei_service.KEY, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert ei_service.waiting.wait(30)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == "ai-runner: error: interrupted\n"
    [journal] = (tmp_path / "cache").rglob("*.journal")
    assert journal.read_text().count('"unknown"') == 4
    assert ei_service.KEY not in journal.read_text()
