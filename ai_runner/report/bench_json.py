"""Latencies as JSON, schema ``ai-runner/bench/1``: strict, without NaN, whole or not at all."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ai_runner import __version__
from ai_runner.bench.baseline import Baseline
from ai_runner.bench.conditions import conditions
from ai_runner.bench.gate import LatencyVerdict
from ai_runner.bench.measurement import Measurement, Series
from ai_runner.bench.statistics import summary
from ai_runner.report.output_file import whole_file

SCHEMA = "ai-runner/bench/1"


def bench_dict(
    measured: Sequence[tuple[str, Measurement | Baseline]],
    verdict: LatencyVerdict | None = None,
    accepted: Sequence[str] = (),
) -> dict[str, Any]:
    """The report as plain dicts, lists, numbers and text.

    Args:
        measured: descriptor or file, and what was measured; the target first, what it is compared with second.
        verdict: of the comparison.
        accepted: differences of conditions that were accepted.
    """
    return {
        "schema": SCHEMA,
        "verdict": _verdict(verdict),
        "provenance": {
            "ai_runner": __version__,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": {
                "name": platform.node(),
                "system": platform.platform(),
                "machine": platform.machine(),
                "python": platform.python_version(),
            },
        },
        "measured": [
            {"name": name, **(side.to_dict() if isinstance(side, Baseline) else _measurement(side))}
            for name, side in measured
        ],
        "shifts": [] if verdict is None else [{**asdict(s), "method": str(s.method)} for s in verdict.shifts],
        "unpaired": [] if verdict is None else list(verdict.unpaired),
        "accepted": list(accepted),
    }


def _verdict(verdict: LatencyVerdict | None) -> str | None:
    if verdict is None or (verdict.missing and not verdict.slower):
        return None
    return "fail" if verdict.slower else "pass"


def write_bench_json(report: Mapping[str, Any], path: str | Path) -> None:
    """Writes a report or a baseline; where `path` cannot be written, raises InvalidParamError and leaves nothing."""
    text = json.dumps(report, indent=2, allow_nan=False, ensure_ascii=True)
    with whole_file(path) as file:
        file.write(text.encode("ascii") + b"\n")


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "model": {"name": measurement.info.name, "hash": measurement.info.hash, **_series(measurement.model)},
        "host": _series(Series(measurement.host_times)),
        "conditions": conditions(measurement),
        "layers": [
            {"name": layer.node.name, "type": layer.node.type_name, "id": layer.node.m_id, **_series(layer.series)}
            for layer in measurement.layers
        ],
        "warnings": list(measurement.warnings),
    }


def _series(series: Series) -> dict[str, Any]:
    return {
        "source": None if series.source is None else str(series.source),
        "ms": list(series.times),
        "summary_ms": asdict(summary(series.times)) if series.times else None,
        "counters": {"type": series.counters_type, "values": [list(values) for values in series.counters]},
    }
