"""Boxes compared field by field."""

from __future__ import annotations

from typing import Any

import numpy as np

from ai_runner.compare.alignment.record_fields import RecordFields
from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import Verdict
from ai_runner.model import TensorInfo

BOX = np.dtype([("label", "<i4"), ("value", "<f4"), ("x", "<i4")])
BOXES = TensorInfo("boxes", (1, 3), BOX, labels=("stop",))


def test_records_are_taken_apart_and_numbers_stay(tensors: Any) -> None:
    fields = RecordFields([tensors.f32("y", 2), BOXES])
    assert [(tensor.name, tensor.shape, tensor.dtype.name) for tensor in fields.tensors] == [
        ("y", (1, 2), "float32"),
        ("boxes.label", (1, 3), "int32"),
        ("boxes.value", (1, 3), "float32"),
        ("boxes.x", (1, 3), "int32"),
    ]
    boxes = np.array([[(0, 0.5, 8), (-1, 0.25, 16), (0, 0, 0)]], BOX)
    y, label, value, x = fields([np.zeros((1, 2), np.float32), boxes])
    assert y.tolist() == [[0, 0]]
    assert (label.tolist(), value.tolist(), x.tolist()) == ([[0, -1, 0]], [[0.5, 0.25, 0]], [[8, 16, 0]])
    assert x.flags.c_contiguous
    assert fields([]) == ()


def detector(tensors: Any, fake_session: Any, shift: int = 0, more: float = 0.0) -> Any:
    def boxes(inputs: list[Any]) -> list[Any]:
        found = np.zeros((len(inputs[0]), 3), BOX)
        found["value"][:, 0] = inputs[0][:, 0] + more
        found["x"][:, 0] = 8 + shift
        return [found]

    return fake_session([tensors.f32("x", 1)], [BOXES], boxes)


def test_detectors_are_compared(tensors: Any, fake_session: Any, array_source: Any) -> None:
    reference = detector(tensors, fake_session)
    targets = [
        reference,
        detector(tensors, fake_session, shift=1),
        detector(tensors, fake_session, more=0.01),
        detector(tensors, fake_session, more=1e-6),
    ]
    found = validate(reference, targets, array_source(np.linspace(0.5, 0.9, 6, dtype=np.float32).reshape(6, 1)))
    verdicts = [target.verdict for target in found.targets]
    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.PASS]
    assert "boxes.x" in found.targets[1].reasons[0]
    assert "boxes.value" in found.targets[2].reasons[0]


def test_a_detector_for_a_classifier_is_a_verdict(tensors: Any, fake_session: Any, array_source: Any) -> None:
    reference = fake_session(
        [tensors.f32("x", 1)], [tensors.f32("y", 2)], lambda inputs: [np.zeros((4, 2), np.float32)]
    )
    source = array_source(np.zeros((4, 1), np.float32))
    found = validate(reference, [detector(tensors, fake_session)], source, labels=np.zeros(4, np.int64))
    assert found.targets[0].verdict is Verdict.FAIL
    assert found.targets[0].run.accuracy is None
