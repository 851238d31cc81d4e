from __future__ import annotations

from pathlib import Path

import pytest

from ai_runner.cli import main
from ai_runner.errors import ExitCode


def test_writes_compiles_and_says_what_to_do_next(
    digits_int8: Path, compiler: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["c-model", str(digits_int8), "--out", str(out)]) == ExitCode.PASS
    text = capsys.readouterr().out
    assert f"descriptor   file:{out}" in text
    assert "nodes        7" in text
    assert "macc         21,002" in text
    assert (out / "network_stai.c").exists()
    assert main(["info", "-d", f"file:{out}"]) == ExitCode.PASS


def test_sources_only(digits_int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--no-compile", "--api", "legacy", "--name", "digits"]
    assert main(["c-model", str(digits_int8), *arguments]) == ExitCode.PASS
    text = capsys.readouterr().out
    assert "descriptor" not in text
    assert (tmp_path / "out" / "digits_legacy.c").exists()
    assert not list((tmp_path / "out").glob("libai_*"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.tflite", "--out", "out"], ExitCode.USAGE, "missing.tflite"),
        (["{model}", "--out", "out", "--name", "a b"], ExitCode.USAGE, "no C identifier"),
        (["{model}", "--out", "out", "--api", "other"], ExitCode.USAGE, "--api"),
        (["{model}", "--out", "taken"], ExitCode.USAGE, "no earlier output"),
        (["{model}", "--out", "taken/thesis.txt"], ExitCode.USAGE, "is not a folder"),
        (["taken/thesis.txt", "--out", "out"], ExitCode.ARTEFACT, "not a TensorFlow Lite model"),
        (["{model}"], ExitCode.USAGE, "--out"),
    ],
)
def test_one_line_for_what_is_wrong(
    arguments: list[str],
    code: int,
    words: str,
    digits_int8: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").mkdir()
    Path("taken/thesis.txt").write_text("a text")
    assert main(["c-model", *(argument.format(model=digits_int8) for argument in arguments)]) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["taken", "thesis.txt"]


def test_no_compiler(
    digits_int8: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert main(["c-model", str(digits_int8), "--out", str(tmp_path / "out")]) == ExitCode.BENCH
    assert "apt-get install gcc" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
