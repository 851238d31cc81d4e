"""What this process can load."""

from __future__ import annotations

import platform
import sys


def host_architecture() -> tuple[str, str]:
    """(system, machine) of this process in the words of ObjectFile; every ELF system counts as Linux."""
    system = platform.system()
    machine = platform.machine().lower()
    machine = {"amd64": "x86-64", "x86_64": "x86-64", "arm64": "aarch64", "i686": "i386", "x86": "i386"}.get(
        machine, machine
    )
    if machine.startswith("armv"):
        machine = "arm"
    if sys.maxsize < 1 << 32:  # a 32-bit Python on a 64-bit system loads 32-bit libraries
        machine = {"x86-64": "i386", "aarch64": "arm"}.get(machine, machine)
    return (system if system in ("Windows", "Darwin") else "Linux"), machine
