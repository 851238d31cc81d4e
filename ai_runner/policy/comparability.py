"""Whether two runs can be compared: the facts of each, and the deltas that a differing fact refuses.

A time says something about another time only when machine, clocks, caches, compiler, runtime, options and the clock
that was read are the same, and the model; an accuracy about another only on the same data. What both runs do not know
counts as the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ai_runner.model_hash import normalised

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Fact:
    """One fact in which two runs differ."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} is {self.new or 'unknown'}, was {self.old or 'unknown'}"


def differing_facts(old: Report, new: Report, old_target: Report, new_target: Report) -> tuple[Fact, ...]:
    """The facts in which two runs differ, in the order of FACTS.

    Args:
        old, new: reports.
        old_target, new_target: the targets in them that are compared.
    """
    pairs = ((name, told(old, old_target), told(new, new_target)) for name, told in FACTS.items())
    return tuple(Fact(name, before, now) for name, before, now in pairs if before != now)


def refusal(facts: Sequence[Fact], needed: Sequence[str]) -> str:
    """Why a delta is refused, one clause; '' when all the facts that it needs are equal."""
    return "; ".join(str(fact) for fact in facts if fact.name in needed)


def counterpart(old: Report, new: Report, place: int) -> Report | None:
    """The target of `old` that target `place` of `new` is compared with: that of the same descriptor, else the one at
    the same place where both have as many; None without one."""
    wanted = new["targets"][place]["descriptor"]
    same = [target for target in old["targets"] if target["descriptor"] == wanted]
    if len(same) == 1:
        return dict(same[0])
    return dict(old["targets"][place]) if len(old["targets"]) == len(new["targets"]) else None


def _runtime(target: Report) -> Report:
    return target["info"]["runtime"] if target["info"] is not None else {}


def _device(target: Report) -> Report:
    return target["info"]["device"] if target["info"] is not None else {}


def _model(report: Report, target: Report) -> str:
    believed, deployed = digest(report["reference"]["info"]), digest(target["info"])
    return f"{believed}, deployed {deployed}" if believed and deployed not in ("", believed) else believed or deployed


def _data(report: Report, target: Report) -> str:
    provenance = report["provenance"]
    hashed = provenance.get("data_sha256")
    return f"{provenance['samples']} samples {hashed}" if hashed else f"{provenance['data']}"


def _reference(report: Report, target: Report) -> str:
    runtime = _runtime(report["reference"])
    return " ".join(filter(None, (runtime.get("name"), runtime.get("version"), _attributes(runtime))))


def _device_text(report: Report, target: Report) -> str:
    device = _device(target)
    return " ".join(filter(None, (device.get(key) for key in ("dev_type", "dev_id", "system", "machine"))))


def _clock(report: Report, target: Report) -> str:
    device = _device(target)
    clocks = (device.get(key, 0) / 1e6 for key in ("sys_clock", "bus_clock"))
    return "/".join(f"{clock:g}" for clock in clocks) + " MHz" if device.get("sys_clock") else ""


def _caches(report: Report, target: Report) -> str:
    return " ".join(sorted(_device(target).get("attrs", ())))


def _compiler(report: Report, target: Report) -> str:
    return str(_runtime(target).get("compiler", ""))


def _runtime_text(report: Report, target: Report) -> str:
    runtime = _runtime(target)
    return " ".join(filter(None, (runtime.get(key) for key in ("name", "version", "tools_version", "protocol"))))


def _options(report: Report, target: Report) -> str:
    return _attributes(_runtime(target))


def _attributes(runtime: Report) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(runtime.get("attributes", {}).items()))


def _timer(report: Report, target: Report) -> str:
    return target["c_duration_source"] or ""


def _mode(report: Report, target: Report) -> str:
    return "per layer" if report["provenance"]["per_layer"] else "outputs only"


def digest(info: Report | None) -> str:
    """The hash of the model that a runtime describes, as digits only; '' when unknown."""
    return "" if info is None else normalised(str(info["hash"]))


FACTS: Mapping[str, Callable[[Report, Report], str]] = MappingProxyType(
    {
        "model": _model,
        "data": _data,
        "reference": _reference,
        "device": _device_text,
        "clock": _clock,
        "caches": _caches,
        "compiler": _compiler,
        "runtime": _runtime_text,
        "options": _options,
        "timer": _timer,
        "mode": _mode,
    }
)
"""What is known of a run, by name, as texts; '' for what is not told."""
