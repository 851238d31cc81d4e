"""Targets that compute their model's input themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import Verdict
from ai_runner.errors import InvalidModelError, InvalidParamError

RAW = np.arange(24, dtype=np.float32).reshape(6, 4)
MEANS = RAW.reshape(6, 2, 2).mean(axis=2)


def impulse(tensors: Any, fake_session: Any, factor: float = 2) -> Any:
    """Takes means of pairs of its four raw features, which the reference gets."""
    return fake_session(
        [tensors.f32("features", 4)],
        [tensors.f32("classification", 2)],
        lambda inputs: [inputs[0].reshape(-1, 2, 2).mean(axis=2) * factor],
        descriptor="fake:impulse",
    )


def doubler(tensors: Any, fake_session: Any) -> Any:
    return fake_session([tensors.f32("x", 2)], [tensors.f32("y", 2)], lambda inputs: [inputs[0] * 2])


def test_raw_features_go_in_step_with_the_samples(tensors: Any, fake_session: Any, array_source: Any) -> None:
    reference, right, wrong = (
        doubler(tensors, fake_session),
        impulse(tensors, fake_session),
        impulse(tensors, fake_session, 3),
    )
    found = validate(reference, [right, wrong, reference], array_source(MEANS), features=RAW, chunk_samples=4)
    assert [target.verdict for target in found.targets] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert "computes its input from raw features itself: only outputs are compared" in found.targets[0].run.warnings
    assert found.targets[2].run.warnings == ()


def test_without_raw_features_it_says_what_it_needs(tensors: Any, fake_session: Any, array_source: Any) -> None:
    found = validate(doubler(tensors, fake_session), [impulse(tensors, fake_session)], array_source(MEANS))
    error = found.targets[0].run.error
    assert isinstance(error, InvalidModelError)
    assert "fake:impulse: takes 4 raw features and computes its model's input from them itself" in error.message
    assert error.hint is not None
    assert "--features" in error.hint


def test_raw_features_that_do_not_fit(tensors: Any, fake_session: Any, array_source: Any) -> None:
    reference, target = doubler(tensors, fake_session), impulse(tensors, fake_session)
    found = validate(reference, [target], array_source(MEANS), features=RAW[:, :3])
    assert "takes 4 raw features, the rows that are given have 3" in str(found.targets[0].run.error)
    with pytest.raises(InvalidParamError, match="5 windows for 6 samples"):
        validate(reference, [target], array_source(MEANS), features=RAW[:5])
