"""The samples that a question names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_runner.data import Source
    from ai_runner.model import TensorInfo
    from ai_runner.pytest_plugin.options import Question


def source_of(question: Question, inputs: Sequence[TensorInfo]) -> Source:
    """Inputs for a reference that takes `inputs`, and their labels.

    Raises:
        InvalidParamError: they cannot be read, or do not fit.
    """
    from ai_runner.data import DEFAULT_SAMPLES, DEFAULT_SEED, Preprocessing, RandomInputs, open_source, with_labels
    from ai_runner.data import parse_preprocessing as parse

    labels, columns = question.labels or None, question.columns or None
    if question.inputs:
        steps = parse(question.preprocess) if question.preprocess else Preprocessing()
        return open_source(
            question.inputs, inputs, labels=labels, columns=columns, preprocessing=steps, samples=question.samples
        )
    seed = DEFAULT_SEED if question.seed is None else question.seed
    source = RandomInputs(inputs, question.random or DEFAULT_SAMPLES, seed)
    return with_labels(source, labels) if labels else source
