"""The times of an impulse's stages, as an engine tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_runner.driver import AiRunnerCallback
from ai_runner.errors import InvalidMsgError
from ai_runner.impulse.description import stage_nodes, stages
from ai_runner.impulse.hello import Hello
from ai_runner.profile import NodeProfile, TimeSource


class StageTimes:
    """What the engine says of its stages: whole milliseconds, rounded down, so that 0 is no measurement."""

    def __init__(self, hello: Hello) -> None:
        self._names = stages(hello)
        self._nodes = stage_nodes(hello)
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
