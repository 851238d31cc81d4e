from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ai_runner.cli import main
from ai_runner.errors import ExitCode

Export = Callable[..., Path]


def test_an_export_becomes_a_library_that_runs(
    stub_export: Export, compiler: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "keyword.so"
    arguments = ["ei-library", str(stub_export()), "--out", str(library), "--jobs", "2", "--cxxflags=-O0 -g"]
    assert main([*arguments, "--objects", str(tmp_path / "objects")]) == ExitCode.PASS
    assert f"{library}: 4 source files, 4 compiled" in capsys.readouterr().out
    assert main([*arguments, "--objects", str(tmp_path / "objects")]) == ExitCode.PASS
    out = capsys.readouterr().out
    assert "0 compiled" in out
    descriptor = f"ei:{library}"
    assert descriptor in out

    np.save(tmp_path / "features.npy", np.ones((5, 16), np.float32))
    saved = tmp_path / "outputs.npz"
    arguments = ["run", "-d", descriptor, "--inputs", str(tmp_path / "features.npy"), "--save", str(saved)]
    assert main(arguments) == ExitCode.PASS
    assert np.load(saved)["m_outputs_1"].reshape(5, 3).tolist() == [[3.0] * 3] * 5
    capsys.readouterr()
    assert main(["info", "-d", descriptor]) == ExitCode.PASS
    assert "stub project" in capsys.readouterr().out


def test_boxes_are_shown(stub_library: Export, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-d", f"ei:{stub_library('fomo')}", "--random", "3", "--per-layer"]) == ExitCode.PASS
    out = capsys.readouterr().out
    assert "record[3, 1024]" in out
    assert "bounding_boxes_count" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{empty}", "--out", "{empty}/x.so"], ExitCode.USAGE, "is no C++ library export"),
        (["{export}", "--out", "{empty}/x.so", "--cxx", "no-such-one"], ExitCode.BENCH, "no C++ compiler"),
        (["{export}", "--out", "{empty}/x.so", "--jobs", "0"], ExitCode.USAGE, "at least one compiler"),
        (
            ["{export}", "--out", "{empty}/x.so", "--cxxflags=-DEI_CLASSIFIER_USE_FULL_TFLITE=1"],
            ExitCode.ARTEFACT,
            "compiled with EON",
        ),
        (["{export}"], ExitCode.USAGE, "--out"),
    ],
)
def test_what_goes_wrong_is_one_line(
    arguments: list[str],
    code: int,
    message: str,
    stub_export: Export,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export = stub_export()
    words = [word.replace("{empty}", str(tmp_path)).replace("{export}", str(export)) for word in arguments]
    assert main(["ei-library", *words]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_compile_error_shows_its_first_line_and_more_when_asked(
    stub_export: Export, compiler: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = stub_export()
    source = export / "tflite-model" / "tflite_learn.cpp"
    source.write_text("int good;\nnot_a_type broken;\nnot_a_type too;\n")
    arguments = ["ei-library", str(export), "--out", str(tmp_path / "x.so")]
    assert main(arguments) == ExitCode.BENCH
    error = capsys.readouterr().err
    assert "tflite_learn.cpp:2" in error
    assert "not_a_type" in error
    assert error.count("\n") == 1
    assert main([*arguments, "-v"]) == ExitCode.BENCH
    assert "tflite_learn.cpp:3" in capsys.readouterr().err


def test_help_says_what_is_left_to_a_makefile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ei-library", "--help"]) == ExitCode.PASS
    assert "full TensorFlow Lite" in " ".join(capsys.readouterr().out.split())
