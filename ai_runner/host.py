"""The machine that this process runs on."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from ai_runner.model import DeviceInfo

_CPUINFO = Path("/proc/cpuinfo")
_CPUINFO_BYTES = 1 << 14  # the first processor is enough, and there may be hundreds


@cache
def host_device() -> DeviceInfo:
    """This machine, in AiRunner's words: latencies of two machines are told apart by the name of the processor."""
    machine, system = platform.machine(), platform.system()
    processor = _processor(system) or machine
    return DeviceInfo(
        dev_type="HOST",
        desc=f"{machine}, {processor}, {system}",
        dev_id=f"{machine} {processor}",
        system=system,
        machine=machine,
    )


def _processor(system: str) -> str:
    # platform.processor() starts a process on POSIX, to say no more than platform.machine().
    if system != "Linux":
        return os.environ.get("PROCESSOR_IDENTIFIER", "").split(",")[0]
    try:
        with _CPUINFO.open("rb") as file:
            return processor_name(file.read(_CPUINFO_BYTES).decode("utf-8", "replace"))
    except OSError:
        return ""


def processor_name(cpuinfo: str) -> str:
    """The processor of a Linux machine.

    Args:
        cpuinfo: the beginning of ``/proc/cpuinfo``.

    Returns:
        Its name; where the kernel has numbers only (Arm), implementer, part and revision; '' where it tells nothing.
    """
    fields = dict[str, str]()
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), " ".join(value.split()))
    if name := fields.get("model name") or fields.get("cpu model"):
        return name
    numbers = [fields.get(f"CPU {key}", "") for key in ("implementer", "part", "variant", "revision")]
    return f"CPU {' '.join(filter(None, numbers))}" if numbers[1] else ""
