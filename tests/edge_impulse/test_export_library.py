"""Compiling an export: what it takes, what it refuses, what it leaves."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_runner.edge_impulse.export_library import compile_export
from ai_runner.errors import HwIOError, InvalidModelError, InvalidParamError, MissingRuntimeError
from ai_runner.shared_library.inspection import read_object_file

Export = Callable[..., Path]
FAST = {"cxxflags": "-O0"}
METADATA = "model-parameters/model_metadata.h"


def test_the_library_shows_its_interface_and_nothing_else(stub_library: Export) -> None:
    path = stub_library()
    exports = read_object_file(path, path.read_bytes()).exports
    assert {"ai_runner_ei_abi", "ai_runner_ei_hello", "ai_runner_ei_run"} <= exports
    if sys.platform.startswith("linux"):
        assert {name for name in exports if not name.startswith("ai_runner_ei_")} == set()


def test_c_and_cpp_files_get_the_same_macros(stub_export: Export, tmp_path: Path) -> None:
    export = stub_export()
    for name in ("tensorflow/lite/c/common.c", "porting/posix/ei_classifier_porting.cpp"):
        path = export / "edge-impulse-sdk" / name
        path.write_text("#if OF_THIS_TEST != 1 || TF_LITE_DISABLE_X86_NEON != 1\n#error\n#endif\n" + path.read_text())
    build = compile_export(export, tmp_path / "model.so", cxxflags="-O0 -DOF_THIS_TEST=1")
    assert (build.sources, build.compiled) == (4, 4)


@pytest.mark.parametrize(("layer", "expected"), [("SSD", "1"), ("FOMO", "0")])
def test_ssd_networks_get_their_last_operator(layer: str, expected: str, stub_export: Export, tmp_path: Path) -> None:
    export = stub_export()
    metadata = export / METADATA
    line = f"#define EI_CLASSIFIER_OBJECT_DETECTION_LAST_LAYER EI_CLASSIFIER_LAST_LAYER_{layer}\n"
    metadata.write_text(metadata.read_text() + line)
    source = export / "tflite-model" / "tflite_learn.cpp"
    condition = f"EI_CLASSIFIER_ENABLE_DETECTION_POSTPROCESS_OP != {expected}"
    source.write_text(f"#if {condition}\n#error\n#endif\n" + source.read_text())
    assert compile_export(export, tmp_path / "model.so", **FAST).compiled == 4


def test_only_changes_are_compiled_again(stub_export: Export, tmp_path: Path) -> None:
    export, out, objects = stub_export(), tmp_path / "model.so", tmp_path / "objects"
    assert compile_export(export, out, objects=objects, **FAST).compiled == 4
    assert compile_export(export, out, objects=objects, **FAST).compiled == 0
    header = export / "tflite-model" / "tflite_learn.h"
    header.write_text(header.read_text() + "/* changed */\n")
    assert compile_export(export, out, objects=objects, **FAST).compiled == 2
    assert compile_export(export, out, objects=objects, cxxflags="-O1").compiled == 4
    for path in objects.rglob("*.o"):
        path.unlink()
    assert compile_export(export, out, objects=objects, cxxflags="-O1").compiled == 4
    ctypes.CDLL(str(out))


def test_objects_that_do_not_compile_are_not_kept(stub_export: Export, tmp_path: Path) -> None:
    export, out, objects = stub_export(), tmp_path / "model.so", tmp_path / "objects"
    source = export / "tflite-model" / "tflite_learn.cpp"
    good = source.read_text()
    compile_export(export, out, objects=objects, **FAST)
    before = out.read_bytes()
    source.write_text("this is no C++\n")
    for _ in range(2):
        with pytest.raises(HwIOError, match=r"compiling tflite-model/tflite_learn\.cpp failed with exit code .*error"):
            compile_export(export, out, objects=objects, **FAST)
    assert out.read_bytes() == before
    source.write_text(good)
    assert compile_export(export, out, objects=objects, **FAST).compiled == 1


def test_progress_ends_at_the_number_of_sources(stub_export: Export, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    build = compile_export(
        stub_export(), tmp_path / "model.so", jobs=1, progress=lambda done, total: seen.append((done, total)), **FAST
    )
    assert seen[-1] == (4, 4)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert build.library == tmp_path / "model.so"


def test_a_path_with_blanks_and_quotes(stub_export: Export, tmp_path: Path) -> None:
    odd = tmp_path / 'my "model" it\'s'
    shutil.move(stub_export(), odd)
    for _ in range(2):
        build = compile_export(odd, tmp_path / "out file.so", objects=tmp_path / "o b", **FAST)
    assert build.compiled == 0
    ctypes.CDLL(str(build.library))


class TestRefusals:
    def test_what_is_no_export(self, stub_export: Export, tmp_path: Path) -> None:
        with pytest.raises(InvalidParamError, match="no such folder"):
            compile_export(tmp_path / "missing", tmp_path / "model.so")
        with pytest.raises(InvalidParamError, match="is no C\\+\\+ library export") as caught:
            compile_export(tmp_path, tmp_path / "model.so")
        assert "Studio" in caught.value.hint
        archive = tmp_path / "export.zip"
        archive.write_bytes(b"PK")
        with pytest.raises(InvalidParamError, match="is a file") as caught:
            compile_export(archive, tmp_path / "model.so")
        assert "unzip" in caught.value.hint
        export = stub_export()
        with pytest.raises(InvalidParamError, match=r"ei_run_classifier\.h is missing") as caught:
            compile_export(export.parent, tmp_path / "model.so")
        assert str(export) in caught.value.hint
        (export / METADATA).unlink()
        with pytest.raises(InvalidParamError, match=r"model_metadata\.h is missing"):
            compile_export(export, tmp_path / "model.so")

    def test_where_nothing_can_be_written(self, stub_export: Export, tmp_path: Path) -> None:
        with pytest.raises(InvalidParamError, match="is a folder"):
            compile_export(stub_export(), tmp_path)
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(InvalidParamError, match="is no regular file, and is not replaced"):
            compile_export(stub_export(), tmp_path / "fifo")
        (tmp_path / "objects").mkdir()
        (tmp_path / "objects" / "interface").touch()
        with pytest.raises(InvalidParamError, match="cannot keep objects there"):
            compile_export(stub_export(), tmp_path / "model.so", objects=tmp_path / "objects")
        with pytest.raises(InvalidParamError, match="its folder does not exist"):
            compile_export(stub_export(), tmp_path / "missing" / "model.so")

    def test_no_compiler(self, stub_export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(MissingRuntimeError, match="no C\\+\\+ compiler: no-such-compiler: not found"):
            compile_export(stub_export(), tmp_path / "model.so", cxx="no-such-compiler")
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CXX", raising=False)
        with pytest.raises(MissingRuntimeError, match="no C\\+\\+ compiler") as caught:
            compile_export(stub_export(), tmp_path / "model.so")
        assert "g++" in caught.value.hint

    @pytest.mark.parametrize("flags", ["'unclosed", "-DX='"])
    def test_flags_that_are_no_words(self, flags: str, stub_export: Export, tmp_path: Path) -> None:
        with pytest.raises(InvalidParamError, match="cannot be split"):
            compile_export(stub_export(), tmp_path / "model.so", cxxflags=flags)

    def test_no_jobs(self, stub_export: Export, tmp_path: Path) -> None:
        with pytest.raises(InvalidParamError, match="jobs=0"):
            compile_export(stub_export(), tmp_path / "model.so", jobs=0)

    def test_an_eon_model_with_full_tensorflow_lite(self, stub_export: Export, tmp_path: Path) -> None:
        for flag in ("-DEI_CLASSIFIER_USE_FULL_TFLITE", "-DEI_CLASSIFIER_USE_FULL_TFLITE=1"):
            with pytest.raises(InvalidModelError, match="compiled with EON, which full TensorFlow Lite cannot run"):
                compile_export(stub_export(), tmp_path / "model.so", cxxflags=flag)

    @pytest.mark.parametrize(
        ("engine", "what"),
        [
            ("EI_CLASSIFIER_TFLITE_FULL", "full TensorFlow Lite"),
            ("EI_CLASSIFIER_TENSORRT", "EI_CLASSIFIER_TENSORRT"),
            ("4", "full TensorFlow Lite"),
            ("6", "6"),
        ],
    )
    def test_engines_that_an_export_does_not_hold(
        self, engine: str, what: str, stub_export: Export, tmp_path: Path
    ) -> None:
        export = stub_export()
        path = export / METADATA
        path.write_text(path.read_text() + f"\n#define EI_CLASSIFIER_INFERENCING_ENGINE {engine}\n")
        with pytest.raises(InvalidModelError, match=f"needs {what}, which is not part of an export"):
            compile_export(export, tmp_path / "model.so")

    def test_what_the_linker_misses_is_named(self, stub_export: Export, tmp_path: Path) -> None:
        export = stub_export()
        (export / "edge-impulse-sdk" / "tensorflow" / "lite" / "c" / "common.c").unlink()
        with pytest.raises(HwIOError, match=r"compiling model\.so failed with .*stub_twice") as caught:
            compile_export(export, tmp_path / "model.so", **FAST)
        assert caught.value.evidence["exit_code"] != 0
        assert sorted(path.name for path in tmp_path.iterdir()) == []

    def test_a_compiler_that_says_nothing(self, stub_export: Export, tmp_path: Path) -> None:
        script = tmp_path / "silent"
        script.write_text("#!/bin/sh\nexit 3\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(HwIOError, match=r"silent: compiling .* failed with exit code 3: no message") as caught:
            compile_export(stub_export(), tmp_path / "model.so", cxx=str(script))
        assert caught.value.evidence["exit_code"] == 3

    def test_the_first_failure_ends_it(self, stub_export: Export, tmp_path: Path) -> None:
        log = tmp_path / "log"
        script = tmp_path / "counting"
        script.write_text(f"#!/bin/sh\necho x >> {log}\necho 'error: no' >&2\nexit 1\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(HwIOError, match="error: no"):
            compile_export(stub_export(), tmp_path / "model.so", cxx=str(script), jobs=1)
        assert len(log.read_text().split()) < 4


def test_the_interface_compiles_without_warnings(
    stub_export: Export, tmp_path: Path, repository: Path, compiler: str
) -> None:
    found = shutil.which("g++")
    if found is None:
        pytest.skip("no g++")
    for kind in ("classifier", "tracking", "visual_anomaly", "freeform"):
        export = stub_export(kind)
        includes = [f"-I{path}" for path in (export, export / "model-parameters", export / "tflite-model")]
        source = repository / "drivers" / "ei_library" / "ei_c_api.cpp"
        command = [found, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O0", *includes, "-fsyntax-only", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_interface_is_plain_c(tmp_path: Path, repository: Path, compiler: str) -> None:
    header = repository / "drivers" / "ei_library" / "ei_c_api.h"
    code = f'#include "{header}"\n_Static_assert(sizeof(ai_runner_ei_summary) == 56 && sizeof(ai_runner_ei_box) == 24'
    code += ' && sizeof(ai_runner_ei_trace) == 28, "layout");\n'
    command = [*compiler.split(), "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-xc", "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
