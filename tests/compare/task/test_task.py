"""What is judged by default, and a validation that tells how everybody does, on every runtime the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.compare.task.classification import ClassificationMetrics
from ai_runner.compare.task.failing_samples import KEPT, FailingSamples
from ai_runner.compare.task.regression import RegressionMetrics
from ai_runner.compare.task.task import Task, TaskJudge, check_labels, choose_task
from ai_runner.compare.validation import validate
from ai_runner.errors import HwIOError, InvalidParamError

Array = npt.NDArray[Any]
WEIGHTS = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)


def scores_of(inputs: Array) -> Array:
    """Rounded, since the last bits of a product of matrices depend on the size of the batch."""
    return np.round(inputs.astype(np.float64) @ WEIGHTS, 4).astype(np.float32)


def classifier(fake_session: Any, tensors: Any, wrong: float = 0.0, **options: Any) -> Any:
    def compute(inputs: list[Array]) -> list[Array]:
        scores = scores_of(inputs[0])
        swapped = np.abs(inputs[0][:, 0]) < wrong
        scores[swapped] = scores[swapped][:, ::-1]
        return [scores]

    return fake_session([tensors.f32("x", 4)], [tensors.f32("y", 3)], compute, **options)


def test_everybody_is_judged_by_the_labels(fake_session: Any, tensors: Any, array_source: Any) -> None:
    inputs = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
    labels = scores_of(inputs).argmax(axis=1)
    labels[::7] = (labels[::7] + 1) % 3
    failing = FailingSamples()
    reference = classifier(fake_session, tensors)
    targets = [classifier(fake_session, tensors, w, descriptor=f"fake:{w}") for w in (0.0, 0.3)]
    found = validate(
        reference, targets, array_source(inputs), labels=labels, class_names=("a", "b", "c"), failing=failing
    )
    same, other = found.targets
    task = found.reference.task
    assert isinstance(task, ClassificationMetrics)
    assert same.run.task == task
    assert task.accuracy == found.reference.accuracy == 1 - len(range(0, 300, 7)) / 300
    assert [one.name for one in task.classes] == ["a", "b", "c"]
    assert isinstance(other.run.task, ClassificationMetrics)
    assert other.run.task.accuracy == other.run.accuracy < task.accuracy
    mine, theirs = (scores_of(inputs).argmax(axis=1) for _ in range(2))
    swapped = np.abs(inputs[:, 0]) < 0.3
    theirs[swapped] = scores_of(inputs)[swapped][:, ::-1].argmax(axis=1)
    assert same.changed is not None
    assert same.changed.count == 0
    assert other.changed is not None
    assert other.changed.count == (mine != theirs).sum()
    assert other.changed.lost == ((mine != theirs) & (mine == labels)).sum()
    assert other.changed.gained == ((mine != theirs) & (theirs == labels)).sum()
    wrong = np.flatnonzero((mine != labels) | (theirs != labels) | (mine != theirs))
    assert [one.index for one in failing.samples] == wrong.tolist()
    assert failing.samples[0].reason.startswith("fake:")


def test_chunks_do_not_matter(fake_session: Any, tensors: Any, array_source: Any) -> None:
    inputs = np.random.default_rng(2).normal(size=(100, 4)).astype(np.float32)
    labels = np.arange(100) % 3
    found = [
        validate(
            *(classifier(fake_session, tensors), [classifier(fake_session, tensors, 0.5)], array_source(inputs)),
            labels=labels,
            chunk_samples=size,
        )
        for size in (1, 7, 100)
    ]
    assert len({(one.reference.task, one.targets[0].changed) for one in map(hashable, found)}) == 1


def hashable(validation: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(
        reference=SimpleNamespace(task=repr(validation.reference.task)),
        targets=[SimpleNamespace(changed=repr(validation.targets[0].changed))],
    )


def test_a_target_that_dies_is_judged_by_what_it_answered(fake_session: Any, tensors: Any, array_source: Any) -> None:
    inputs = np.random.default_rng(3).normal(size=(96, 4)).astype(np.float32)
    target = classifier(fake_session, tensors)
    alive, run = classifier(fake_session, tensors, descriptor="fake:alive"), target.run

    def dying(*arguments: Any, **options: Any) -> Any:
        if len(target.batches) == 2:
            raise HwIOError("unplugged")
        return run(*arguments, **options)

    target.run = dying
    reference, labels = classifier(fake_session, tensors), np.zeros(96, int)
    found = validate(reference, [target, alive], array_source(inputs), labels=labels, chunk_samples=32)
    dead, other = (one.run.task for one in found.targets)
    assert isinstance(dead, ClassificationMetrics)
    assert isinstance(other, ClassificationMetrics)
    assert (dead.samples, other.samples) == (64, 96)


def test_real_labels(fake_session: Any, tensors: Any, array_source: Any) -> None:
    inputs = np.random.default_rng(4).normal(size=(50, 4)).astype(np.float32)
    labels = scores_of(inputs).astype(np.float64) + 0.5
    reference, target = classifier(fake_session, tensors), classifier(fake_session, tensors, 9.0)
    found = validate(reference, [target], array_source(inputs), labels=labels)
    assert isinstance(found.reference.task, RegressionMetrics)
    assert found.reference.task.mae == pytest.approx(0.5)
    assert found.reference.accuracy is None
    assert found.targets[0].changed is None
    assert found.targets[0].run.task != found.reference.task


def test_memory_does_not_grow_with_the_samples(fake_session: Any, tensors: Any, peak_memory: Any) -> None:
    class Endless:
        seed = None
        description = "made when asked for"

        def __init__(self, samples: int) -> None:
            self.samples = samples

        def chunk(self, start: int, stop: int) -> list[Array]:
            return [np.random.default_rng(start).normal(size=(stop - start, 4)).astype(np.float32)]

    def quiet(session: Any) -> Any:
        session.inputs = session.batches = type("Forgetful", (list,), {"append": lambda *_: None})()
        return session

    def judge(labels: Array) -> None:
        sessions = [quiet(classifier(fake_session, tensors, wrong)) for wrong in (0.0, 0.3)]
        failing = FailingSamples()
        validate(sessions[0], [sessions[1]], Endless(len(labels)), labels=labels, failing=failing, chunk_samples=1000)
        assert failing.count > len(failing.samples) == KEPT

    labels = np.zeros(50_000, np.int64)
    few, many = peak_memory(lambda: judge(labels[:25_000])), peak_memory(lambda: judge(labels))
    assert many < few + 50_000  # 2 bytes a sample


@pytest.mark.parametrize(
    ("labels", "outputs", "task"),
    [
        (np.zeros(2, int), [("y", 3)], Task.CLASSIFICATION),
        (np.zeros(2), [("y", 3)], Task.REGRESSION),
        (None, [("y", 3)], Task.CLASSIFICATION),
        (None, [("y", 1)], Task.NONE),
        (None, [("y", 4)], Task.NONE),
        (None, [("y", 2, 3)], Task.NONE),
        (None, [("y", 3), ("z", 3)], Task.NONE),
    ],
)
def test_the_task_that_is_chosen(
    fake_session: Any, tensors: Any, labels: Array | None, outputs: list[tuple[Any, ...]], task: Task
) -> None:
    made = [tensors.f32(name, *shape) for name, *shape in outputs]
    info = fake_session([tensors.f32("x", 4)], made, lambda inputs: inputs).info
    assert choose_task(labels, info) is task


def test_labels_and_tasks_that_do_not_fit(fake_session: Any, tensors: Any) -> None:
    info = classifier(fake_session, tensors).info
    flat = fake_session([tensors.f32("x", 4)], [tensors.f32("y", 2, 3)], lambda inputs: inputs).info
    for labels, message in (
        (np.zeros(3, int), "3 class numbers for 2 samples"),
        (np.array([0, 3]), r"class number 3 is not in 0\.\.2"),
        (np.array([0, -1]), "class number -1"),
        (np.zeros((2, 2)), "2 values for each of 2 samples, output 'y' has 3 for each of 2"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            check_labels(labels, 2, info)
    check_labels(np.zeros((2, 6)), 2, flat)
    for task, labels, which, failing, message in (
        (Task.CLASSIFICATION, None, flat, None, "no vector of class scores"),
        (Task.CLASSIFICATION, np.zeros(2), info, None, "the labels are real values"),
        (Task.REGRESSION, np.zeros(2, int), info, None, "the labels are class numbers"),
        (Task.NONE, None, info, FailingSamples(), "which samples fail is told of class scores only"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            TaskJudge(task, which, [], labels, (), failing)


def test_whole_numbers_are_what_the_task_is_about(fake_session: Any, tensors: Any, array_source: Any) -> None:
    """Ages are integers, and class numbers that went through a table of floats are floats."""

    def judged(scores: int, labels: Array, task: Task | None) -> Any:
        session = fake_session([tensors.f32("x", scores)], [tensors.f32("y", scores)], lambda inputs: [inputs[0]])
        values = np.eye(3, scores, dtype=np.float32) * 30
        return validate(session, [session], array_source(values), labels=labels, task=task).reference.task

    ages = judged(1, np.array([30, 1, 0]), Task.REGRESSION)
    assert isinstance(ages, RegressionMetrics)
    assert ages.max_error == 1.0
    with pytest.raises(InvalidParamError, match=r"class number 30 is not in 0\.\.1") as caught:
        judged(1, np.array([30, 1, 0]), None)
    assert "--task regression" in caught.value.hint
    assert judged(3, np.array([0.0, 1.0, 2.0]), Task.CLASSIFICATION).accuracy == 1.0
    with pytest.raises(InvalidParamError, match="1 values for each") as caught:
        judged(3, np.array([0.0, 1.0, 2.0]), None)
    assert "--task classification" in caught.value.hint
