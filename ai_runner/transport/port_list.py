"""The serial ports of this host, and who has them open."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SerialPortInfo:
    """A serial port as the system describes it.

    Attributes:
        device: its name, ``COM3``, ``/dev/ttyACM0``.
        description: product name, or what the driver calls it; '' when unknown.
        manufacturer: '' when unknown.
        vid, pid: USB vendor and product; None where it is no USB port.
        serial_number: of the USB device; stays the same when it is plugged in elsewhere. '' when unknown.
    """

    device: str
    description: str = ""
    manufacturer: str = ""
    vid: int | None = None
    pid: int | None = None
    serial_number: str = ""


@dataclass(frozen=True)
class PortHolder:
    """A process that has a port open."""

    pid: int
    name: str

    def __str__(self) -> str:
        return "this process" if self.pid == os.getpid() else f"{self.name} (pid {self.pid})"


def list_serial_ports() -> tuple[SerialPortInfo, ...]:
    """All ports, in the order of their names, numbers counted as such."""
    from serial.tools.list_ports import comports

    return tuple(
        SerialPortInfo(
            port.device,
            "" if port.description in (None, "n/a") else port.description,
            port.manufacturer or "",
            port.vid,
            port.pid,
            port.serial_number or "",
        )
        for port in sorted(comports())
    )


def holders(device: str) -> tuple[PortHolder, ...]:
    """Who has `device` open. Linux tells, of processes that this user may look into; elsewhere nobody is named."""
    if not sys.platform.startswith("linux"):
        return ()
    target = str(Path(device).resolve())
    return tuple(
        PortHolder(int(process.name), _process_name(process))
        for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name))
        if _has_open(process, target)
    )


def _has_open(process: Path, target: str) -> bool:
    try:
        return any(_link(entry) == target for entry in (process / "fd").iterdir())
    except OSError:  # it has ended, or is somebody else's
        return False


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def _process_name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a process"
