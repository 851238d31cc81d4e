"""A validation as JSON, schema ``ai-runner/validation/1``: strict, without NaN, whole or not at all."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner import __version__
from ai_runner.compare.alignment.layer_alignment import Unpaired
from ai_runner.compare.health.structure import StructuralDifference
from ai_runner.compare.health.target_health import HealthReport
from ai_runner.compare.health.tensor_health import TensorHealth
from ai_runner.compare.metrics import no_metrics
from ai_runner.compare.noise_floor.noise_band import IntroducedError
from ai_runner.compare.sampling.latency_sample import LatencySample
from ai_runner.compare.sampling.scatter_sample import ScatterSample
from ai_runner.compare.stages.error_budget import StageShare
from ai_runner.compare.tensor_pair import TensorComparison
from ai_runner.compare.tolerance import Tolerance
from ai_runner.compare.verdict import (
    Divergence,
    LayerComparison,
    OutputComparison,
    RunSummary,
    TargetResult,
    Validation,
)
from ai_runner.errors import AiRunnerError
from ai_runner.model import ModelInfo, TensorInfo
from ai_runner.report.layer_map import layer_map_dicts
from ai_runner.report.output_file import whole_file
from ai_runner.report.task_json import changed_answers_dict, task_dict
from ai_runner.result_bundle.description import count

SCHEMA = "ai-runner/validation/1"


def write_json(validation: Validation, path: str | Path) -> None:
    """Writes the report; raises InvalidParamError when `path` cannot be written, and leaves nothing then."""
    write_report(validation_dict(validation), path)


def write_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Writes a report that is a dictionary already; raises as `write_json`."""
    with whole_file(path) as file:
        file.write(report_text(report).encode("ascii") + b"\n")


def report_text(report: Mapping[str, Any]) -> str:
    """A report as JSON."""
    return json.dumps(report, indent=2, allow_nan=False, ensure_ascii=True, default=_plain)


def plain_report(validation: Validation) -> dict[str, Any]:
    """The report just as it is read back from a file, so that rules see the same in both."""
    report: dict[str, Any] = json.loads(report_text(validation_dict(validation)))
    return report


def validation_dict(validation: Validation) -> dict[str, Any]:
    """The report as plain dicts, lists, numbers and text; numbers that are not finite are None."""
    return {
        "schema": SCHEMA,
        "verdict": str(validation.verdict),
        "provenance": _provenance(validation),
        "reference": _run(validation.reference),
        "targets": [_target(target) for target in validation.targets],
        "layer_map": layer_map_dicts(validation.targets),
        "notes": list(validation.notes),
        "error": None if validation.error is None else _error(validation.error),
    }


def _provenance(validation: Validation) -> dict[str, Any]:
    info = validation.reference.info
    return {
        "ai_runner": __version__,
        "time": validation.started.isoformat(timespec="seconds"),
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "model_hash": info.hash if info is not None else None,
        "runtime": info.runtime.name if info is not None else None,
        "version": _version(info.runtime.version) if info is not None else None,
        "kernels": info.runtime.attributes.get("kernels") if info is not None else None,
        "device": info.device.desc if info is not None else None,
        "data": validation.data,
        "samples": validation.samples,
        "seed": validation.seed,
        "per_layer": validation.per_layer,
        "judged_by": validation.judged_by,
        "data_sha256": validation.data_sha256,
    }


def _run(run: RunSummary) -> dict[str, Any]:
    described = {
        "descriptor": run.descriptor,
        "info": None if run.info is None else _info(run.info),
        "samples": run.samples,
        "c_duration_ms": _number(run.c_duration_ms),
        "c_duration_source": run.c_duration_source,
        "latency": _latency(run.latency),
        "warnings": list(run.warnings),
        "error": None if run.error is None else _error(run.error),
    }
    described |= {} if run.accuracy is None else {"accuracy": run.accuracy}
    return described if run.task is None else {**described, "task": task_dict(run.task)}


def _target(target: TargetResult) -> dict[str, Any]:
    return {
        **_run(target.run),
        "verdict": str(target.verdict),
        "reasons": list(target.reasons),
        "outputs": [_output(output) for output in target.outputs],
        "layers": [_layer(layer) for layer in target.layers],
        "unpaired": [_unpaired(node) for node in target.unpaired],
        "first_divergence": None if target.first_divergence is None else _divergence(target.first_divergence),
        "structure": [_difference(difference) for difference in target.structure],
        "health": _health(target.health),
        "changed_answers": None if target.changed is None else changed_answers_dict(target.changed),
        "error_budget": [_share(share) for share in target.error_budget],
    }


def _difference(difference: StructuralDifference) -> dict[str, str]:
    return {
        "where": difference.where,
        "what": difference.what,
        "reference": difference.reference,
        "target": difference.target,
    }


def _health(health: HealthReport) -> dict[str, Any]:
    return {
        "findings": list(health.findings),
        "kinds": list(health.kinds),
        "repeatable": health.repeatable,
        "outputs": [_tensor_health(output) for output in health.outputs],
        "layers": [_tensor_health(layer) for _, layer in health.layers],
    }


def _tensor_health(tensor: TensorHealth) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "nan": tensor.nan,
        "inf": tensor.inf,
        "lowest": _number(tensor.lowest),
        "highest": _number(tensor.highest),
        "at_lower": tensor.at_lower,
        "at_upper": tensor.at_upper,
        "constant": tensor.constant,
        "dead_channels": tensor.dead_channels,
        "repeated": tensor.repeated,
        "unwritten": tensor.unwritten,
    }


def _share(share: StageShare) -> dict[str, Any]:
    return {
        "stage": share.stage,
        "from": share.source,
        "to": share.result,
        "rmse": _number(share.rmse),
        "share": _number(share.share),
    }


def _output(output: OutputComparison) -> dict[str, Any]:
    return {
        **_tensor(output.tensor),
        "introduced": _introduced(output.introduced),
        "scatter": _scatter(output.scatter),
    }


def _scatter(sample: ScatterSample | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    return {
        "count": sample.count,
        "fair": [[_short(mine), _short(theirs)] for mine, theirs in sample.fair],
        "worst": [[_short(mine), _short(theirs)] for mine, theirs in sample.worst],
    }


def _latency(sample: LatencySample | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    return {
        "count": sample.count,
        "min_ms": _short(sample.minimum),
        "max_ms": _short(sample.maximum),
        "ms": [_short(time) for time in sample.times],
    }


def _short(value: float) -> float:
    """As many digits as a float32 has."""
    return float(f"{value:.7g}")


def _introduced(error: IntroducedError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "diverges": error.diverges,
        "reason": error.reason,
        "operators": error.operators,
        "kernels": list(error.kernels),
        "count": error.count,
        "outside": error.outside,
        "largest": _number(error.largest),
        "allowed": _number(error.allowed),
        "band": _number(error.band),
        "non_finite": error.non_finite,
        "worst_channel": None if error.worst_channel is None else error.worst_channel[0],
        "worst_channel_outside": None if error.worst_channel is None else error.worst_channel[1],
        "answers_changed": error.answers,
        "beyond_noise": error.beyond_noise,
        "unequal": None if error.unequal is None else dict(error.unequal),
    }


def _tensor(tensor: TensorComparison) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "within_tolerance": tensor.within,
        "reason": tensor.reason,
        "count": tensor.count,
        "metrics": _metrics(tensor.metrics),
        "metrics_raw": _metrics(tensor.metrics_raw),
        "max_lsb": _number(tensor.max_lsb),
        "tolerance": _tolerance(tensor.tolerance),
        "beyond": tensor.beyond,
        "error_histogram": _histogram(tensor),
    }


def _histogram(tensor: TensorComparison) -> dict[str, int]:
    return {str(error): count for error, count in tensor.histogram.items()}


def _layer(layer: LayerComparison) -> dict[str, Any]:
    tensor = layer.tensor
    return {
        "index": layer.index,
        "name": layer.name,
        "type": layer.type,
        "target_name": layer.target_name,
        "paired_by": layer.evidence,
        "within_tolerance": None if tensor is None else tensor.within,
        "reason": "" if tensor is None else tensor.reason,
        "count": 0 if tensor is None else tensor.count,
        "metrics": _metrics(no_metrics() if tensor is None else tensor.metrics),
        "metrics_raw": _metrics(no_metrics() if tensor is None else tensor.metrics_raw),
        "max_lsb": None if tensor is None else _number(tensor.max_lsb),
        "tolerance": None if tensor is None else _tolerance(tensor.tolerance),
        "error_histogram": {} if tensor is None else _histogram(tensor),
        "c_duration_ms": _number(layer.c_duration_ms),
        "c_duration_source": layer.c_duration_source,
        "introduced": _introduced(layer.introduced),
        "signature": layer.signature,
    }


def _unpaired(node: Unpaired) -> dict[str, Any]:
    return {"side": node.side, "index": node.index, "name": node.name, "type": node.type, "reason": node.reason}


def _divergence(found: Divergence) -> dict[str, Any]:
    return {
        "layer": found.layer,
        "name": found.name,
        "type": found.type,
        "reason": found.reason,
        "stage": found.stage or None,
    }


def _tolerance(tolerance: Tolerance) -> dict[str, Any]:
    if tolerance.max_lsb is not None:
        return {"max_lsb": tolerance.max_lsb}
    return {"atol": tolerance.atol, "rtol": tolerance.rtol}


def _metrics(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in metrics.items()}


def _info(info: ModelInfo) -> dict[str, Any]:
    runtime, device = info.runtime, info.device
    return {
        "name": info.name,
        "hash": info.hash,
        "model_datetime": info.model_datetime,
        "compile_datetime": info.compile_datetime,
        "n_nodes": count(info.n_nodes),
        "macc": count(info.macc),
        "inputs": [_tensor_info(tensor) for tensor in info.inputs],
        "outputs": [_tensor_info(tensor) for tensor in info.outputs],
        "params": [{"name": pool.name, "size": count(pool.size)} for pool in info.params],
        "activations": [{"name": pool.name, "size": count(pool.size)} for pool in info.activations],
        "runtime": {
            "protocol": runtime.protocol,
            "name": runtime.name,
            "version": _version(runtime.version),
            "tools_version": _version(runtime.tools_version),
            "compiler": runtime.compiler,
            "capabilities": [cap.name for cap in runtime.capabilities],
            "attributes": {str(key): str(value) for key, value in runtime.attributes.items()},
        },
        "device": {
            "dev_type": device.dev_type,
            "desc": device.desc,
            "dev_id": device.dev_id,
            "system": device.system,
            "machine": device.machine,
            "sys_clock": count(device.sys_clock),
            "bus_clock": count(device.bus_clock),
            "attrs": list(device.attrs),
        },
    }


def _tensor_info(tensor: TensorInfo) -> dict[str, Any]:
    quantization = tensor.quantization
    return {
        "name": tensor.name,
        "shape": [int(size) for size in tensor.shape],
        "dtype": tensor.dtype.name,
        "scale": None if quantization is None else [_number(scale) for scale in quantization.scale],
        "zero_point": None if quantization is None else [int(zero) for zero in quantization.zero_point],
    }


def _error(error: AiRunnerError) -> dict[str, Any]:
    return {
        "code": error.code(),
        "name": error.NAME,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
        "exit_code": error.EXIT_CODE,
    }


def _version(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


def _plain(value: Any) -> Any:
    """A driver of another package may leave numpy's numbers in its descriptions."""
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return _number(value.item())
    return str(value)


def _number(value: float | None) -> float | None:
    """A number that JSON knows: numpy's turned into Python's, None for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    number = float(value)
    return int(number) if isinstance(value, int | np.integer) else number
