"""One batch on an engine: samples one by one, each with its round trip and, on request, the times of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.eim.engine import Engine
from ai_runner.errors import InvalidMsgError, InvalidParamError
from ai_runner.impulse.description import stage_nodes, stages
from ai_runner.impulse.result import MAX_BOXES, ResultReader
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource

Array = npt.NDArray[Any]


def run(
    engine: Engine,
    info: ModelInfo,
    reader: ResultReader,
    features: Array,
    mode: Mode,
    callback: AiRunnerCallback | None,
) -> RunResult:
    """Classifies each row of `features`, float32 (batch, features); see `Driver.invoke`.

    Raises:
        InvalidParamError: a feature is not finite; nothing was sent.
        InvalidModelError, InvalidMsgError, HwIOError: as `Engine.classify`.
    """
    start = perf_counter()
    if not np.isfinite(features).all():
        raise InvalidParamError(
            "features have to be finite", hint="a quantised network makes some ordinary-looking result of NaN"
        )
    outputs = reader.empty(len(features))
    times = StageTimes(engine) if Mode.PER_LAYER in mode else None
    durations: list[float] = []
    exec_times: list[float] = []
    for i, row in enumerate(features):
        began = perf_counter()
        if callback is not None:
            callback.on_sample_begin(i)
        asked = perf_counter()
        fields = engine.classify(row)
        durations.append((perf_counter() - asked) * 1e3)
        reader.read(fields["result"], outputs, i)
        if times is not None:
            times.take(fields.get("timing"), callback)
        go_on = callback is None or _ended(callback, i, outputs, durations[-1])
        exec_times.append((perf_counter() - began) * 1e3)
        if not go_on:
            break
    done = len(durations)
    warnings = (*_too_many_boxes(info, outputs), *(times.warnings() if times is not None else ()))
    if Mode.PERF_ONLY in mode:
        outputs = ()
    return RunResult(
        info=info,
        mode=mode,
        outputs=outputs if done == len(features) else tuple(output[:done].copy() for output in outputs),
        durations=durations,
        source=TimeSource.HOST,
        nodes=() if times is None else times.profiles(),
        host_duration=(perf_counter() - start) * 1e3,
        exec_times=exec_times,
        warnings=warnings,
    )


class StageTimes:
    """What the engine says of its stages: whole milliseconds, rounded down, so that 0 is no measurement."""

    def __init__(self, engine: Engine) -> None:
        self._names = stages(engine.hello)
        self._nodes = stage_nodes(engine.hello)
        self._times: list[list[float]] = [[] for _ in self._names]

    def take(self, timing: object, callback: AiRunnerCallback | None) -> None:
        """Takes the ``timing`` of a reply.

        Raises:
            InvalidMsgError: it is none.
        """
        told = timing if isinstance(timing, Mapping) else {}
        for number, (name, node) in enumerate(zip(self._names, self._nodes, strict=True)):
            value = told.get(name) or 0
            if not isinstance(value, int | float) or not 0 <= value < 1e9:
                raise InvalidMsgError(f"a reply has the time {name}={str(value)[:40]!r}")
            self._times[number].append(float(value))
            if callback is not None:
                logs: dict[str, Any] = {"shape": [], "m_id": node.m_id, "layer_type": node.type_id}
                callback.on_node_begin(number, [], dict(logs))
                callback.on_node_end(number, [], {**logs, "dur": float(value)} if value else logs)

    def profiles(self) -> tuple[NodeProfile, ...]:
        """One a stage; without durations where a sample has none."""
        found = []
        for node, times in zip(self._nodes, self._times, strict=True):
            measured = bool(times) and all(times)
            found.append(
                NodeProfile(
                    node,
                    durations=times if measured else (),
                    source=TimeSource.DEVICE if measured else None,
                    extra={"resolution_ms": 1, "reported_ms": list(times)},
                )
            )
        return tuple(found)

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the times must know."""
        short = [name for name, times in zip(self._names, self._times, strict=True) if times and not all(times)]
        if not short:
            return ()
        return (f"no time of {', '.join(short)}: below the engine's resolution of 1 ms in at least one sample",)


def _ended(callback: AiRunnerCallback, sample: int, outputs: Sequence[Array], duration: float) -> bool:
    answer = callback.on_sample_end(sample, [output[sample] for output in outputs], {"dur": duration})
    return answer is None or bool(answer)


def _too_many_boxes(info: ModelInfo, outputs: Sequence[Array]) -> tuple[str, ...]:
    return tuple(
        f"{tensor.name.removesuffix('_count')}: a reply has {output.max()} entries, the first {MAX_BOXES} are kept"
        for tensor, output in zip(info.outputs, outputs, strict=True)
        if tensor.name.endswith("_count") and output.size and output.max() > MAX_BOXES
    )
