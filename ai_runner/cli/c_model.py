"""``ai-runner c-model``: a .tflite as C sources and a library with ST's C interface."""

from __future__ import annotations

import argparse

from ai_runner.errors import ExitCode

HELP = "translate a .tflite model into C and compile it as a host library"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``MODEL.tflite --out DIR [--api st-ai|legacy] [--name network] [--no-compile]``."""
    parser.add_argument("model", metavar="MODEL.tflite", help="an int8 or float32 model")
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="folder to write to; an earlier output in it is replaced"
    )
    parser.add_argument("--api", choices=("st-ai", "legacy"), default="st-ai", help="the C interface (default: st-ai)")
    parser.add_argument("--name", default="network", help="the c-name in symbols and file names (default: network)")
    parser.add_argument("--no-compile", action="store_true", help="write the sources only; else $CC with $CFLAGS")


def run(args: argparse.Namespace) -> int:
    """Generates, and prints what was written."""
    from ai_runner.c_model import generate
    from ai_runner.report.printable import printable

    build = generate(args.model, args.out, api=args.api, name=args.name, compile=not args.no_compile)
    lines = [
        f"{build.folder}: {len(build.sources)} source files, {build.api} interface, c-name {build.name}",
        f"nodes        {build.n_nodes}",
        f"macc         {build.macc:,}",
        f"weights      {build.weights_bytes:,} bytes",
        f"activations  {build.arena_bytes:,} bytes",
    ]
    if build.library is not None and build.observer is not None:
        lines += [
            f"library      {build.library}",
            f"observer     {build.observer}",
            f"descriptor   file:{build.folder}",
        ]
    for line in lines:
        print(printable(line))
    return ExitCode.PASS
