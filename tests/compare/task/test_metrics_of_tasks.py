"""Task metrics against scikit-learn, in chunks of any size; what scikit-learn leaves open, against small examples."""

from __future__ import annotations

import warnings
from math import inf, isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.compare.task.changed_answers import LISTED, AnswerComparison
from ai_runner.compare.task.classification import NO_ANSWER, Classification, ClassificationMetrics, answers
from ai_runner.compare.task.failing_samples import FailingSamples
from ai_runner.compare.task.ranking import ScoreRanking
from ai_runner.compare.task.regression import Regression, RegressionMetrics

Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def sklearn_metrics() -> Any:
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")


def classified(scores: Array, labels: Array, chunk: int = 32) -> ClassificationMetrics:
    found = Classification(scores.shape[1])
    for start in range(0, len(scores), chunk):
        found.update(scores[start : start + chunk], labels[start : start + chunk])
    result = found.result()
    assert result is not None
    return result


def random_scores(classes: int, samples: int, seed: int, steps: int | None = None) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, max(classes, 2), samples)
    scores = rng.normal(size=(samples, classes))
    if classes == 1:
        scores = 1 / (1 + np.exp(-(scores + labels[:, None] - 0.5)))
    else:
        scores[np.arange(samples), labels] += 1.0
        scores = np.exp(scores)
        scores /= scores.sum(axis=1, keepdims=True)
    if steps is not None:
        scores = np.round(scores * steps) / steps
    return scores.astype(np.float32), labels


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(2, 300), st.integers(0, 1000), st.sampled_from([None, 255]), st.integers(1, 64))
def test_classification_is_as_scikit_learn_has_it(
    sklearn_metrics: Any, classes: int, samples: int, seed: int, steps: int | None, chunk: int
) -> None:
    scores, labels = random_scores(classes, samples, seed, steps)
    found = classified(scores, labels, chunk)
    given_answers = answers(scores)
    options: dict[str, Any] = {"average": "macro", "zero_division": 0}
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, given_answers))
    for name, function in (("precision", "precision_score"), ("recall", "recall_score"), ("f1", "f1_score")):
        expected = getattr(sklearn_metrics, function)(labels, given_answers, **options)
        assert getattr(found, name) == pytest.approx(expected)
    everything = list(range(max(classes, 2)))
    matrix = sklearn_metrics.confusion_matrix(labels, given_answers, labels=everything)
    assert found.confusion == tuple(map(tuple, matrix.tolist()))
    assert found.roc_auc_error == 0 or isnan(found.roc_auc_error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undefined for classes without samples
        for one in found.classes:
            own = scores[:, one.number] if classes > 2 else scores[:, -1] * (1 if one.number else -1)
            expected = sklearn_metrics.roc_auc_score(labels == one.number, own)
            assert one.roc_auc == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_top_k_is_as_scikit_learn_has_it(sklearn_metrics: Any) -> None:
    scores, labels = random_scores(8, 400, 3)
    found = classified(scores, labels)
    assert list(found.top_k) == [2, 3, 5]
    for k, share in found.top_k.items():
        assert share == pytest.approx(sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(8)))


def test_of_equal_scores_the_first_wins() -> None:
    scores = np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.25]], np.float32)
    found = classified(scores, np.array([1, 2]))
    assert found.accuracy == 0.0
    assert found.top_k == {2: 0.5}


def test_a_nan_is_no_answer() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [np.nan, 0.1, 0.2]], np.float32)
    assert answers(scores).tolist() == [0, NO_ANSWER]
    found = classified(scores, np.array([0, 0]))
    assert (found.samples, found.unanswered, found.accuracy) == (2, 1, 0.5)
    assert found.classes[0].recall == 0.5
    assert sum(map(sum, found.confusion)) == 1


def test_a_single_score_is_the_probability_of_class_one() -> None:
    found = classified(np.array([[0.4], [0.6], [0.7]], np.float32), np.array([0, 1, 0]))
    assert found.confusion == ((1, 1), (0, 1))
    assert found.roc_auc == 0.5
    assert found.classes[0].roc_auc == found.classes[1].roc_auc


def test_many_classes_have_no_matrix_and_bounded_memory(peak_memory: Any) -> None:
    scores, labels = random_scores(1000, 64, 1)

    def classify() -> Classification:
        found = Classification(1000)
        for _ in range(40):
            found.update(scores, labels)
        return found

    result = classify().result()
    assert result is not None
    assert result.confusion == ()
    assert len(result.classes) == 1000
    assert peak_memory(classify) < 40 << 20


@pytest.mark.parametrize("seed", range(4))
def test_the_stated_error_of_a_long_ranking_holds(sklearn_metrics: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 300_000)
    scores = rng.normal(size=300_000) + labels * [0.0, 0.5, 2.0, 5.0][seed]
    if seed % 2:
        scores = np.clip(scores, 0.0, 4.0)  # saturated: many equal scores beside many different ones
    ranking = ScoreRanking(1)
    for start in range(0, len(labels), 1000):
        ranking.update(scores[start : start + 1000, None], labels[start : start + 1000] - 1)
    ((area, error),) = ranking.areas()
    assert 0 < error < 1e-3
    assert abs(area - sklearn_metrics.roc_auc_score(labels, scores)) <= error


def regressed(given_values: Array, labels: Array, chunk: int) -> RegressionMetrics:
    found = Regression(labels.shape[1])
    for start in range(0, len(labels), chunk):
        found.update(given_values[start : start + chunk], labels[start : start + chunk])
    result = found.result()
    assert result is not None
    return result


@settings(max_examples=25)
@given(st.integers(2, 100), st.integers(1, 4), st.integers(0, 1000), st.integers(1, 40), st.sampled_from([0.0, 1e6]))
def test_regression_is_as_scikit_learn_has_it(
    sklearn_metrics: Any, samples: int, values: int, seed: int, chunk: int, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=(samples, values)) + offset
    labels[:, 0] = 3.0 if seed % 3 == 0 else labels[:, 0]
    given_values = labels + rng.normal(size=labels.shape) * (seed % 2)
    found = regressed(given_values, labels, chunk)
    assert found.mae == pytest.approx(sklearn_metrics.mean_absolute_error(labels, given_values))
    assert found.rmse**2 == pytest.approx(sklearn_metrics.mean_squared_error(labels, given_values))
    assert found.r2 == pytest.approx(sklearn_metrics.r2_score(labels, given_values))
    assert found.max_error == pytest.approx(np.abs(labels - given_values).max())


def test_an_answer_that_is_no_number_makes_errors_unknown() -> None:
    found = regressed(np.array([[1.0], [np.nan], [np.inf]]), np.array([[1.0], [2.0], [3.0]]), 2)
    assert found.non_finite == 2
    assert all(map(isnan, (found.mae, found.rmse, found.max_error, found.r2)))
    assert Regression(1).result() is None
    assert Classification(3).result() is None


# -- answers that changed ---------------------------------------------------------------------------------------------


def test_changed_answers() -> None:
    reference = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.7, 0.3], [0.2, 0.8]], np.float32)
    target = np.array([[0.8, 0.2], [0.6, 0.4], [0.4, 0.6], [np.nan, 0.3], [0.9, 0.1]], np.float32)
    comparison = AnswerComparison()
    comparison.update(10, reference[:3], target[:3], np.array([0, 0, 0]))
    comparison.update(13, reference[3:], target[3:], np.array([0, 1]))
    found = comparison.result()
    assert found is not None
    assert (found.samples, found.count, found.lost, found.gained) == (5, 3, 2, 1)
    assert [(one.index, one.reference, one.target, one.label) for one in found.listed] == [
        (13, 0, NO_ANSWER, 0),
        (14, 1, 0, 1),
        (11, 1, 0, 0),
    ]
    assert [one.margin for one in found.listed] == pytest.approx([inf, 0.6, 0.2])


def test_the_list_of_changed_answers_is_bounded_and_has_the_worst() -> None:
    rng = np.random.default_rng(1)
    reference = rng.random((1000, 3))
    comparison = AnswerComparison()
    for start in range(0, 1000, 64):
        comparison.update(start, reference[start : start + 64], np.roll(reference[start : start + 64], 1, 1), None)
    found = comparison.result()
    assert found is not None
    assert (found.count, len(found.listed), found.lost) == (1000, LISTED, None)
    margins = [one.margin for one in found.listed]
    assert margins == sorted(margins, reverse=True)
    mine = reference.argmax(axis=1)
    every = reference.max(axis=1) - reference[np.arange(1000), np.roll(reference, 1, 1).argmax(axis=1)]
    assert margins == pytest.approx(np.sort(every)[::-1][:LISTED])
    assert [one.reference for one in found.listed] == [mine[one.index] for one in found.listed]


def test_binary_answers_change_at_one_half() -> None:
    comparison = AnswerComparison()
    changed = comparison.update(0, np.array([[0.5], [0.6], [0.2]]), np.array([[0.51], [0.7], [0.3]]), None)
    assert [(one.index, one.reference, one.target) for one in changed] == [(0, 0, 1)]


def test_failing_samples_say_why() -> None:
    failing = FailingSamples()
    failing.names = ("cat", "dog")
    reference = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    target = np.array([[0.8, 0.2], [0.6, 0.4], [0.2, 0.8]])
    labels = np.array([0, 1, 0])
    changed = AnswerComparison().update(0, reference, target, labels)
    failing.update(0, labels, [("file:x", target, changed)])
    assert failing.count == 2
    assert [(one.index, one.label, one.reason) for one in failing.samples] == [
        (1, 1, "file:x: 'cat' where the reference answers 'dog'"),
        (2, 0, "file:x: 'dog'"),
    ]
