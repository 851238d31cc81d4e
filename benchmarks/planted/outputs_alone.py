"""The same faults and correct numerics in targets that show no layers: their outputs alone are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ai_runner.compare.verdict import Verdict
from ai_runner.model import Caps
from ai_runner.profile import RunResult
from planted.faults import KINDS, Site
from planted.instrumented import FAST_MATH, InstrumentedModel, Rounding
from planted.judging import LAYERS, Court, Recorded
from planted.models import BenchModel
from planted.outcome import Comparison, Outcome

_ROUNDINGS = (Rounding.REFERENCE, Rounding.SINGLE, Rounding.FLOAT, Rounding.DOUBLE)


def without_layers(result: RunResult) -> Recorded:
    """The runtime that has computed it, as one that gives outputs only."""
    runtime = replace(result.info.runtime, capabilities=(Caps.IO_ONLY,))
    info = replace(result.info, runtime=runtime)
    return Recorded(replace(result, nodes=(), info=info), "recorded:outputs", info)


def _equal(one: RunResult, other: RunResult) -> bool:
    pairs = zip(one.outputs, other.outputs, strict=True)
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


class OutputsAlone:
    """One model whose targets show no layers."""

    def __init__(self, model: BenchModel, folder: Path, samples: int, seed: int, nodes: int) -> None:
        self._model, self._nodes, self._seed = model, nodes, seed
        self._c_model = InstrumentedModel(model.path, folder / "outputs", FAST_MATH if model.is_float else "-O1")
        self._inputs = model.inputs(self._c_model.runner.model_info().inputs, samples, seed)
        self._court = Court(model.path, self._inputs)

    def close(self) -> None:
        """Closes the runtimes."""
        self._court.close()
        self._c_model.close()

    def correct(self) -> Iterator[Comparison]:
        """Targets that may not fail."""
        with self._court.remembering():
            for rounding in _ROUNDINGS[: 1 if self._model.is_float else None]:
                self._c_model.rounds(rounding)
                kind = "-ffast-math" if self._model.is_float else f"{rounding.name.lower()} rounding"
                trusted = rounding is Rounding.REFERENCE and not self._model.is_float
                yield self._judged(self._run(), kind, trusted, "")
            for kernels in self._court.kernels:
                yield self._judged(self._court.result(kernels), f"without {kernels}", False, kernels)
        self._court.forget()

    def faulty(self) -> Iterator[Outcome]:
        """Targets whose outputs a fault has changed; nothing names a layer here."""
        self._c_model.rounds(Rounding.REFERENCE)
        clean, rng = self._run(), np.random.default_rng(self._seed)
        for kind in KINDS:
            for node in rng.permutation(len(clean.nodes))[: self._nodes]:
                channels = clean.nodes[node].info.outputs[0].sample_shape[-1]
                operator = self._court.operators[node]
                planted = kind(Site(self._c_model, int(node), operator, channels, self._model.is_float, rng))
                if planted is None:
                    continue
                with planted:
                    result = self._run()
                if _equal(result, clean):
                    continue
                (found,) = self._court.judge(without_layers(result))
                failed = found.verdict is Verdict.FAIL
                where = f"{node} {operator}"
                yield Outcome(kind.__name__, self._model.name, "reference", where, "noise-floor", failed, failed)

    def _run(self) -> RunResult:
        return self._c_model.runner.run(self._inputs, mode=LAYERS)

    def _judged(self, result: RunResult, kind: str, trusted: bool, left_out: str) -> Comparison:
        (found,) = self._court.judge(without_layers(result), without=left_out)
        return Comparison.of(found, kind, self._model.name, trusted)
