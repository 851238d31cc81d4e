"""``ai-runner record``, and ``replay:`` in the verb that was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ai_runner.firmware import build_firmware, start_firmware


@pytest.fixture(scope="module")
def folder(digits_int8: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("firmware") / "out"
    build_firmware({"digits": digits_int8}, out, cflags="-O0")
    return out


def verdict(out: str) -> list[str]:
    """The report without what names the target and tells when it was."""
    return [line for line in out.splitlines() if line.startswith(("verdict", "O.", "  "))]


@pytest.mark.parametrize("options", [[], ["--per-layer"]])
def test_a_recorded_validation_replays(
    options: list[str], folder: Path, digits_int8: Path, tmp_path: Path, ai_runner: Any
) -> None:
    cassette = tmp_path / "a & b.cassette"
    verb = ["validate", "-m", digits_int8, "--random", 4, *options]
    with start_firmware(folder) as firmware:
        first = ai_runner("record", "-d", firmware.descriptor, "-o", cassette, "--", *verb)
    assert first.code == 0, first.err
    again = ai_runner(*verb, "-d", f"replay:{cassette}")
    assert again.code == 0, again.err
    assert verdict(again.out) == verdict(first.out)
    assert "PASS" in again.out

    other = ai_runner(*verb, "--seed", 1, "-d", f"replay:{cassette}")
    assert other.code == 3
    assert "recorded was" in other.err
    assert [file.name for file in tmp_path.iterdir()] == [cassette.name]


def test_nothing_is_left_of_a_recording_that_could_not_begin(tmp_path: Path, ai_runner: Any) -> None:
    ended = ai_runner("record", "-d", "socket:127.0.0.1:1", "-o", tmp_path / "a", "--", "info")
    assert ended.code == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ([], "another verb is missing"),
        (["--", "record", "-d", "x", "-o", "y"], "another verb is missing"),
        (["--", "drivers"], "drivers talks to no target"),
        (["--", "firmware", "run", "build"], "firmware talks to no target"),
        (["--", "info"], "no wire"),
    ],
)
def test_what_cannot_be_recorded(verb: list[str], what: str, tmp_path: Path, ai_runner: Any) -> None:
    ended = ai_runner("record", "-d", "fake:good", "-o", tmp_path / "a", *verb)
    assert ended.code == 2
    assert what in ended.err
    assert list(tmp_path.iterdir()) == []


def test_garbage_cannot_be_replayed(tmp_path: Path, ai_runner: Any) -> None:
    (tmp_path / "a").write_bytes(b"\0\1\2")
    ended = ai_runner("info", "-d", f"replay:{tmp_path / 'a'}")
    assert ended.code == 2
    assert "is not a cassette" in ended.err


def test_a_recording_has_to_be_named(ai_runner: Any) -> None:
    ended = ai_runner("info", "-d", "replay:")
    assert ended.code == 2
    assert "replay: names no recording" in " ".join(ended.err.split())


@pytest.mark.parametrize("name", ["what?.cassette", "a?speed=b.cassette", "50%.cassette", "a%3Fb.cassette"])
def test_a_recording_of_any_name_is_replayed(name: str, tmp_path: Path, ai_runner: Any) -> None:
    recorded = Path(__file__).resolve().parents[2] / "examples" / "data" / "digits_board.cassette"
    (tmp_path / name).write_bytes(recorded.read_bytes())
    ended = ai_runner("info", "-d", f"replay:{tmp_path / name.replace('?', '%3F')}")
    assert ended.code == 0
    assert "digits" in ended.out
