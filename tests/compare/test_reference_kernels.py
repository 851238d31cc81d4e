"""Which kernels a reference runs on where nobody chose any."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai_runner.compare.reference_kernels import open_reference
from ai_runner.errors import InvalidModelError


def opens_all_but(*refused: str) -> tuple[list[str], Callable[[str], str]]:
    asked: list[str] = []

    def open_runtime(text: str) -> str:
        asked.append(text)
        if any(kernels in text for kernels in refused):
            raise InvalidModelError(f"{text} is refused")
        return text

    return asked, open_runtime


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("model.tflite", "model.tflite?kernels=reference"),
        ("tflite:model.tflite?threads=2", "tflite:model.tflite?threads=2&kernels=reference"),
        ("tflite:model.tflite?kernels=xnnpack", "tflite:model.tflite?kernels=xnnpack"),
        ("onnx:model.onnx", "onnx:model.onnx"),
    ],
)
def test_the_reference_kernels_are_chosen_where_the_user_names_none(text: str, opened: str) -> None:
    asked, open_runtime = opens_all_but()
    runtime, notes = open_reference(text, open_runtime)
    assert runtime == opened
    assert asked == [opened]
    assert len(notes) == int(opened != text)


def test_a_model_whose_operators_they_lack_runs_on_the_builtin_kernels() -> None:
    _, open_runtime = opens_all_but("reference")
    runtime, (note,) = open_reference("tflite:elu.tflite", open_runtime)
    assert runtime == "tflite:elu.tflite?kernels=builtin"
    assert "builtin kernels" in note


def test_a_model_that_both_refuse_is_refused_in_the_words_of_the_first() -> None:
    _, open_runtime = opens_all_but("reference", "builtin")
    with pytest.raises(InvalidModelError, match="kernels=reference is refused"):
        open_reference("tflite:broken.tflite", open_runtime)


def test_kernels_that_the_user_names_are_not_replaced() -> None:
    asked, open_runtime = opens_all_but("reference")
    with pytest.raises(InvalidModelError):
        open_reference("tflite:elu.tflite?kernels=reference", open_runtime)
    assert asked == ["tflite:elu.tflite?kernels=reference"]
