from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_builds_and_says_what_it_built(ai_runner: Command, digits_int8: Path, tmp_path: Path) -> None:
    out = tmp_path / "digits.eim"
    ended = ai_runner("eim", digits_int8, "--out", out, "--labels", "a,b,c,d,e,f,g,h,i,j", "--project-name", "Post")
    assert (ended.code, ended.err) == (0, "")
    first, *lines = ended.out.splitlines()
    assert first == f"{out}: classification, 64 features"
    assert "labels       a, b, c, d, e, f, g, h, i, j" in lines
    assert lines[-1] == f"descriptor   eim:{out}"
    info = subprocess.run([out, "--print-info"], capture_output=True, text=True).stdout
    assert '"name": "Post"' in info
    ended = ai_runner("run", "-d", f"eim:{out}", "--random", 2)
    assert ended.code == 0, ended.err


def test_a_camera_says_how_it_scales(ai_runner: Command, digits_int8: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {k}\n" for k in range(10)) + "\n")
    ended = ai_runner(
        *("eim", digits_int8, "--out", tmp_path / "x.eim", "--sensor", "camera"),
        *("--labels", labels, "--resize-mode", "squash", "--scale", "0..1", "--deploy-version", 3),
    )
    assert ended.code == 0, ended.err
    assert "image        8 x 8 x 1, pixels scaled to 0..1" in ended.out
    assert "class 0, class 1" in ended.out
    assert ended.out.splitlines()[-1] == f"descriptor   eim:{tmp_path / 'x.eim'}?scale=0..1"


def test_of_many_labels_some_are_shown(ai_runner: Command, shared_models: Path, tmp_path: Path) -> None:
    ended = ai_runner("eim", shared_models / "ad01_int8.tflite", "--out", tmp_path / "x.eim")
    (line,) = [line for line in ended.out.splitlines() if line.startswith("labels")]
    assert line.endswith("18, ... 639 (640)")


def test_freeform_outputs_are_counted(ai_runner: Command, digits_int8: Path, tmp_path: Path) -> None:
    ended = ai_runner("eim", digits_int8, "--out", tmp_path / "x.eim", "--model-type", "freeform")
    assert "outputs      10 values" in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--labels", "a,b"), 2, "2 labels given, the model has 10"),
        (("--labels", "{,b"), 2, "cannot be a label"),
        (("--sensor", "camera", "--scale", "0..2"), 2, "invalid choice"),
        (("--threshold", "0.5"), 2, "belongs to object detection"),
        (("--model-type", "constrained_object_detection"), 4, "no grid of object scores"),
        (("--interpreter", "/a b/python"), 2, "cannot start a program"),
    ],
)
def test_refusals_are_one_line(
    arguments: tuple[str, ...], code: int, says: str, ai_runner: Command, digits_int8: Path, tmp_path: Path
) -> None:
    ended = ai_runner("eim", digits_int8, "--out", tmp_path / "x.eim", *arguments)
    assert ended.code == code
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "x.eim").exists()


def test_a_missing_model(ai_runner: Command, tmp_path: Path) -> None:
    ended = ai_runner("eim", tmp_path / "none.tflite", "--out", tmp_path / "x.eim")
    assert (ended.code, "cannot read the model" in ended.err) == (2, True)


def test_labels_in_a_file_that_is_no_text(ai_runner: Command, digits_int8: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_bytes(b"\xff\xfe")
    ended = ai_runner("eim", digits_int8, "--out", tmp_path / "x.eim", "--labels", labels)
    assert (ended.code, "cannot read the labels" in ended.err) == (2, True)
