"""A runtime while a validation goes on: what is needed of it, and what is noted down about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy.typing as npt

from ai_runner.compare.alignment.arrangement import arranged, declared_arrangement
from ai_runner.compare.alignment.label_order import LabelOrder
from ai_runner.compare.alignment.record_fields import RecordFields
from ai_runner.compare.alignment.tensor_alignment import align_tensors
from ai_runner.compare.metrics import LabelAccuracy
from ai_runner.compare.sampling.latency_sample import LatencySampler
from ai_runner.compare.tensor_pair import real_values
from ai_runner.compare.verdict import RunSummary
from ai_runner.errors import AiRunnerError
from ai_runner.model import Caps, Mode, ModelInfo
from ai_runner.profile import RunResult

Array = npt.NDArray[Any]


class Session(Protocol):
    """What is needed of a runtime: the strict face of `ai_runner.AiRunner`."""

    @property
    def descriptor(self) -> Any:
        """What is connected; its text names the runtime in reports."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the models."""

    def model_info(self, name: Any = None) -> ModelInfo:
        """Description of a model."""

    def run(self, inputs: Any, name: Any = None, *, mode: Mode = Mode.IO_ONLY) -> RunResult:
        """Runs a batch."""


class Participant:
    """One model of one runtime.

    Attributes:
        info: what it says about itself; outputs of records are taken apart into their fields, those that have the
            labels of `like` are in the order of its labels, and those whose channels lie elsewhere than in `like` have
            them there.
        mode: how it is run: the most that it can show, when layers are asked for.
        error: why it takes part no longer; None while it does.
        warnings: each once, in the order they came up.
    """

    def __init__(self, session: Session, per_layer: bool, like: ModelInfo | None = None) -> None:
        """Chooses a model: the one named as `like`, else the first. Raises AiRunnerError when there is none."""
        self._session = session
        names = list(session.names)
        name = like.name if like is not None and like.name in names else None
        info = session.model_info(name)
        self._fields = RecordFields(info.outputs)
        wanted = self._fields.tensors if like is None else like.outputs
        self._label_order = LabelOrder(wanted, self._fields.tensors, str(session.descriptor))
        places = align_tensors(wanted, self._label_order.tensors)
        self._scores = places[0] if wanted else None
        self._ways = {
            theirs: declared_arrangement(tensor, self._label_order.tensors[theirs])
            for tensor, theirs in zip(wanted, places, strict=True)
            if theirs is not None
        }
        outputs = tuple(arranged(tensor, self._ways.get(k)) for k, tensor in enumerate(self._label_order.tensors))
        self.info = replace(info, outputs=outputs)
        self.mode = run_mode(self.info, per_layer)
        self.error: AiRunnerError | None = None
        self.warnings: dict[str, None] = {}
        if len(names) > 1:
            self.warn(f"of the models {', '.join(names)} '{self.info.name}' is used")
        if per_layer and Mode.PER_LAYER_WITH_DATA not in self.mode:
            self.warn("shows no data of its nodes: its layers are not compared")
        for k, tensor in enumerate(self._label_order.tensors):
            if outputs[k] is not tensor:
                shapes = f"{list(tensor.shape)} is compared as {list(outputs[k].shape)}"
                self.warn(f"output '{tensor.name}' {shapes}, with the channels moved")
        self._accuracy = LabelAccuracy()
        self._samples = 0
        self._durations = 0.0
        self._measured = 0
        self._latency = LatencySampler()
        self._source: str | None = None

    def warn(self, text: str) -> None:
        """Notes a warning once."""
        self.warnings[text] = None

    def run(self, inputs: Sequence[Array], labels: Array | None) -> RunResult:
        """Runs a chunk: inputs ``(batch,) + sample_shape`` in its own types, class numbers ``(batch,)`` or None."""
        result = self._run(inputs, self.mode)
        if labels is not None and result.outputs and self._scores is not None:
            scores = real_values(self.info.outputs[self._scores], result.outputs[self._scores])
            self._accuracy.update(scores.reshape(len(labels), -1), labels)
        self._samples += len(inputs[0])
        self._durations += sum(result.durations)
        self._measured += len(result.durations)
        self._latency.update(result.durations)
        self._source = str(result.source) if result.durations else self._source
        for text in result.warnings:
            self.warn(text)
        return result

    def repeat(self, inputs: Sequence[Array]) -> RunResult:
        """Runs a chunk for its outputs alone; nothing is noted down."""
        return self._run(inputs, Mode.IO_ONLY)

    def node_bytes(self, inputs: Sequence[Array]) -> int:
        """Bytes of the tensors that nodes show for these inputs; nothing is noted down."""
        result = self._run(inputs, self.mode)
        return sum(array.nbytes for node in result.nodes for array in node.data)

    def _run(self, inputs: Sequence[Array], mode: Mode) -> RunResult:
        result = self._session.run(list(inputs), name=self.info.name, mode=mode)
        outputs = self._label_order(self._fields(result.outputs))
        ways = [self._ways.get(k) for k in range(len(outputs))]
        moved = tuple(x if way is None else way(x) for x, way in zip(outputs, ways, strict=True))
        return replace(result, outputs=moved)

    def summary(self) -> RunSummary:
        """What it did, frozen."""
        return RunSummary(
            descriptor=str(self._session.descriptor),
            info=self.info,
            samples=self._samples,
            c_duration_ms=self._durations / self._measured if self._measured else None,
            c_duration_source=self._source,
            latency=self._latency.result(),
            accuracy=self._accuracy.value if self._accuracy.samples else None,
            warnings=tuple(self.warnings),
            error=self.error,
        )


def run_mode(info: ModelInfo, per_layer: bool) -> Mode:
    """The most that the runtime can show, when layers are asked for."""
    if per_layer and Caps.PER_LAYER_WITH_DATA in info.runtime.capabilities:
        return Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
    return Mode.PER_LAYER if per_layer and Caps.PER_LAYER in info.runtime.capabilities else Mode.IO_ONLY
