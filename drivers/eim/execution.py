"""One batch on an engine: samples one by one, each with its round trip and, on request, the times of its stages."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy.typing as npt

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.eim.engine import Engine
from ai_runner.drivers.eim.stage_times import StageTimes
from ai_runner.impulse.features import check_finite
from ai_runner.impulse.result import MAX_BOXES, ResultReader
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult, TimeSource

Array = npt.NDArray[Any]


class Execution:
    """Runs batches on one engine.

    Attributes:
        engine: after its hello.
        info: the model, as described by it.
    """

    def __init__(self, engine: Engine, info: ModelInfo) -> None:
        self.engine = engine
        self.info = info
        self._reader = ResultReader(info.outputs)
        self._counts = [(k, t.name.removesuffix("_count")) for k, t in enumerate(info.outputs) if t.dtype.kind == "i"]

    def run(self, features: Array, mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Classifies each row of `features`, float32 (batch, features); see `Driver.invoke`.

        Args:
            mode: of PER_LAYER and PERF_ONLY.

        Raises:
            InvalidParamError: a feature is not finite; nothing was sent.
            InvalidModelError, InvalidMsgError, HwIOError: as `Engine.classify`.
        """
        start = perf_counter()
        check_finite(features)
        outputs = self._reader.empty(len(features))
        times, perf_only = None, False
        if mode is not Mode.IO_ONLY:
            times = StageTimes(self.engine.hello) if Mode.PER_LAYER in mode else None
            perf_only = Mode.PERF_ONLY in mode
        durations: list[float] = []
        exec_times: list[float] = []
        for i, row in enumerate(features):
            began = perf_counter()
            if callback is not None:
                callback.on_sample_begin(i)
            asked = perf_counter()
            fields = self.engine.classify(row)
            durations.append((perf_counter() - asked) * 1e3)
            self._reader.read(fields["result"], outputs, i)
            if times is not None:
                times.take(fields.get("timing"), callback)
            go_on = callback is None or _ended(callback, i, outputs, durations[-1])
            exec_times.append((perf_counter() - began) * 1e3)
            if not go_on:
                outputs = tuple(output[: i + 1].copy() for output in outputs)
                break
        warnings = self._too_many_boxes(outputs) if self._counts else ()
        if times is not None:
            warnings += times.warnings()
        return RunResult(
            info=self.info,
            mode=mode,
            outputs=() if perf_only else outputs,
            durations=durations,
            source=TimeSource.HOST,
            nodes=() if times is None else times.profiles(),
            host_duration=(perf_counter() - start) * 1e3,
            exec_times=exec_times,
            warnings=warnings,
        )

    def _too_many_boxes(self, outputs: Sequence[Array]) -> tuple[str, ...]:
        largest = [(name, outputs[k].max(initial=0)) for k, name in self._counts]
        return tuple(
            f"{name}: a reply has {count} entries, the first {MAX_BOXES} are kept"
            for name, count in largest
            if count > MAX_BOXES
        )


def _ended(callback: AiRunnerCallback, sample: int, outputs: Sequence[Array], duration: float) -> bool:
    answer = callback.on_sample_end(sample, [output[sample] for output in outputs], {"dur": duration})
    return answer is None or bool(answer)
