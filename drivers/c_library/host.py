"""The machine that runs the library, and the runtime that the library brings along."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache

from ai_runner.model import Caps, DeviceInfo, RuntimeInfo

PROTOCOL = "DLL Driver v2.0 - Direct Python binding"


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


@cache
def host_device() -> DeviceInfo:
    """This machine, in AiRunner's words."""
    machine, system = platform.machine(), platform.system()
    # platform.processor() starts a process on POSIX, to say no more than platform.machine().
    processor = os.environ.get("PROCESSOR_IDENTIFIER", "").split(",")[0] or machine
    return DeviceInfo(
        dev_type="HOST",
        desc=f"{machine}, {processor}, {system}",
        dev_id=f"{machine} {processor}",
        system=system,
        machine=machine,
    )


def runtime_info(
    api: str, version: tuple[int, ...], tools_version: tuple[int, ...], revision: str, no_nodes: str
) -> RuntimeInfo:
    """The runtime inside the library.

    Args:
        api: ``st-ai`` or ``legacy``.
        version, tools_version: (major, minor, micro).
        revision: of the runtime library, as the library says.
        no_nodes: why nodes cannot be observed; '' when they can.
    """
    attributes = {"api": api}
    capabilities: tuple[Caps, ...] = (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA)
    if no_nodes:
        attributes["per_layer"] = f"not available: {no_nodes}"
        capabilities = (Caps.IO_ONLY,)
    return RuntimeInfo(
        protocol=PROTOCOL,
        name=f"ST.AI ({api} api)",
        version=version,
        tools_version=tools_version,
        rt_lib_desc=revision,
        capabilities=capabilities,
        attributes=attributes,
    )
