"""From a .tflite file to a folder with C sources and, compiled from them, a library that ST's and our client load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_runner.c_model.c_text import check_c_name
from ai_runner.c_model.compiler import compile_library, find_compiler, library_suffix
from ai_runner.c_model.core_source import GENERATOR, core_files
from ai_runner.c_model.legacy_source import legacy_file
from ai_runner.c_model.network import Network, build_network
from ai_runner.c_model.operators import KERNELS
from ai_runner.c_model.output_folder import staged
from ai_runner.c_model.stai_source import stai_file
from ai_runner.errors import InvalidParamError
from ai_runner.tflite_model import TfliteModel

RUNTIME = Path(__file__).parent / "runtime"
APIS = ("st-ai", "legacy")

_FRONT = {"st-ai": "stai_front", "legacy": "legacy_front"}


@dataclass(frozen=True)
class CModelBuild:
    """What `generate` wrote.

    Attributes:
        folder: the output folder; "file:<folder>" is the descriptor of the library in it.
        sources: the C files and headers.
        library: `libai_<name>`, None when nothing was compiled.
        observer: `libai_observer`, which gives clients times and data of single nodes; None likewise.
        arena_bytes: activations, inputs and outputs.
        weights_bytes: constants, padding included.
        macc: multiply-accumulate operations of one inference.
        n_nodes: operators.
    """

    folder: Path
    name: str
    api: str
    sources: tuple[Path, ...]
    library: Path | None
    observer: Path | None
    arena_bytes: int
    weights_bytes: int
    macc: int
    n_nodes: int


def generate(
    model_path: str | Path,
    out_dir: str | Path,
    *,
    api: str = "st-ai",
    name: str = "network",
    compile: bool = True,  # noqa: A002 - what the command line calls it
    cc: str | None = None,
    cflags: str | None = None,
) -> CModelBuild:
    """Writes the C-model of a .tflite file, and compiles it.

    The library answers bit for bit like LiteRT's reference kernels. An earlier output in `out_dir` is replaced; after
    an error the folder is as it was.

    Args:
        api: "st-ai" or "legacy", the C interface that the library exports.
        name: the c-name, part of all exported symbols and of the file names.
        compile: False writes the sources only.
        cc, cflags: compiler and flags; default $CC or cc, and $CFLAGS or "-O3 -ffp-contract=off".

    Raises:
        InvalidParamError: no such file, a bad name or api, or a folder that cannot be written to or is in use.
        InvalidModelError: not a TFLite file, a broken one, or an operator that is not supported.
        MissingRuntimeError: there is no compiler.
        HwIOError: the compiler failed.
    """
    check_c_name(name)
    if api not in APIS:
        raise InvalidParamError(f"api {api!r} is unknown", hint=f"use one of {', '.join(APIS)}")
    if compile:
        find_compiler(cc)
    network = build_network(TfliteModel.read(model_path))
    files = _source_files(network, name, api)
    folder = Path(out_dir)
    libraries: list[str] = []
    with staged(folder, _description(network, name, api)) as stage:
        write_files(stage, files)
        if compile:
            libraries = _compile(stage, files, name, cc, cflags)
    return CModelBuild(
        folder=folder,
        name=name,
        api=api,
        sources=tuple(folder / file for file in files),
        library=folder / libraries[0] if libraries else None,
        observer=folder / libraries[1] if libraries else None,
        arena_bytes=network.arena_bytes,
        weights_bytes=network.weights_bytes,
        macc=network.macc,
        n_nodes=len(network.nodes),
    )


def network_files(network: Network, name: str) -> dict[str, str]:
    """The core of a network with all it needs, as file name and text: no interface, operating system or heap."""
    files = core_files(network, name)
    kernels = sorted({f"{node.call.source}.c" for node in network.nodes})
    files |= {f"kernels/{file}": text for file, text in _with_headers(KERNELS, [*kernels, "kernels.h"]).items()}
    return files | {f"runtime/{file}": text for file, text in _with_headers(RUNTIME, ["cm_network.c"]).items()}


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Writes files by their name relative to `folder`.

    Raises:
        InvalidParamError: the folder cannot be written to.
    """
    try:
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidParamError(
            f"{folder.parent}: cannot write there: {error.strerror or error}", hint="choose another folder with --out"
        ) from error


def _source_files(network: Network, name: str, api: str) -> dict[str, str]:
    files = network_files(network, name)
    if api == "st-ai":
        files[f"{name}_stai.c"] = stai_file(network, name)
    else:
        files[f"{name}_legacy.c"] = legacy_file(network, name)
    runtime = _with_headers(RUNTIME, [f"{_FRONT[api]}.c", "observer.c"])
    return files | {f"runtime/{file}": text for file, text in runtime.items()}


def _with_headers(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """Texts of files of `folder` and of all headers of that folder that they include."""
    texts: dict[str, str] = {}
    pending = list(files)
    while pending:
        file = pending.pop()
        if file not in texts:
            texts[file] = (folder / file).read_text(encoding="utf-8")
            pending += re.findall(r'^#include "([^"]+)"', texts[file], flags=re.MULTILINE)
    return dict(sorted(texts.items()))


def _compile(stage: Path, files: dict[str, str], name: str, cc: str | None, cflags: str | None) -> list[str]:
    observer = "runtime/observer.c"
    sources = [file for file in files if file.endswith(".c") and file != observer]
    libraries = [f"libai_{stem}{library_suffix()}" for stem in (name, "observer")]
    compile_library(stage, sources, libraries[0], cc, cflags)
    compile_library(stage, [observer], libraries[1], cc, cflags)
    return libraries


def _description(network: Network, name: str, api: str) -> dict[str, Any]:
    return {
        "generator": GENERATOR,
        "model": Path(network.model.path).name,
        "md5": network.model.md5,
        "sha256": network.model.sha256,
        "name": name,
        "api": api,
        "arena_bytes": network.arena_bytes,
        "weights_bytes": network.weights_bytes,
        "macc": network.macc,
        "n_nodes": len(network.nodes),
    }
