"""A report of a validation, made by hand: what rules look at, in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Report = dict[str, Any]


def metrics(**changed: Any) -> dict[str, Any]:
    same = {"acc": 1.0, "rmse": 0.0, "mae": 0.0, "l2r": 0.0, "mean": 0.0, "std": 0.0, "nse": 1.0, "cos": 1.0}
    none = {"reference_nan": 0, "reference_inf": 0, "target_nan": 0, "target_inf": 0}
    return {**same, "snr": None, "max_abs": 0.0, "count": 40, **none, **changed}


def introduced(**changed: Any) -> dict[str, Any]:
    same = {"diverges": False, "reason": "", "beyond_noise": "", "unequal": None, "operators": 1, "kernels": ["a"]}
    return {**same, "count": 40, "outside": 0, "largest": 0.0, "allowed": 1.0, "band": 1.0, "non_finite": 0, **changed}


def output(name: str = "softmax", **changed: Any) -> dict[str, Any]:
    held = {"within_tolerance": True, "reason": "", "tolerance": {"max_lsb": 1}, "beyond": 0, "max_lsb": 1, "count": 40}
    return {"name": name, "metrics": metrics(), "metrics_raw": metrics(), **held, "introduced": introduced(), **changed}


def layer(index: int, name: str, **changed: Any) -> dict[str, Any]:
    of_layer = {"index": index, "type": "CONV_2D", "target_name": f"n{index}", "paired_by": "id", "signature": ""}
    times = {"c_duration_ms": 0.25, "c_duration_source": "device"}
    return {**output(name), **of_layer, **times, **changed}


def info(model_hash: str = "0xABCDEF01", **device: Any) -> dict[str, Any]:
    runtime = {"protocol": "p", "name": "ST.AI", "version": "10.2.0", "tools_version": "2.2.0", "compiler": "GCC 13"}
    board = {"dev_type": "stm32", "dev_id": "0x450", "system": "", "machine": "", "desc": "a board", **device}
    return {
        "name": "network",
        "hash": model_hash,
        "params": [{"name": "w", "size": 3000}],
        "activations": [{"name": "a", "size": 1500}],
        "runtime": {**runtime, "capabilities": ["IO_ONLY"], "attributes": {"api": "st-ai"}},
        "device": {"sys_clock": 480_000_000, "bus_clock": 240_000_000, "attrs": ["icache", "dcache"], **board},
    }


def run(descriptor: str, **changed: Any) -> dict[str, Any]:
    times = {"c_duration_ms": 2.0, "c_duration_source": "device"}
    return {"descriptor": descriptor, "info": info(), "samples": 4, **times, "warnings": [], "error": None, **changed}


def target(descriptor: str = "serial:COM3", **changed: Any) -> dict[str, Any]:
    found = {"verdict": "pass", "reasons": [], "outputs": [output()], "layers": [], "unpaired": []}
    health = {"findings": [], "kinds": [], "repeatable": True, "outputs": [{"name": "softmax"}], "layers": []}
    rest = {"first_divergence": None, "structure": [], "health": health, "error_budget": []}
    return {**run(descriptor), **found, **rest, **changed}


def report(*targets: Report, **provenance: Any) -> Report:
    told = {"samples": 4, "data": "4 samples of x.npz", "seed": None, "per_layer": False, "judged_by": "noise-floor"}
    return {
        "schema": "ai-runner/validation/1",
        "verdict": "pass",
        "provenance": {**told, **provenance},
        "reference": run("tflite:m.tflite"),
        "targets": list(targets) or [target()],
        "notes": [],
        "error": None,
    }


class Reports:
    """Makers of the parts of a report."""

    metrics = staticmethod(metrics)
    introduced = staticmethod(introduced)
    output = staticmethod(output)
    layer = staticmethod(layer)
    info = staticmethod(info)
    run = staticmethod(run)
    target = staticmethod(target)
    report: Callable[..., Report] = staticmethod(report)


@pytest.fixture(scope="session")
def reports() -> type[Reports]:
    return Reports
