"""Drivers on libraries of the stand-in SDK: through ei_c_api, and through the `ei_ffi_*` functions."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import Driver
from ai_runner.registry import create_driver

ROOM = Path(__file__).parent


@pytest.fixture
def open_driver() -> Iterator[Callable[..., Driver]]:
    """Opens ``ei:PATH`` with options; all are closed at the end."""
    drivers: list[Driver] = []

    def open_(path: Path | str, options: str = "", **keywords: Any) -> Driver:
        driver = create_driver(parse_descriptor(f"ei:{path}{options}"), **keywords)
        drivers.append(driver)
        driver.open(Deadline(60))
        return driver

    yield open_
    for driver in drivers:
        driver.close()


@pytest.fixture(scope="session")
def ffi_library(stub_export: Callable[..., Path], compiler: str) -> Callable[..., Path]:
    """Compiles a `stub_export` with nothing but the `ei_ffi_*` functions, once a kind and year."""
    built: dict[tuple[Any, ...], Path] = {}

    def build(kind: str = "classifier", sdk: int = 2026) -> Path:
        if (kind, sdk) not in built:
            export = stub_export(kind, sdk)
            path = export.parent / f"{kind}_ffi.so"
            compiler_of_cxx = shutil.which("c++") or shutil.which("g++")
            if compiler_of_cxx is None:
                pytest.skip("no C++ compiler")
            folders = (export, export / "model-parameters", export / "tflite-model")
            sources = [
                *(ROOM / "ffi_wrapper" / "ei_ffi.cpp", export / "tflite-model" / "tflite_learn.cpp"),
                export / "edge-impulse-sdk" / "porting" / "posix" / "ei_classifier_porting.cpp",
            ]
            c_source = export / "edge-impulse-sdk" / "tensorflow" / "lite" / "c" / "common.c"
            command = [compiler_of_cxx, "-O0", "-shared", "-fPIC", *(f"-I{folder}" for folder in folders)]
            command += ["-std=c++17", *map(str, sources), "-x", "c", "-std=gnu11", str(c_source), "-o", str(path)]
            subprocess.run(command, check=True)
            built[kind, sdk] = path
        return built[kind, sdk]

    return build


@pytest.fixture
def metadata(
    stub_library: Callable[..., Path], open_driver: Callable[..., Driver], tmp_path: Path
) -> Callable[..., Path]:
    """Writes the metadata of a kind, as its ei_c_api twin describes it, into a file.

    Fields of ``model_parameters`` and of ``result_layout`` can be overridden; None removes one.
    """

    def write(kind: str = "classifier", sdk: int = 2026, layout: dict[str, Any] | None = None, **fields: Any) -> Path:
        hello: dict[str, Any] = open_driver(stub_library(kind, sdk)).extension(None, cmd="hello")
        hello["model_parameters"].update(fields)
        hello["result_layout"] = {
            "has_visual_anomaly": kind == "visual_anomaly",
            "has_postprocessing_time": sdk >= 2026,
            **(layout or {}),
        }
        for part in (hello["model_parameters"], hello["result_layout"]):
            for key in [key for key, value in part.items() if value is None]:
                del part[key]
        path = tmp_path / f"{kind}_{sdk}.json"
        path.write_text(json.dumps(hello), "utf-8")
        return path

    return write
