"""Tests of a deployed model that no policy can say, for `pytest --ai-runner -d DESC` (docs/ci.md). Copy and change."""

from __future__ import annotations

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.compare.verdict import Validation
from ai_runner.profile import TimeSource


def test_interface_is_that_of_the_application(ai_runner: AiRunner) -> None:
    model = ai_runner.model_info()
    assert [(tensor.sample_shape, tensor.dtype) for tensor in model.inputs] == [((8, 8, 1), np.int8)]
    assert [(tensor.sample_shape, tensor.dtype) for tensor in model.outputs] == [((10,), np.int8)]


def test_an_answer_does_not_depend_on_those_before(ai_runner: AiRunner) -> None:
    batch = ai_runner.generate_rnd_inputs(batch_size=8)
    (together,) = ai_runner.run(batch).outputs
    alone = [ai_runner.run([one[place : place + 1] for one in batch]).outputs[0] for place in reversed(range(8))]
    np.testing.assert_array_equal(together, np.concatenate(alone[::-1]))


def test_accuracy_is_that_of_the_trained_model(validation: Validation) -> None:
    for target in validation.targets:
        assert target.run.accuracy is not None, "needs labels: --ai-runner-labels"
        assert target.run.accuracy == pytest.approx(validation.reference.accuracy, abs=0.005)


@pytest.mark.hardware("serial", "socket")
def test_worst_case_fits_into_the_main_loop(ai_runner: AiRunner) -> None:
    result = ai_runner.run(ai_runner.generate_rnd_inputs(batch_size=20))
    assert result.source is TimeSource.DEVICE
    assert max(result.durations) < 2 * min(result.durations)
