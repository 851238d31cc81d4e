"""``ai-runner ei-library``: an Edge Impulse C++ library export as a shared library."""

from __future__ import annotations

import argparse

from ai_runner.errors import ExitCode

HELP = "compile an Edge Impulse C++ library export into a shared library for ei:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``EXPORT_DIR --out lib.so [--jobs N] [--cxx COMPILER] [--cxxflags FLAGS] [--objects DIR]``."""
    parser.add_argument(
        "export",
        metavar="EXPORT_DIR",
        help="the unpacked deployment `C++ library`: edge-impulse-sdk, model-parameters, tflite-model",
    )
    parser.add_argument("--out", metavar="LIB", required=True, help="library to write; an earlier one is replaced")
    parser.add_argument("--jobs", metavar="N", type=int, help="compilers to run at a time (default: one a processor)")
    parser.add_argument("--cxx", metavar="COMPILER", help="C++17 compiler (default: $CXX, else c++, g++ or clang++)")
    parser.add_argument(
        "--cxxflags", metavar="FLAGS", help="flags of every file (default: $CXXFLAGS, else -Os -DNDEBUG)"
    )
    parser.add_argument("--objects", metavar="DIR", help="keep object files there, to compile only changes next time")
    parser.epilog = (
        "The model runs on TensorFlow Lite Micro or as EON code. A model for full TensorFlow Lite or an accelerator is "
        "built by the makefile that links those: add ei_c_api.cpp of this package to it (docs/ei-library.md)."
    )


def run(args: argparse.Namespace) -> int:
    """Compiles, and prints what was written."""
    from ai_runner.cli.console import ProgressBar
    from ai_runner.edge_impulse.export_library import compile_export
    from ai_runner.report.printable import printable

    with ProgressBar("compiling") as bar:
        build = compile_export(
            args.export,
            args.out,
            jobs=args.jobs,
            cxx=args.cxx,
            cxxflags=args.cxxflags,
            objects=args.objects,
            progress=bar,
        )
    for line in (
        f"{build.library}: {build.sources} source files, {build.compiled} compiled",
        f"descriptor   ei:{build.library}",
    ):
        print(printable(line))
    return ExitCode.PASS
