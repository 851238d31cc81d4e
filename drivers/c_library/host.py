"""The machine that runs the library, and the runtime that the library brings along."""

from __future__ import annotations

import os
import platform
from functools import cache

from ai_runner.model import Caps, DeviceInfo, RuntimeInfo

PROTOCOL = "DLL Driver v2.0 - Direct Python binding"


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
