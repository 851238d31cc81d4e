"""Runs of one model, one sample each: what they took, in the runtime's clock and in the host's, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ai_runner.bench.interruptions import interruptions
from ai_runner.bench.placement import placed_by_chance
from ai_runner.model import Caps, Mode, ModelInfo, NodeInfo
from ai_runner.profile import RunResult, TimeSource

Run = Callable[[Mode], RunResult]
"""Runs one sample in a mode."""

Connect = Callable[[], AbstractContextManager[Run]]
"""Connects a runtime; the connection ends with the context."""

Progress = Callable[[int, int], None]
"""Hears of runs done and of all."""

_FEWEST_CONNECTIONS = 20
_CONNECTING_S = 30.0  # that connecting again may take altogether before pairs share a connection
_HOST_CLOCK = frozenset({TimeSource.HOST, TimeSource.BATCH_MEAN})
_WARM_AGAIN = 3  # runs that do not count after connecting again
_TRIES = 5
_TURN_MS = 10.0  # within a longer run the scheduler gives others their turn on any busy machine


@dataclass(frozen=True)
class Series:
    """What one thing, the model or a node, took run after run.

    Attributes:
        times: ms; empty when not measured.
        source: where they come from; None without times.
        counters: values of counters under `counters_type`, one tuple a run; empty without counters.
    """

    times: tuple[float, ...] = ()
    source: TimeSource | None = None
    counters_type: str = ""
    counters: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class LayerSeries:
    """A node and its series."""

    node: NodeInfo
    series: Series


@dataclass(frozen=True)
class Measurement:
    """What was measured of one model.

    Attributes:
        info: the model.
        model: whole inferences, from runs that looked at no layer.
        host_times: ms of the same runs as the host saw them, with the way to the target and back.
        layers: in execution order, from runs of their own; empty where the runtime shows none.
        warnings: what the runs said, each once.
    """

    info: ModelInfo
    model: Series
    host_times: tuple[float, ...]
    layers: tuple[LayerSeries, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairedMeasurement:
    """Two runtimes measured in turn: run i of one belongs to run i of the other.

    Attributes:
        new, old: the two.
        together: how many consecutive pairs share a connection, and with it what the host's memory does to times.
    """

    new: Measurement
    old: Measurement
    together: int = 1


class _Collected:
    """Results of one runtime on their way to a Measurement.

    Args:
        tries: how often a run is made until the scheduler leaves it alone.
    """

    def __init__(self, per_layer: bool, tries: int = 1) -> None:
        self._per_layer, self._tries = per_layer, tries
        self._on_host = False
        self._interrupted = 0
        self._plain: list[RunResult] = []
        self._layered: list[RunResult] = []

    def warm_up(self, run: Run, runs: int) -> TimeSource:
        """Runs that do not count; at least one, which tells what the runtime can show."""
        for _ in range(max(1, runs)):
            result = run(Mode.IO_ONLY)
        self._on_host = result.source in _HOST_CLOCK
        self._per_layer = self._per_layer and Caps.PER_LAYER in result.info.runtime.capabilities
        if self._per_layer:
            layered = run(Mode.PER_LAYER)
            if any(node.source is TimeSource.ISOLATED for node in layered.nodes):
                # An estimate is made once: repeating it repeats one number.
                self._layered, self._per_layer = [layered], False
        return result.source

    def run_plain(self, run: Run) -> None:
        """One run that counts."""
        self._plain.append(self._counted(run, Mode.IO_ONLY))

    def run_layered(self, run: Run) -> None:
        """One run that looks at layers, where there are any to be seen."""
        if self._per_layer:
            self._layered.append(self._counted(run, Mode.PER_LAYER))

    def _counted(self, run: Run, mode: Mode) -> RunResult:
        if not self._on_host:
            return run(mode)
        # A model of some 20 us is up to 5 % slower right after another one ran, more or less by chance, and its first
        # layer after a run in another mode.
        run(mode)
        for _ in range(self._tries):
            before = interruptions()
            result = run(mode)
            if interruptions() == before or result.host_duration > _TURN_MS:
                break
            self._interrupted += 1
        return result

    def measurement(self) -> Measurement:
        first = self._plain[0]
        results = [*self._plain, *self._layered]
        warnings = [text for result in results for text in result.warnings]
        if self._interrupted and self._tries > 1:
            warnings.append(f"{self._interrupted} runs that other processes interrupted were made again")
        return Measurement(
            info=first.info,
            model=Series(
                tuple(float(ms) for result in self._plain for ms in result.durations),
                first.source,
                first.counters_type,
                tuple(tuple(values) for result in self._plain for values in result.counters),
            ),
            host_times=tuple(result.host_duration for result in self._plain),
            layers=_layers(self._layered),
            warnings=tuple(dict.fromkeys(warnings)),
        )


def _layers(results: Sequence[RunResult]) -> tuple[LayerSeries, ...]:
    layers = []
    for same in zip(*(result.nodes for result in results), strict=True):
        times = tuple(float(ms) for node in same for ms in node.durations)
        counters = tuple(tuple(values) for node in same for values in node.counters)
        # A node that was not timed in some run would be paired with another run of its counterpart.
        complete = len(times) == len(results)
        series = Series(
            times if complete else (),
            same[0].source if complete else None,
            same[0].counters_type,
            counters if len(counters) == len(results) else (),
        )
        layers.append(LayerSeries(same[0].info, series))
    return tuple(layers)


def measure(
    connect: Connect, repeats: int, warm_up: int = 10, per_layer: bool = True, progress: Progress | None = None
) -> Measurement:
    """Measures one runtime over one connection.

    Args:
        connect: opens what runs one sample.
        repeats: runs that count, at least 1; where the runtime shows layers, as many again that look at them.
        warm_up: runs before that.
        per_layer: look at layers.
    """
    collected = _Collected(per_layer)
    with connect() as run:
        collected.warm_up(run, warm_up)
        for done in range(repeats):
            if progress is not None:
                progress(done, repeats)
            collected.run_plain(run)
            collected.run_layered(run)
    if progress is not None:
        progress(repeats, repeats)
    return collected.measurement()


def measure_pairs(
    new: Connect,
    old: Connect,
    pairs: int,
    random: np.random.Generator,
    warm_up: int = 10,
    per_layer: bool = True,
    progress: Progress | None = None,
) -> PairedMeasurement:
    """Measures two runtimes in turn, single runs, in an order that is drawn for every pair.

    What slows the machine down for a while hits both. On the host's clock, where a model lies in memory moves its time
    by some per cent for as long as it is loaded: two copies of one model differ by that. So both are connected anew at
    places that are drawn, each first as often as the other, for every pair, or for every few where connecting takes
    long. A run that does not count goes before each that does, because the other model has had the caches. And a short
    run that the scheduler interrupted is made again, up to five times: what it tells is how long another process took.

    Args:
        pairs: at least that many are measured.
        random: draws the orders.
    """
    sides = [new, old]
    collected = [_Collected(per_layer, _TRIES) for _ in sides]
    together, a_connection, done, connected = 1, pairs, 0, 0
    order = [0, 1]
    while done < pairs:
        began = perf_counter()
        with ExitStack() as stack:
            runs = dict[int, Run]()
            order = order[::-1] if connected % 2 else random.permutation(2).tolist()
            connected += 1
            for side in order:
                stack.enter_context(placed_by_chance(random))
                runs[side] = stack.enter_context(sides[side]())
            warm_runs = warm_up if connected == 1 else _WARM_AGAIN
            sources = {collected[side].warm_up(runs[side], warm_runs) for side in random.permutation(2)}
            if connected == 1 and sources <= _HOST_CLOCK:
                connections = min(pairs, max(_FEWEST_CONNECTIONS, int(_CONNECTING_S / (perf_counter() - began))))
                together = a_connection = pairs // connections
            for _ in range(a_connection):
                if progress is not None:
                    progress(min(done, pairs), pairs)
                for side in random.permutation(2):
                    collected[side].run_plain(runs[side])
                for side in random.permutation(2):
                    collected[side].run_layered(runs[side])
                done += 1
    if progress is not None:
        progress(pairs, pairs)
    return PairedMeasurement(collected[0].measurement(), collected[1].measurement(), together)
