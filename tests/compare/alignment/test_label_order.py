"""Outputs compared by the names of their classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_runner.compare.alignment.label_order import LabelOrder
from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import Verdict
from ai_runner.errors import InvalidModelError
from ai_runner.quantization import Quantization


def labelled(tensor: Any, *labels: str) -> Any:
    return replace(tensor, labels=labels)


def test_entries_go_where_the_reference_has_their_label(tensors: Any) -> None:
    reference = [labelled(tensors.i8("y", 3), "yes", "no", "maybe")]
    target = [labelled(tensors.f32("classification", 3), "maybe", "no", "yes")]
    order = LabelOrder(reference, target, "target")
    (output,) = order([np.array([[0.1, 0.2, 0.7], [1, 2, 3]], np.float32)])
    assert output.tolist() == np.array([[0.7, 0.2, 0.1], [3, 2, 1]], np.float32).tolist()
    assert order.tensors[0].labels == ("yes", "no", "maybe")


def test_scales_of_single_classes_go_along(tensors: Any) -> None:
    quantization = Quantization((0.5, 0.25), (1, 2), axis=1)
    target = replace(labelled(tensors.i8("y", 2), "b", "a"), quantization=quantization)
    (tensor,) = LabelOrder([labelled(tensors.i8("y", 2), "a", "b")], [target], "target").tensors
    assert tensor.quantization == Quantization((0.25, 0.5), (2, 1), axis=1)


@pytest.mark.parametrize("sides", [("ab", ""), ("", "ab"), ("ab", "ab")])
def test_without_labels_on_both_sides_order_counts(tensors: Any, sides: tuple[str, str]) -> None:
    ours, theirs = (labelled(tensors.f32("y", 2), *side) for side in sides)
    values = np.array([[1, 2]], np.float32)
    assert LabelOrder([ours], [theirs], "target")([values])[0] is values


@pytest.mark.parametrize(
    ("given", "says"), [("ac", "has no label 'b'"), ("aa", "has no label 'b'"), ("ab", "labels that occur twice")]
)
def test_other_labels_are_another_model(tensors: Any, given: str, says: str) -> None:
    wanted = "aab"[: len(given)] if "twice" in says else "ab"
    ours, theirs = labelled(tensors.f32("y", 2), *wanted), labelled(tensors.f32("y", 2), *given)
    with pytest.raises(InvalidModelError, match=says):
        LabelOrder([ours], [theirs], "target")


def test_a_validation_compares_by_label(tensors: Any, fake_session: Any, array_source: Any) -> None:
    x, y = tensors.f32("x", 2), labelled(tensors.f32("y", 2), "a", "b")
    reference = fake_session([x], [y], lambda inputs: [inputs[0]])
    swapped = fake_session([x], [labelled(y, "b", "a")], lambda inputs: [inputs[0][:, ::-1]])
    wrong = fake_session([x], [labelled(y, "b", "a")], lambda inputs: [inputs[0]])
    values = np.array([[1, 2], [5, 3], [7, 8]], np.float32)
    found = validate(reference, [swapped, wrong], array_source(values), labels=np.array([1, 0, 1]))
    assert [target.verdict for target in found.targets] == [Verdict.PASS, Verdict.FAIL]
    assert [target.run.accuracy for target in found.targets] == [1.0, 0.0]
