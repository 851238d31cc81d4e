"""``ai-runner doctor``: why something does not connect."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ai_runner.cli.ports import port_lines
from ai_runner.errors import AiRunnerError, ExitCode, InvalidParamError

HELP = "try to connect, and say what was seen, what is likely wrong and what to do"

_PACKAGES = ("numpy", "pyserial", "protobuf", "ai-edge-litert", "onnxruntime")
_TOOLS = ("cc", "arm-none-eabi-gcc", "qemu-system-arm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``[-d DESC]``."""
    parser.add_argument(
        "-d", "--desc", metavar="DESC", help="what to connect to; default: look at this host and at every ST board"
    )


def run(args: argparse.Namespace) -> int:
    """Prints what was seen; the exit code is that of the first connection that failed."""
    from ai_runner.transport.st_usb import candidates

    if args.desc is not None:
        return _examine(args.desc)
    for line in [*_environment(), "", *port_lines()]:
        print(line)
    codes = []
    for port in candidates():
        print()
        codes.append(_examine(f"serial:{port.device}"))
    return next((code for code in codes if code != ExitCode.PASS), ExitCode.PASS)


def _environment() -> Iterator[str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version
    from shutil import which

    from ai_runner import __version__

    yield f"ai-runner {__version__}, Python {platform.python_version()}, {platform.platform()}"
    for package in _PACKAGES:
        try:
            yield f"{package:<18} {version(package)}"
        except PackageNotFoundError:
            yield f"{package:<18} not installed"
    for tool in _TOOLS:
        yield f"{tool:<18} {which(tool) or 'not found'}"


def _examine(desc: str) -> int:
    from ai_runner import AiRunner
    from ai_runner.report.printable import printable

    try:
        with AiRunner.open(desc) as runner:
            print(printable(f"{desc}: answers, models: {', '.join(runner.names)}"))
            print(printable(f"  next      ai-runner info -d {desc}"))
    except InvalidParamError:
        raise
    except AiRunnerError as error:
        for line in _fault_lines(desc, error):
            print(printable(line))
        return error.EXIT_CODE
    return ExitCode.PASS


def _fault_lines(desc: str, error: AiRunnerError) -> Iterator[str]:
    yield f"{desc}: {error.message}"
    for name, seen in error.evidence.items():
        lines = str(seen).splitlines() or [""]
        if len(lines) == 1:
            yield f"  {name:<9} {lines[0]}"
            continue
        yield f"  {name}"
        yield from (f"    {line}" for line in lines)
    if error.hint and not any(error.hint in str(seen) for seen in error.evidence.values()):
        yield f"  next      {error.hint}"
