"""The outputs of a bundle held to other tolerances than those of its run."""

from __future__ import annotations

from typing import Any

from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.compare.tensor_pair import TensorPair
from ai_runner.compare.tolerance import Tolerance, ToleranceRule
from ai_runner.errors import InvalidModelError
from ai_runner.model import ModelInfo
from ai_runner.result_bundle.bundle import Bundle
from ai_runner.result_bundle.description import model_of

_SAMPLES = 256  # compared at once


def measured_again(bundle: Bundle, rule: ToleranceRule) -> dict[str, Any]:
    """The report of a bundle, with outputs held to `rule`; runs nothing, reads only what is held to something new.

    Raises:
        InvalidModelError: the bundle is damaged.
    """
    report = bundle.report()
    runtimes = {runtime["target"]: runtime for runtime in bundle.manifest["runtimes"]}
    targets = []
    for place, target in enumerate(report["targets"]):
        if place in runtimes and None in runtimes:
            pairs = _Outputs(bundle, runtimes[None], runtimes[place])
            target = {**target, "outputs": [pairs.held_to(rule, output) for output in target["outputs"]]}
        targets.append(target)
    return {**report, "targets": targets}


class _Outputs:
    """The outputs of a target beside those of the reference."""

    def __init__(self, bundle: Bundle, reference: dict[str, Any], target: dict[str, Any]) -> None:
        self._bundle = bundle
        self._reference, self._target = reference, target
        self._mine, self._theirs = _model(bundle, reference), _model(bundle, target)
        self._places = align_tensors(self._mine.outputs, self._theirs.outputs)

    def held_to(self, rule: ToleranceRule, output: dict[str, Any]) -> dict[str, Any]:
        """An output of the report under another tolerance."""
        place = next((k for k, tensor in enumerate(self._mine.outputs) if tensor.name == output["name"]), None)
        theirs = None if place is None else self._places[place]
        if place is None or theirs is None:
            return output
        tensors = self._mine.outputs[place], self._theirs.outputs[theirs]
        if _told(rule.of(*tensors)) == output["tolerance"]:
            return output
        pair = TensorPair(*tensors, rule)
        ours = self._bundle.array(f"{self._reference['folder']}/output-{place}.npy")
        others = self._bundle.array(f"{self._target['folder']}/output-{theirs}.npy")
        wrong = len(ours) < len(others) or any(
            array.shape[1:] != tensor.sample_shape or array.dtype != tensor.dtype
            for array, tensor in zip((ours, others), tensors, strict=True)
        )
        if wrong:
            raise InvalidModelError(f"{self._bundle.label}: output '{output['name']}' is not as the manifest says")
        for start in range(0, len(others), _SAMPLES):
            rows = slice(start, min(start + _SAMPLES, len(others)))
            pair.update(ours[rows], others[rows])
        found = pair.result()
        return {
            **output,
            "tolerance": _told(found.tolerance),
            "beyond": found.beyond,
            "within_tolerance": found.within,
            "reason": found.reason,
        }


def _model(bundle: Bundle, runtime: dict[str, Any]) -> ModelInfo:
    try:
        return model_of(runtime)
    except (ValueError, TypeError) as error:
        raise InvalidModelError(f"{bundle.label}: {runtime['folder']}: {error}") from error


def _told(tolerance: Tolerance) -> dict[str, float]:
    if tolerance.max_lsb is not None:
        return {"max_lsb": tolerance.max_lsb}
    return {"atol": tolerance.atol, "rtol": tolerance.rtol}
