"""Plants faults into one model, kind by kind and node by node, and has each judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ai_runner.compare.stages.error_budget import CODE_GENERATION, TARGET
from ai_runner.compare.verdict import TargetResult, Verdict
from ai_runner.model import DeviceInfo, ModelInfo
from ai_runner.profile import RunResult
from planted.faults import KINDS, Planted, Site
from planted.inputs import casts
from planted.instrumented import FAST_MATH, InstrumentedModel, Rounding
from planted.judging import LAYERS, Array, Court, Recorded, changed_nodes
from planted.models import BenchModel
from planted.outcome import Outcome

_FLAGS = "-O1"
NUMERICS = {
    "reference": (_FLAGS, Rounding.REFERENCE),
    "single rounding": (_FLAGS, Rounding.SINGLE),
    "float": (_FLAGS, Rounding.FLOAT),
}
_EXACT = ("reference", "IEEE")  # what policy `exact` is for: equal to a kernel set, bit for bit
FLOAT_NUMERICS = {"IEEE": (_FLAGS, Rounding.REFERENCE), "-ffast-math": (FAST_MATH, Rounding.REFERENCE)}


@dataclass(frozen=True)
class Trial:
    """One model with its samples, in all its numerics.

    Attributes:
        folder: for the C-models.
        nodes: how many nodes get a fault of each kind.
        stages: how many of them are also judged beside a C-model on the host.
    """

    model: BenchModel
    folder: Path
    samples: int
    seed: int
    nodes: int
    stages: int = 1

    def run(self) -> Iterator[Outcome]:
        """Plants everything, one fault after the other."""
        built: dict[str, InstrumentedModel] = {}
        with ExitStack() as opened:
            for numerics, (flags, rounding) in (FLOAT_NUMERICS if self.model.is_float else NUMERICS).items():
                if flags not in built:
                    folder = self.folder / f"{self.model.name}-{len(built)}"
                    built[flags] = InstrumentedModel(self.model.path, folder, flags)
                    opened.callback(built[flags].close)
                c_model = built[flags]
                c_model.rounds(rounding)
                yield from _Numerics(self, c_model, numerics).run()


class _Numerics:
    """A model in one kind of numerics."""

    def __init__(self, trial: Trial, c_model: InstrumentedModel, numerics: str) -> None:
        self._trial, self._c_model, self._model, self._numerics = trial, c_model, trial.model, numerics
        self._inputs = self._model.inputs(c_model.runner.model_info().inputs, trial.samples, trial.seed)
        self._court = Court(self._model.path, self._inputs)
        self._rng = np.random.default_rng([trial.seed, len(numerics)])
        self._clean = self._recorded(nullcontext())

    def run(self) -> Iterator[Outcome]:
        try:
            with self._court.remembering():
                self._court.judge(Recorded(self._clean))
            yield from self._plant_all()
            yield from self._spoil_inputs()
            yield from self._declare_floats()
        finally:
            self._court.close()

    def _plant_all(self) -> Iterator[Outcome]:
        for kind in KINDS:
            planted = 0
            for node in self._rng.permutation(len(self._clean.nodes)):
                context = kind(self._site(int(node)))
                if context is None:
                    continue
                yield from self._plant(kind.__name__, int(node), context, stage=planted < self._trial.stages)
                planted += 1
                if planted == self._trial.nodes:
                    break

    def _site(self, node: int) -> Site:
        info = self._clean.nodes[node].info
        rng = np.random.default_rng(int(self._rng.integers(1 << 30)))
        operator = self._court.operators[node]
        return Site(self._c_model, node, operator, info.outputs[0].sample_shape[-1], self._model.is_float, rng)

    def _recorded(self, planted: Planted, inputs: Sequence[Array] | None = None) -> RunResult:
        with planted:
            return self._c_model.runner.run(self._inputs if inputs is None else inputs, mode=LAYERS)

    def _plant(self, kind: str, node: int, planted: Planted, stage: bool) -> Iterator[Outcome]:
        faulty = self._recorded(planted)
        where = f"{node} {self._court.operators[node]}"
        yield from self._judged(kind, where, faulty, lambda found: _layer(found) == node)
        if stage and changed_nodes(self._clean, faulty):
            yield from self._staged(kind, where, faulty)

    def _judged(
        self, kind: str, where: str, faulty: RunResult, named: Callable[[TargetResult], bool]
    ) -> Iterator[Outcome]:
        """Nothing where the fault changes no layer."""
        if not changed_nodes(self._clean, faulty):
            return
        exact = [False, True] if self._numerics in _EXACT else [False]
        for policy in exact:
            (found,) = self._court.judge(Recorded(faulty), exact=policy)
            yield self._outcome(
                kind, where, "exact" if policy else "noise-floor", found.verdict is Verdict.FAIL, named(found), found
            )

    def _staged(self, kind: str, where: str, faulty: RunResult) -> Iterator[Outcome]:
        """The same fault in the C-model on the host and on the board, and on the board alone."""
        board = Recorded(faulty, "board:", _as_board(faulty.info))
        for host, stage in ((faulty, CODE_GENERATION), (self._clean, TARGET)):
            _, found = self._court.judge(Recorded(host, "host:"), board)
            divergence = found.first_divergence
            if divergence is not None:
                yield self._outcome(kind, where, "stage", bool(divergence.stage), divergence.stage == stage, found)

    def _spoil_inputs(self) -> Iterator[Outcome]:
        for name, cast in casts(self._clean.info.inputs[0]):
            spoiled = np.ascontiguousarray(cast(self._inputs[0]))
            faulty = self._recorded(nullcontext(), [spoiled, *self._inputs[1:]])
            yield from self._judged("input_cast", name, faulty, _is_input)

    def _declare_floats(self) -> Iterator[Outcome]:
        """A layer that computes with floats where the model has integers."""
        if self._model.is_float:
            return
        for node in self._rng.permutation(len(self._clean.nodes))[: self._trial.nodes]:
            profile = self._clean.nodes[node]
            tensor = profile.info.outputs[0]
            if tensor.quantization is None:
                continue
            declared = replace(tensor, dtype=np.dtype(np.float32), quantization=None, format=None)
            data = tensor.quantization.dequantize(profile.data[0]).astype(np.float32)
            changed = replace(profile, info=replace(profile.info, outputs=(declared,)), data=(data,))
            nodes = [*self._clean.nodes]
            nodes[node] = changed
            (found,) = self._court.judge(Recorded(replace(self._clean, nodes=tuple(nodes))))
            listed = [d for d in found.structure if d.where.startswith(f"layer {node} ") and d.what == "dtype"]
            where = f"{node} {self._court.operators[int(node)]}"
            yield self._outcome("float_layer", where, "structure", bool(listed), bool(listed), found)

    def _outcome(self, kind: str, where: str, policy: str, detected: bool, named: bool, found: TargetResult) -> Outcome:
        said = "" if named else str(found.first_divergence or "pass")
        return Outcome(kind, self._model.name, self._numerics, where, policy, detected, named, said)


def _layer(found: TargetResult) -> int | None:
    return None if found.first_divergence is None else found.first_divergence.layer


def _is_input(found: TargetResult) -> bool:
    divergence = found.first_divergence
    return divergence is not None and (divergence.layer, divergence.name) == (None, "input")


def _as_board(info: ModelInfo) -> ModelInfo:
    return replace(info, device=DeviceInfo("BOARD", "stands in for a board", "0x000"))
