"""Compilers of the system: found, run, and what they complain about as errors."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_runner.errors import HwIOError, InvalidParamError, MissingRuntimeError

_TIMEOUT_S = 900
_STDERR_LINES = 20


@dataclass(frozen=True)
class Language:
    """What is compiled, and with what.

    Attributes:
        name: ``C``.
        variable, flags: of the environment: they name the compiler and the flags that a user wants.
        commands: what is tried where `variable` names none.
        remedy: what to do where there is no compiler.
    """

    name: str
    variable: str
    flags: str
    commands: tuple[str, ...]
    remedy: str


C = Language(
    name="C",
    variable="CC",
    flags="CFLAGS",
    commands=("cc", "gcc", "clang"),
    remedy="install one (apt-get install gcc), or set CC to yours",
)
CXX = Language(
    name="C++",
    variable="CXX",
    flags="CXXFLAGS",
    commands=("c++", "g++", "clang++"),
    remedy="install one (apt-get install g++), or name yours with --cxx or CXX",
)


def find_compiler(language: Language, wanted: str | None = None) -> list[str]:
    """The command of a compiler, its first word an absolute path.

    Args:
        language: that it is for.
        wanted: the compiler with arguments; default: what the environment names, else the usual ones.

    Raises:
        MissingRuntimeError: there is no such compiler.
        InvalidParamError: `wanted` cannot be split into words.
    """
    wanted = wanted or os.environ.get(language.variable, "").strip()
    candidates = [wanted] if wanted else language.commands
    for candidate in candidates:
        words = split_words(candidate, language.variable)
        path = shutil.which(words[0]) if words else None
        if path is not None:
            return [str(Path(path).absolute()), *words[1:]]
    raise _missing(language, candidates[0], "not found")


def run_compiler(language: Language, command: Sequence[str], product: str, folder: Path | None = None) -> None:
    """Runs a compiler, in `folder` if given; `product` is what errors say it was to compile.

    Raises:
        MissingRuntimeError: there is no such compiler.
        HwIOError: it failed; `evidence` has the command, the exit code and the first lines of stderr.
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
        raise _missing(language, command[0], error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise HwIOError(
            f"{command[0]}: compiling {product} took longer than {_TIMEOUT_S} s",
            hint=f'try less optimisation, for instance {language.flags}="-O1"',
            evidence={"command": shlex.join(command)},
        ) from error
    if result.returncode != 0:
        raise _failed(language, product, command, result)


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


def _missing(language: Language, compiler: str, reason: str) -> MissingRuntimeError:
    return MissingRuntimeError(
        f"no {language.name} compiler: {compiler}: {reason}", hint=language.remedy, evidence={"compiler": compiler}
    )


def _failed(
    language: Language, product: str, command: Sequence[str], result: subprocess.CompletedProcess[str]
) -> HwIOError:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    first = next((line for line in lines if re.search("error|undefined", line)), lines[-1] if lines else "no message")
    return HwIOError(
        f"{command[0]}: compiling {product} failed with exit code {result.returncode}: {first.strip()}",
        hint=f"check {language.variable} and {language.flags}; the whole message is in the evidence",
        evidence={
            "command": shlex.join(command),
            "exit_code": result.returncode,
            "stderr": "\n".join(lines[:_STDERR_LINES]),
        },
    )
