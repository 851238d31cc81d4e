"""The bundled models and their data are what their README says."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MAX_BYTES = 20_000
OPERATORS = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]


def reference_interpreter(path: Path) -> Any:
    """LiteRT with its reference kernels."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    made = litert.Interpreter(str(path), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
    made.allocate_tensors()
    return made


def correct_answers(path: Path, images: np.ndarray, labels: np.ndarray) -> int:
    """How many of the float32 images (N, 8, 8, 1) the model reads as their label."""
    interpreter = reference_interpreter(path)
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = given["quantization"]
    if given["dtype"] == np.int8:
        images = np.clip(np.round(images / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)
    correct = 0
    for image, label in zip(images, labels, strict=True):
        interpreter.set_tensor(given["index"], image[np.newaxis])
        interpreter.invoke()
        correct += int(interpreter.get_tensor(answer["index"]).argmax() == label)
    return correct


def test_data_is_a_held_out_set_with_every_digit(digits_test: Path) -> None:
    with np.load(digits_test, allow_pickle=False) as data:
        assert sorted(data.files) == ["labels", "m_inputs_1"]
        images, labels = data["m_inputs_1"], data["labels"]
    assert images.dtype == np.float32
    assert images.shape == (400, 8, 8, 1)
    assert images.min() == 0.0
    assert images.max() == 1.0
    assert np.array_equal(images * 16, np.round(images * 16))
    assert labels.dtype == np.int64
    assert labels.shape == (400,)
    assert np.bincount(labels, minlength=10).min() >= 39


@pytest.mark.parametrize(("name", "dtype"), [("digits_int8", np.int8), ("digits_float", np.float32)])
def test_model_is_small_and_of_a_fixed_batch(request: pytest.FixtureRequest, name: str, dtype: type) -> None:
    path: Path = request.getfixturevalue(name)
    assert path.stat().st_size < MAX_BYTES
    interpreter = reference_interpreter(path)
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == answer["dtype"] == dtype
    assert given["shape_signature"].tolist() == [1, 8, 8, 1]
    assert answer["shape_signature"].tolist() == [1, 10]
    assert [operator["op_name"] for operator in interpreter._get_ops_details()] == OPERATORS


@pytest.mark.parametrize("name", ["digits_int8", "digits_float"])
def test_accuracy_is_the_one_of_the_readme(request: pytest.FixtureRequest, digits_test: Path, name: str) -> None:
    path: Path = request.getfixturevalue(name)
    with np.load(digits_test, allow_pickle=False) as data:
        correct = correct_answers(path, data["m_inputs_1"], data["labels"])
    row = re.search(rf"^\| `{path.name}` .*$", (path.parent / "README.md").read_text("utf-8"), re.MULTILINE)
    assert row is not None
    assert f"{correct} of 400" in row.group()
    assert correct > 380


def test_files_are_the_ones_of_the_readme(repository: Path) -> None:
    folder = repository / "examples" / "models"
    listed = re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(listed) == 3
    for digest, name in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
