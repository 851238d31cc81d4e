"""validate(): the same inputs through a reference and its targets, chunk by chunk, into one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy.typing as npt

from ai_runner.compare.alignment.layer_map import LayerMap
from ai_runner.compare.participant import Participant, Session
from ai_runner.compare.recorder import DataDigest, Recorder, sample_errors
from ai_runner.compare.stages.stages import FloatReference, Stages
from ai_runner.compare.target_judge import NoiseFloor, TargetJudge
from ai_runner.compare.task.failing_samples import FailingSamples
from ai_runner.compare.task.task import Task, TaskJudge, check_labels, choose_task, labels_for
from ai_runner.compare.tensor_pair import real_values
from ai_runner.compare.tolerance import ToleranceRule
from ai_runner.compare.verdict import RunSummary, TargetResult, Validation, one_line, reasons_against
from ai_runner.errors import AiRunnerError, InvalidParamError
from ai_runner.input_source import InputSource
from ai_runner.model import Mode
from ai_runner.profile import RunResult

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

CHUNK_SAMPLES = 128  # enough for what is done once a chunk
BOARD_CHUNK_SAMPLES = 32  # few enough for a progress bar to move on a slow board
CHUNK_BYTES = 8 << 20  # of tensors that one runtime takes and returns for a chunk


def validate(
    reference: Session,
    targets: Sequence[Session],
    source: InputSource,
    *,
    labels: Array | None = None,
    task: Task | None = None,
    class_names: Sequence[str] = (),
    failing: FailingSamples | None = None,
    per_layer: bool = False,
    tolerance: ToleranceRule | None = None,
    noise_floor: NoiseFloor | None = None,
    float_reference: Session | None = None,
    layer_map: LayerMap | None = None,
    features: Array | None = None,
    chunk_samples: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
    recorder: Recorder | None = None,
) -> Validation:
    """Runs everything and compares every target with the reference.

    Memory does not grow with the number of samples: what a chunk returns is reduced to numbers before the next.

    Args:
        reference: what is believed. When it fails, the validation ends and every target fails with its error.
        targets: what is judged; one that fails is reported so and the others go on.
        source: the inputs, in the reference's types.
        labels: of every sample, for the first output: class numbers ``(samples,)``, integers, or real values
            ``(samples,)`` or ``(samples, values)``, floats. Accuracy, or errors, of every runtime are reported.
        task: what the first output means; by default as `choose_task` says.
        class_names: of its classes, in order; by default those that the reference has.
        failing: collects samples whose answer is wrong or changed.
        per_layer: compare layers as well, where the runtimes show their data.
        tolerance: None for the defaults.
        noise_floor: judge layers and outputs by what trusted kernels compute; tolerances then decide nothing, where the
            reference can run its layers again.
        features: raw features of the same samples, ``(samples, features)``, for targets that compute the model's input
            themselves.
        float_reference: the model before its quantisation; its part of the error is told from that of the targets.
        layer_map: pairs of layers that go before all evidence.
        chunk_samples, chunk_bytes: largest chunk, by samples (by default 128, or 32 where a runtime is no part of this
            machine) and by bytes of tensors of one runtime.
        progress: called with the runs done and the runs in all (samples times runtimes).
        recorder: told of every run and how far each sample is off; what it raises ends the validation.

    Raises:
        InvalidParamError: labels that do not fit the samples, the first output or the task, or not one row of features
            a sample.
        InvalidModelError: `float_reference` has other inputs or outputs than the reference.
        AiRunnerError: the reference cannot even be described.
    """
    started = datetime.now(UTC).astimezone()
    believed = Participant(reference, per_layer)
    if labels is not None:
        labels = labels_for(task, labels, class_names)
        check_labels(labels, source.samples, believed.info)
    if features is not None and len(features) != source.samples:
        raise InvalidParamError(
            f"features: {len(features)} windows for {source.samples} samples",
            hint="one window a sample, in the order of the inputs",
        )
    rule = tolerance or ToleranceRule()
    judges = [
        TargetJudge(
            *(target, believed.info, per_layer, rule, noise_floor, layer_map, features),
            observer=None if recorder is None else partial(recorder.ran, place),
        )
        for place, target in enumerate(targets)
    ]
    trained = None if float_reference is None else FloatReference(float_reference, believed.info)
    stages = Stages(
        None if trained is None else trained.descriptor,
        (believed.info, str(reference.descriptor)),
        [(judge.info, str(target.descriptor)) for judge, target in zip(judges, targets, strict=True)],
    )
    task = task or choose_task(labels, believed.info)
    names = [str(target.descriptor) for target in targets]
    told = TaskJudge(task, believed.info, names, labels, class_names, failing)
    step = _Step(believed, trained, judges, stages, told, source, labels, progress, recorder)
    try:
        length = _chunk_length(believed, source, chunk_samples or _chunk_samples(believed, judges), chunk_bytes)
        for start in range(0, source.samples, length):
            if not any(judge.alive for judge in judges):
                break
            step.run(start, min(start + length, source.samples))
        for judge in judges:
            judge.finish()
    except AiRunnerError as error:
        believed.error = error
    return Validation(
        reference=replace(believed.summary(), task=told.reference()),
        targets=told.complete(stages.complete([judge.result(believed.error) for judge in judges])),
        data=source.description,
        samples=source.samples,
        seed=source.seed,
        started=started,
        per_layer=per_layer,
        judged_by="tolerance" if noise_floor is None else noise_floor.judged_by,
        data_sha256=step.data_sha256,
    )


def failed_validation(reference: str, targets: Sequence[str], error: AiRunnerError) -> Validation:
    """The result when `error` kept everything from being run; reference and targets are given by descriptor."""
    return Validation(
        reference=RunSummary(reference),
        targets=tuple(TargetResult(RunSummary(target), reasons=(one_line(error),)) for target in targets),
        data="",
        samples=0,
        seed=None,
        started=datetime.now(UTC).astimezone(),
        failure=error,
    )


def failed_target(descriptor: str, error: AiRunnerError) -> TargetResult:
    """The result of a target that could not be opened."""
    return TargetResult(RunSummary(descriptor, error=error), reasons=reasons_against((), error=error))


class _Step:
    """One chunk through everybody."""

    def __init__(
        self,
        believed: Participant,
        trained: FloatReference | None,
        judges: Sequence[TargetJudge],
        stages: Stages,
        task: TaskJudge,
        source: InputSource,
        labels: Array | None,
        progress: Progress | None,
        recorder: Recorder | None,
    ) -> None:
        self._recorder = recorder
        self._digest = DataDigest()
        self._believed = believed
        self._trained = trained
        self._judges = judges
        self._stages = stages
        self._task = task
        self._source = source
        self._labels = labels
        self._progress = progress
        self._done = 0
        self._advance(0)

    def run(self, start: int, stop: int) -> None:
        inputs = self._inputs(start, stop)
        labels = None if self._labels is None else self._labels[start:stop]
        self._digest.update(inputs, labels)
        classes = None if labels is None or labels.dtype.kind == "f" else labels
        result: RunResult = self._believed.run(inputs, classes)
        if self._recorder is not None:
            self._recorder.ran(None, inputs, result)
        self._advance(stop - start)
        trained = None if self._trained is None else self._trained.run(inputs)
        answers = []
        for judge in self._judges:
            answers.append(judge.run(inputs, classes, result))
            self._advance(stop - start)
        expected = [
            real_values(tensor, x) for tensor, x in zip(self._believed.info.outputs, result.outputs, strict=True)
        ]
        self._stages.update(trained, expected, answers)
        self._task.update(start, expected, answers)
        for place, answer in enumerate(answers):
            if self._recorder is not None and answer is not None:
                self._recorder.differed(place, sample_errors(expected, answer))

    def _inputs(self, start: int, stop: int) -> Sequence[Array]:
        """Random ones are made such that every target can be given them: some take pixels of 8 bits only."""
        inputs: Sequence[Array] = self._source.chunk(start, stop)
        if self._source.seed is not None:
            for judge in self._judges:
                inputs = judge.nearest_inputs(inputs)
        return inputs

    @property
    def data_sha256(self) -> str:
        """Of all that was run so far."""
        return self._digest.result()

    def _advance(self, runs: int) -> None:
        self._done += runs
        if self._progress is not None:
            self._progress(self._done, self._source.samples * (1 + len(self._judges)))


def _chunk_samples(believed: Participant, judges: Sequence[TargetJudge]) -> int:
    infos = (believed.info, *(judge.info for judge in judges))
    local = all(info is None or info.device.dev_type == "HOST" for info in infos)
    return CHUNK_SAMPLES if local else BOARD_CHUNK_SAMPLES


def _chunk_length(believed: Participant, source: InputSource, most_samples: int, most_bytes: int) -> int:
    """Samples of a chunk. What nodes return is known only from a run: one sample is run for it and forgotten."""
    info = believed.info
    size = sum(tensor.size_bytes for tensor in (*info.inputs, *info.outputs))
    if Mode.PER_LAYER_WITH_DATA in believed.mode and source.samples:
        size += believed.node_bytes(source.chunk(0, 1))
    return max(1, min(most_samples, most_bytes // max(1, size)))
