"""`ai-runner validate` and `run` with engines, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.cli import main
from ai_runner.eim_engine import EngineOptions, build_engine

DIGITS = "0,1,2,3,4,5,6,7,8,9"


@pytest.fixture
def ai_runner(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def validate(ai_runner: Any, digits_int8: Path, digits_test: Path) -> Callable[..., tuple[int, str, str]]:
    """Against the .tflite itself, on the held-out digits."""

    def run(target: str, *arguments: object, reference: str = "") -> tuple[int, str, str]:
        inputs = ("--inputs", digits_test, "--labels", f"{digits_test}:labels")
        ended: tuple[int, str, str] = ai_runner(
            "validate", "-m", f"tflite:{digits_int8}{reference}", "-d", target, *inputs, *arguments
        )
        return ended

    return run


@pytest.mark.parametrize("engine", ["digits_eim", "digits_camera_eim"])
def test_an_engine_computes_what_its_model_computes(engine: str, validate: Any, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(engine)
    code, out, err = validate(f"eim:{path}", reference=f"?labels={DIGITS}")
    assert (code, err) == (0, "")
    assert "verdict    PASS" in out
    assert "accuracy   0.9900 against labels, the reference has 0.9900" in out


def test_on_the_same_kernels_it_is_bit_exact(validate: Any, digits_eim: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    code, out, _ = validate(f"eim:{digits_eim}", "--max-lsb", 0, "--json", report, reference="?kernels=xnnpack")
    assert code == 0, out
    (output,) = json.loads(report.read_text())["targets"][0]["outputs"]
    assert output["max_lsb"] == 0


def test_labels_that_are_swapped_are_found(validate: Any, digits_int8: Path, tmp_path: Path) -> None:
    swapped = tmp_path / "swapped.eim"
    build_engine(digits_int8, swapped, EngineOptions(labels=tuple("0123456798")))
    code, out, _ = validate(f"eim:{swapped}", reference=f"?labels={DIGITS}")
    assert code == 1
    assert "verdict    FAIL" in out
    assert validate(f"eim:{swapped}")[0] == 0  # without names of the reference, order counts


def test_other_labels_are_another_model(validate: Any, digits_eim: Path) -> None:
    code, _, err = validate(f"eim:{digits_eim}", reference="?labels=a,b,c,d,e,f,g,h,i,j")
    assert code == 4
    assert "has no label 'a' for output" in err


def test_a_wrong_pixel_scale_is_found(validate: Any, digits_camera_eim: Path) -> None:
    code, out, _ = validate(f"eim:{digits_camera_eim}?scale=-1..1")
    assert code == 1
    assert "takes pixels of 8 bits for -1..1 (scale=)" in out


@pytest.mark.parametrize("model", ["pretrainedResnet", "pretrainedResnet_quant", "vww_96_float", "vww_96_int8"])
def test_pictures_are_compared_without_a_word_about_their_scale(
    model: str, ai_runner: Any, shared_models: Path, tmp_path: Path
) -> None:
    engine, path = tmp_path / "x.eim", shared_models / f"{model}.tflite"
    build_engine(path, engine, EngineOptions(sensor="camera"))
    code, out, err = ai_runner("validate", "-m", f"tflite:{path}", "-d", f"eim:{engine}", "--random", 2)
    assert (code, err) == (0, ""), out
    assert "other values were rounded" not in out
    assert ("pixels are taken for 0..255" in out) == (model == "pretrainedResnet_quant")


def test_an_impulse_with_signal_processing(
    ai_runner: Any, scripted_engine: Callable[..., Path], digits_int8: Path, digits_test: Path, tmp_path: Path
) -> None:
    """The engine echoes its raw features as scores: rows that begin with the model's own scores pass."""
    parameters = {"input_features_count": 12, "labels": list("0123456789"), "label_count": 10}
    engine = scripted_engine({"hello": {"model_parameters": parameters}})
    images = np.load(digits_test)["m_inputs_1"][:3]
    np.save(tmp_path / "images.npy", images)
    validate = ("validate", "-m", f"tflite:{digits_int8}", "-d", f"eim:{engine}", "--inputs", tmp_path / "images.npy")

    code, _, err = ai_runner(*validate)
    assert code == 4
    assert "takes 12 raw features and computes its model's input from them itself" in err
    assert "--features" in err

    assert ai_runner("run", "-d", f"tflite:{digits_int8}", *validate[-2:], "--save", tmp_path / "out.npz")[0] == 0
    raw = np.load(tmp_path / "out.npz")["m_outputs_1"].astype(np.float32)
    lines = [", ".join(f"{value:.8f}" for value in [*(row + 128) / 256, 1, 2]) for row in raw.reshape(3, 10)]
    (tmp_path / "features.txt").write_text("\n".join(lines))
    code, out, err = ai_runner(*validate, "--features", tmp_path / "features.txt")
    assert (code, err) == (0, "")
    assert "computes its input from raw features itself: only outputs are compared" in out

    (tmp_path / "features.txt").write_text("\n".join(reversed(lines)))
    assert ai_runner(*validate, "--features", tmp_path / "features.txt")[0] == 1


def test_running_raw_features_that_were_copied(ai_runner: Any, digits_camera_eim: Path, tmp_path: Path) -> None:
    path = tmp_path / "raw.txt"
    path.write_text(", ".join(["0x808080"] * 64))
    code, out, err = ai_runner("run", "-d", f"eim:{digits_camera_eim}", "--features", path)
    assert (code, err) == (0, "")
    assert "1 windows of raw features of raw.txt" in out
    assert ai_runner("run", "-d", f"eim:{digits_camera_eim}", "--features", path, "--random", 2)[0] == 2
    assert ai_runner("run", "-d", f"eim:{digits_camera_eim}", "--features", path, "--seed", 2)[0] == 2
