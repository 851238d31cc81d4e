"""The system's C compiler, and how it makes the shared libraries of a C-model."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ai_runner import compiler

DEFAULT_CFLAGS = "-O3 -ffp-contract=off"
_C = replace(compiler.C, remedy=f"{compiler.C.remedy}; --no-compile writes the sources only")


def library_suffix() -> str:
    """ ".so", ".dylib" or ".dll"."""
    return {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


def compile_library(
    folder: Path, sources: Sequence[str], library: str, cc: str | None = None, cflags: str | None = None
) -> None:
    """Compiles C sources into a shared library that shows only what is marked as exported.

    Args:
        folder: where `sources` and `library` are.
        cc: the compiler with arguments; default $CC, else cc.
        cflags: flags; default $CFLAGS, else "-O3 -ffp-contract=off". What the exactness of the kernels depends on is
            always added.

    Raises:
        MissingRuntimeError: there is no such compiler.
        InvalidParamError: `cc` or `cflags` cannot be split into words.
        HwIOError: the compiler failed; `evidence` has the command, the exit code and the first lines of stderr.
    """
    command = find_compiler(cc)
    flags = compiler.split_words(cflags if cflags is not None else os.environ.get("CFLAGS", DEFAULT_CFLAGS), "CFLAGS")
    command += [*flags, *_required_flags(), *sources, "-o", library, "-lm"]
    compiler.run_compiler(_C, command, library, folder)


def find_compiler(cc: str | None = None) -> list[str]:
    """The command of the C compiler; see `ai_runner.compiler.find_compiler`."""
    return compiler.find_compiler(_C, cc)


def _required_flags() -> list[str]:
    flags = ["-std=c99", "-shared", "-fvisibility=hidden", "-fno-fast-math", "-ffp-contract=off"]
    if sys.platform != "win32":
        flags.append("-fPIC")
    if sys.platform.startswith("linux"):
        flags.append("-Wl,-Bsymbolic")
    return flags
