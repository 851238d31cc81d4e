"""Starts a firmware that was built: the host port as a process, the board's in an emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkTimeoutError, MissingRuntimeError, TargetCrashError
from ai_runner.firmware.build import FIRMWARE
from ai_runner.firmware.image import DIALECTS
from ai_runner.firmware.toolchain import PORTS
from ai_runner.firmware.wake import wake
from ai_runner.transport.child_process import ending

EMULATOR = "qemu-system-arm"
MACHINE = "netduinoplus2"  # an STM32F405 with its USART1 where ours is

_BAUD = 115200
_START_S = 20.0
_STOP_S = 3.0
_STDERR_LINES = 20


@dataclass
class RunningFirmware:
    """A firmware that accepts bytes; a context manager that stops it.

    Attributes:
        descriptor: what to connect to.
        process: the firmware or the emulator.
        terminal: our own end of its pseudo-terminal, held so that nobody's closing hangs it up; None without one.
    """

    descriptor: str
    process: subprocess.Popen[bytes]
    terminal: int | None = None

    def __enter__(self) -> RunningFirmware:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raises TargetCrashError when the process has ended by itself."""
        code = self.process.poll()
        if code is not None:
            raise _ended(self.process, code)

    def stop(self) -> None:
        """Ends the process and waits until it is gone; may be called again."""
        _end(self.process)
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


def start_firmware(folder: str | Path, *, tcp: int | None = None) -> RunningFirmware:
    """Starts what `build_firmware` wrote into `folder`, and returns once it accepts bytes.

    Args:
        tcp: host port only: listen on this port of 127.0.0.1 instead of a pseudo-terminal; 0 takes a free one.

    Raises:
        InvalidParamError: the folder holds no firmware, `tcp` is no port or comes with a board.
        MissingRuntimeError: the emulator is not installed.
        TargetCrashError: it ended at once.
        LinkTimeoutError: it started and says nothing.
    """
    if tcp is not None and not 0 <= tcp < 1 << 16:
        raise InvalidParamError(f"{tcp} is no TCP port", hint="0 to 65535; 0 takes a free one")
    path = Path(folder)
    manifest = _manifest(path)
    binary = path.absolute() / PORTS[manifest["port"]].binary
    if not binary.is_file():
        raise InvalidParamError(f"{binary}: is missing", hint="build it again: ai-runner firmware build")
    if manifest["port"] == "host":
        return _start_host(binary, tcp)
    if tcp is not None:
        raise InvalidParamError("only the host port listens on TCP", hint="leave --tcp out")
    return _start_board(binary, DIALECTS[manifest["dialect"]].header_bytes)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / FIRMWARE.manifest).read_text(encoding="utf-8"))
        known = manifest["schema"] == FIRMWARE.schema and manifest["port"] in PORTS and manifest["dialect"] in DIALECTS
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise InvalidParamError(
            f"{folder}: holds no firmware",
            hint="build one: ai-runner firmware build --model MODEL.tflite --port host --out DIR",
            evidence={"looked_for": FIRMWARE.manifest},
        )
    return dict(manifest)


def _start_host(binary: Path, tcp: int | None) -> RunningFirmware:
    process = _start([str(binary), *([] if tcp is None else ["--tcp", str(tcp)])], stdin=subprocess.PIPE)
    try:
        place = _first_line(process)
        return RunningFirmware(f"serial:{place}:{_BAUD}" if tcp is None else f"socket://127.0.0.1:{place}", process)
    except BaseException:
        _end(process)
        raise


def _start_board(binary: Path, header_bytes: int) -> RunningFirmware:
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        raise MissingRuntimeError(
            f"an emulated board needs {EMULATOR}, which is not installed",
            hint="sudo apt-get install qemu-system-arm",
            evidence={"emulator": EMULATOR},
        )
    # Time as a count of instructions: the same in every run, whatever else this computer does.
    machine = ["-M", MACHINE, "-icount", "shift=0", "-display", "none", "-monitor", "none", "-serial", "pty"]
    process = _start([emulator, *machine, "-kernel", str(binary)], stdin=subprocess.DEVNULL)
    terminal = None
    try:
        # "char device redirected to /dev/pts/7 (label serial0)"
        words = _first_line(process).split()
        place = next((word for word in words if word.startswith("/dev/")), "")
        if not place:
            raise HwIOError(f"{EMULATOR} did not say where its serial port is", evidence={"stdout": " ".join(words)})
        terminal = _open_raw(place)
        wake(terminal, header_bytes, Deadline(_START_S))
        return RunningFirmware(f"serial:{place}:{_BAUD}", process, terminal)
    except BaseException:
        _end(process)
        if terminal is not None:
            os.close(terminal)
        raise


def _open_raw(place: str) -> int:
    import tty

    terminal = os.open(place, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(terminal)
    return terminal


def _start(command: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
    try:
        # A group of its own: a Ctrl-C at the terminal is for us, and we stop it.
        return subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise InvalidParamError(
            f"{command[0]}: cannot be started: {error.strerror or error}",
            hint="build it again on this computer: ai-runner firmware build",
        ) from error


def _first_line(process: subprocess.Popen[bytes]) -> str:
    """The first line of its standard output."""
    import threading

    assert process.stdout is not None  # noqa: S101 - it is a pipe
    # A reader that never returns ends with the process.
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(_START_S)
    if reader.is_alive():
        raise LinkTimeoutError(f"{process.args!r} said nothing for {_START_S:g} s", hint="try again", retryable=True)
    if not lines or not lines[0].endswith(b"\n"):
        raise _ended(process, process.wait(_START_S))
    return lines[0].decode(errors="replace").strip()


def _ended(process: subprocess.Popen[bytes], code: int) -> TargetCrashError:
    stderr = process.stderr.read().decode(errors="replace") if process.stderr is not None else ""
    lines = [line for line in stderr.splitlines() if line.strip()]
    what = f": {lines[-1].strip()}" if lines else ""
    return TargetCrashError(
        f"the firmware {ending(code)}{what}",
        hint="start it again; if that does not help, build it again",
        evidence={"exit_code": code, "stderr": "\n".join(lines[-_STDERR_LINES:])},
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
