"""``ai-runner firmware``: an aiValidation firmware with models of one's own, built and run."""

from __future__ import annotations

import argparse

from ai_runner.cli.console import add_verbosity
from ai_runner.errors import ExitCode

HELP = "build an aiValidation firmware with your models, for this computer or an STM32F405, and run it"

_LOOK_S = 0.2  # how soon the end of a firmware is noticed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``build --model [NAME=]FILE.tflite ... --port PORT --out DIR`` and ``run DIR``."""
    verbs = parser.add_subparsers(dest="firmware_verb", metavar="build|run", required=True)
    what = "write the sources and compile them"
    build = verbs.add_parser("build", help=what, description=what, allow_abbrev=False)
    build.add_argument(
        "--model",
        metavar="[NAME=]FILE.tflite",
        action="append",
        required=True,
        dest="models",
        help="an int8 or float32 model, by the name of the file or NAME; repeat it for several",
    )
    build.add_argument(
        "--port", choices=("host", "stm32f405"), default="host", help="a process here, or a board (default: host)"
    )
    build.add_argument(
        "--dialect", choices=("v3.1-2b", "v3.1-1b", "v2.1"), default="v3.1-2b", help="protocol (default: v3.1-2b)"
    )
    build.add_argument(
        "--large-packet", metavar="BYTES", type=int, default=0, help="payload of large packets, up to 4094 (v3.1-2b)"
    )
    build.add_argument(
        "--out", metavar="DIR", required=True, help="folder to write to; an earlier output in it is replaced"
    )
    what = "start it, or an emulator with it, and print the descriptor to connect to; ends with SIGINT or SIGTERM"
    run_parser = verbs.add_parser("run", help=what, description=what, allow_abbrev=False)
    run_parser.add_argument("folder", metavar="DIR", help="what build has written")
    run_parser.add_argument(
        "--tcp", metavar="PORT", type=int, help="host: listen on 127.0.0.1 instead of a pseudo-terminal; 0: any port"
    )
    for each in (build, run_parser):
        add_verbosity(each)


def run(args: argparse.Namespace) -> int:
    """Builds, or runs until it is told to stop."""
    return _build(args) if args.firmware_verb == "build" else _run(args)


def _build(args: argparse.Namespace) -> int:
    from ai_runner.firmware import build_firmware, named_models
    from ai_runner.report.printable import printable

    build = build_firmware(
        named_models(args.models), args.out, port=args.port, dialect=args.dialect, large_packet=args.large_packet
    )
    for line in (
        f"{build.folder}: firmware for {build.port}, dialect {build.dialect}",
        f"models       {', '.join(build.models)}",
        f"weights      {build.weights_bytes:,} bytes",
        f"activations  {build.arena_bytes:,} bytes",
        f"binary       {build.binary}",
    ):
        print(printable(line))
    return ExitCode.PASS


def _run(args: argparse.Namespace) -> int:
    import signal
    import threading

    from ai_runner.firmware import start_firmware

    # Set before anything is started, and explicitly: a shell starts background jobs with SIGINT ignored. SIGHUP comes
    # when the terminal is closed, unless nohup has it ignored.
    stop = threading.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    earlier = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        with start_firmware(args.folder, tcp=args.tcp) as firmware:
            print(firmware.descriptor, flush=True)
            while not stop.wait(_LOOK_S):
                firmware.check()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    return ExitCode.PASS
