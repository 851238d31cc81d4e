from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ai_runner.errors import HwIOError, InvalidParamError
from ai_runner.firmware import build_firmware, named_models
from ai_runner.firmware.toolchain import ARM_COMPILER

WARNINGS = "-O1 -Wall -Wextra -Wpedantic -Wshadow -Werror"


@pytest.mark.parametrize("dialect", ["v3.1-2b", "v3.1-1b", "v2.1"])
def test_compiles_without_a_warning(dialect: str, digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    build = build_firmware({"digits": digits_int8}, tmp_path / "out", dialect=dialect, cflags=WARNINGS)
    assert build.binary.is_file()
    manifest = json.loads((build.folder / "firmware.json").read_text())
    assert (manifest["port"], manifest["dialect"]) == ("host", dialect)
    assert [model["name"] for model in manifest["models"]] == ["digits"]
    assert set(manifest["files"]) == {
        path.relative_to(build.folder).as_posix() for path in build.folder.rglob("*") if path.is_file()
    }


def test_an_earlier_output_is_replaced_and_others_are_not(digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_firmware({"digits": digits_int8}, out, cflags="-O0")
    build_firmware({"other": digits_int8}, out, cflags="-O0")
    assert not (out / "models" / "digits.c").exists()
    assert (out / "models" / "other.c").exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidParamError, match="no earlier output"):
        build_firmware({"digits": digits_int8}, tmp_path / "taken", cflags="-O0")


def test_after_a_failed_compilation_nothing_is_left(digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    with pytest.raises(HwIOError):
        build_firmware({"digits": digits_int8}, tmp_path / "out", cflags="-fno-such-option")
    assert list(tmp_path.iterdir()) == []


def test_models_are_named_by_their_files_or_by_hand() -> None:
    assert named_models(["a/digits.tflite", "net=b/x-y.tflite"]) == {
        "digits": Path("a/digits.tflite"),
        "net": Path("b/x-y.tflite"),
    }


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["a/x.tflite", "b/x.tflite"], "two models"),
        (["a/x.tflite", "X=b/y.tflite"], "two models"),
        (["x-y.tflite"], "no C identifier"),
        (["=y.tflite"], "no C identifier"),
        (["n" * 64 + "=y.tflite"], "longer than 63"),
        (["net="], "names no file"),
    ],
)
def test_names_that_are_not_possible(arguments: list[str], what: str) -> None:
    with pytest.raises(InvalidParamError, match=what):
        named_models(arguments)


def test_models_whose_files_would_clash(digits_int8: Path, digits_float: Path, compiler: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="both need a file"):
        build_firmware({"net": digits_int8, "net_data": digits_float}, tmp_path / "out")


def test_models_may_be_called_like_headers(digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    names = ("errno", "string", "image", "models", "port", "wire", "main")
    build = build_firmware(dict.fromkeys(names, digits_int8), tmp_path / "out", cflags="-O0")
    assert build.models == names


def test_the_memory_that_is_too_small_is_named(digits_int8: Path, tmp_path: Path) -> None:
    if shutil.which(ARM_COMPILER) is None:
        pytest.skip(f"{ARM_COMPILER} not installed")
    models = {f"digits_{i}": digits_int8 for i in range(3)}
    # A megabyte beside the models.
    source = 'const char ballast[1 << 20] __attribute__((used, section(".vectors"))) = {1};'
    (tmp_path / "ballast.c").write_text(source)
    with pytest.raises(HwIOError, match=r"do not fit into port stm32f405: [\d,]+ bytes of FLASH are missing") as raised:
        build_firmware(models, tmp_path / "out", port="stm32f405", cflags=f"-O2 {tmp_path / 'ballast.c'}")
    assert "FLASH holds weights" in raised.value.hint


@pytest.mark.parametrize(
    ("choices", "what"),
    [
        ({"port": "z80"}, "port 'z80'"),
        ({"dialect": "v9"}, "dialect 'v9'"),
        ({"dialect": "v2.1", "large_packet": 4094}, "no large packets"),
        ({"large_packet": 4095}, "4095"),
        ({"large_packet": 32}, "32"),
    ],
)
def test_choices_that_are_not_possible(
    choices: dict[str, object], what: str, digits_int8: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidParamError, match=what):
        build_firmware({"digits": digits_int8}, tmp_path / "out", **choices)  # type: ignore[arg-type]
