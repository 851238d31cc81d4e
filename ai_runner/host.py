"""The machine that this process runs on."""

from __future__ import annotations

import os
import platform
from functools import cache

from ai_runner.model import DeviceInfo


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
