"""The profile that ONNX Runtime writes: a list of events in Chrome's trace format, read for the times of kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ai_runner.drivers.onnx.model import MARK

_KERNEL = "_kernel_time"


def kernel_times(path: Path, nodes: int, runs: int) -> list[list[float] | None]:
    """Times of every node in ms, one a run.

    Args:
        path: the profile of a model made by `OnnxModel.observable`.
        nodes: number of its nodes.
        runs: how often it ran.

    Returns:
        One list a node; None where the profile has not one event for each run.
    """
    times: list[list[float]] = [[] for _ in range(nodes)]
    for event in _events(path):
        name, duration = event.get("name"), event.get("dur")
        if not isinstance(name, str) or not (name.startswith(MARK) and name.endswith(_KERNEL)):
            continue
        position = name[len(MARK) : -len(_KERNEL)]
        if position.isdecimal() and int(position) < nodes and isinstance(duration, int | float):
            times[int(position)].append(duration / 1e3)
    return [found if len(found) == runs else None for found in times]


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        events = json.loads(path.read_text("utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return []
    return [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
