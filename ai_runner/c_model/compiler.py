"""The system's C compiler, and how it makes the shared libraries of a C-model."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ai_runner.errors import HwIOError, InvalidParamError, MissingRuntimeError

DEFAULT_CFLAGS = "-O3 -ffp-contract=off"
_TIMEOUT_S = 900
_STDERR_LINES = 20


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
        HwIOError: the compiler failed; `evidence` has the command, the exit code and the last lines of stderr.
    """
    compiler = find_compiler(cc)
    flags = split_words(cflags if cflags is not None else os.environ.get("CFLAGS", DEFAULT_CFLAGS), "CFLAGS")
    run_compiler([*compiler, *flags, *_required_flags(), *sources, "-o", library, "-lm"], folder, library)


def run_compiler(command: Sequence[str], folder: Path, product: str) -> None:
    """Runs a compiler in `folder`; `product` is what errors say it was to make.

    Raises:
        MissingRuntimeError: there is no such compiler.
        HwIOError: it failed; `evidence` has the command, the exit code and the last lines of stderr.
    """
    try:
        # The compiler's own words must be readable to whoever reads the error.
        result = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        raise _missing(command[0], error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise HwIOError(
            f"{command[0]}: compiling {product} took longer than {_TIMEOUT_S} s",
            hint='try less optimisation, for instance CFLAGS="-O1"',
            evidence={"command": shlex.join(command)},
        ) from error
    if result.returncode != 0:
        raise _failed(command[0], product, command, result)


def find_compiler(cc: str | None = None) -> list[str]:
    """The command of the compiler, its first word an absolute path.

    Raises:
        MissingRuntimeError: there is no such compiler.
        InvalidParamError: `cc` cannot be split into words.
    """
    wanted = cc or os.environ.get("CC", "").strip()
    candidates = [wanted] if wanted else ["cc", "gcc", "clang"]
    for candidate in candidates:
        words = split_words(candidate, "CC")
        path = shutil.which(words[0]) if words else None
        if path is not None:
            return [str(Path(path).absolute()), *words[1:]]
    raise _missing(candidates[0], "not found")


def _required_flags() -> list[str]:
    flags = ["-std=c99", "-shared", "-fvisibility=hidden", "-fno-fast-math", "-ffp-contract=off"]
    if sys.platform != "win32":
        flags.append("-fPIC")
    if sys.platform.startswith("linux"):
        flags.append("-Wl,-Bsymbolic")
    return flags


def split_words(text: str, what: str) -> list[str]:
    """The words of a command line; `what` is where it is from.

    Raises:
        InvalidParamError: a quote is not closed.
    """
    try:
        return shlex.split(text, posix=os.name == "posix")
    except ValueError as error:
        raise InvalidParamError(
            f"{what} {text!r} cannot be split into words: {error}", hint="check the quotes"
        ) from error


def _missing(compiler: str, reason: str) -> MissingRuntimeError:
    return MissingRuntimeError(
        f"no C compiler: {compiler}: {reason}",
        hint="install one (apt-get install gcc), set CC to yours, or write the sources only with --no-compile",
        evidence={"compiler": compiler},
    )


def _failed(compiler: str, product: str, command: Sequence[str], result: subprocess.CompletedProcess[str]) -> HwIOError:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
    return HwIOError(
        f"{compiler}: compiling {product} failed with exit code {result.returncode}: {first.strip()}",
        hint="check CC and CFLAGS; the whole message is in the evidence",
        evidence={
            "command": shlex.join(command),
            "exit_code": result.returncode,
            "stderr": "\n".join(lines[-_STDERR_LINES:]),
        },
    )
