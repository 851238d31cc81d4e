"""Under which conditions a time was measured: two times can be compared only when these are the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ai_runner.bench.measurement import Measurement
from ai_runner.errors import InvalidModelError, InvalidParamError

CONDITIONS = ("device", "clock", "caches", "compiler", "firmware", "options", "timer")
"""What has to be equal: the machine, its clocks, its caches, what compiled the model, the runtime or firmware with its
version, the runtime's options, and whose clock times come from."""


class IncomparableError(InvalidModelError):
    """The two sides were measured under different conditions."""


def conditions(measurement: Measurement) -> dict[str, str]:
    """The conditions of a measurement as texts; '' for what the runtime does not say."""
    device, runtime = measurement.info.device, measurement.info.runtime
    version = ".".join(map(str, runtime.version))
    tools = ".".join(map(str, runtime.tools_version)) if any(runtime.tools_version) else ""
    return {
        "device": " ".join(filter(None, (device.dev_type, device.dev_id, device.system, device.machine))),
        "clock": f"{device.sys_clock / 1e6:g}/{device.bus_clock / 1e6:g} MHz" if device.sys_clock else "",
        "caches": " ".join(sorted(device.attrs)),
        "compiler": runtime.compiler,
        "firmware": " ".join(filter(None, (runtime.name, version, tools, runtime.protocol))),
        "options": " ".join(f"{key}={value}" for key, value in sorted(runtime.attributes.items())),
        "timer": "" if measurement.model.source is None else str(measurement.model.source),
    }


def check_comparable(old: Mapping[str, str], new: Mapping[str, str], accepted: Collection[str] = ()) -> list[str]:
    """Compares the conditions of two measurements.

    Args:
        accepted: conditions that may differ all the same.

    Returns:
        The differences that were accepted, one clause each.

    Raises:
        InvalidParamError: `accepted` names no condition.
        IncomparableError: another one differs.
    """
    unknown = sorted(set(accepted) - set(CONDITIONS))
    if unknown:
        raise InvalidParamError(f"{unknown[0]!r} is no condition", hint=f"one of {', '.join(CONDITIONS)}")
    differing = [name for name in CONDITIONS if old.get(name, "") != new.get(name, "")]
    clauses = {name: f"{name} is {new.get(name) or 'unknown'}, was {old.get(name) or 'unknown'}" for name in differing}
    refused = [name for name in differing if name not in accepted]
    if refused:
        raise IncomparableError(
            f"times cannot be compared: {'; '.join(clauses[name] for name in refused)}",
            hint=f"measure both alike, or say that it does not matter: {' '.join(f'--accept {n}' for n in refused)}",
            evidence={name: clauses[name] for name in refused},
        )
    return [clauses[name] for name in differing]
