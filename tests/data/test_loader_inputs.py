"""Python loaders: what they may give, what they get wrong, and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.data import LoaderInputs, open_source, parse_preprocessing
from ai_runner.errors import AiRunnerError, HwIOError, InvalidParamError

NUMBERS = count()


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module with a function ``load(inputs)`` into the working directory; what names it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(body: str) -> str:
        name = f"loader_of_a_test_{next(NUMBERS)}"
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (tmp_path / f"{name}.py").write_text(f"import numpy as np\n\ndef load(inputs):\n{lines}\n")
        return f"py:{name}:load"

    return write


@pytest.mark.parametrize(
    "body",
    [
        "x = np.arange(6, dtype=np.float32).reshape(3, 2)\nreturn x, [1, 0, 1]",
        "return {'x': np.arange(6.0).reshape(3, 2), 'labels': np.array([1, 0, 1])}",
        "return {'anything': np.arange(6.0).reshape(3, 2)}, np.array([1, 0, 1])",
        "for k in range(3):\n    yield np.array([2.0 * k, 2.0 * k + 1]), (k + 1) % 2",
        "return [([[0.0, 1.0]], '1'), ([[2.0, 3.0]], '0'), ([[4.0, 5.0]], '1')]",
        "return (({inputs[0].name: np.arange(2.0) + 2 * k}, np.int64((k + 1) % 2)) for k in range(3))",
    ],
)
def test_what_it_may_give(loader: Any, tensor: Any, body: str) -> None:
    source = LoaderInputs(loader(body), [tensor("x", 2)])
    assert source.samples == 3
    assert source.chunk(0, 3)[0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert source.labels is not None
    assert source.labels.values.tolist() == [1, 0, 1]


def test_a_loader_without_end(loader: Any, tensor: Any) -> None:
    text = loader("k = 0\nwhile True:\n    yield np.full(2, k, np.float32), k % 3\n    k += 1")
    source = open_source(
        text.removeprefix("py:"), [tensor("x", 2)], samples=5
    )  # as a module and a function are written
    assert source.samples == 5
    assert source.chunk(3, 5)[0].tolist() == [[3, 3], [4, 4]]
    assert source.labels is not None
    assert source.labels.values.tolist() == [0, 1, 2, 0, 1]


def test_several_inputs_without_labels(loader: Any, tensor: Any) -> None:
    inputs = [tensor("a", 2), tensor("b", 3, dtype=np.int8, scale=0.5)]
    by_list = "for k in range(2):\n    yield [np.full(2, k, np.float32), np.full(3, k / 2)]"
    by_name = "return {'b': np.array([[0.0] * 3, [0.5] * 3]), 'a': np.array([[0.0] * 2, [1.0] * 2])}"
    for body in (by_list, by_name):
        source = open_source(loader(body), inputs)
        a, b = source.chunk(0, 2)
        assert a.tolist() == [[0, 0], [1, 1]]
        assert b.tolist() == [[0, 0, 0], [1, 1, 1]]
        assert source.labels is None


def test_it_sees_the_inputs_and_the_working_directory_does_not_stay(loader: Any, tensor: Any, tmp_path: Path) -> None:
    before = list(sys.path)
    source = LoaderInputs(loader("return np.zeros((4, *inputs[0].sample_shape), inputs[0].dtype)"), [tensor("x", 3, 2)])
    assert source.chunk(0, 4)[0].shape == (4, 3, 2)
    assert sys.path == before


def test_values_are_preprocessed(loader: Any, tensor: Any) -> None:
    steps = parse_preprocessing(["scale=-1..1"])
    source = LoaderInputs(loader("yield np.array([0, 255], np.uint8)"), [tensor("x", 2)], steps)
    assert source.chunk(0, 1)[0].tolist() == [[-1, 1]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no\\nsuch disk')", r"raised ValueError: no such disk \(loader_of_a_test_\d+.py, line 4\)"),
        ("yield np.zeros(2)\n1 / 0", r"raised ZeroDivisionError: division by zero \(.*line 5\)"),
        ("yield np.load('gone.npy')", r"raised FileNotFoundError: .*gone.npy' \(loader_of_a_test_\d+.py, line 4\)"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("import nothing_like_this", "raised ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("return None", "returned NoneType"),
        ("return 'x'", "returned str"),
        ("return []", "no samples"),
        ("return np.zeros((0, 2))", "no samples"),
        ("return np.zeros((3, 3))", r"has shape \[3, 3\], expected \[samples, 2\]"),
        ("return np.zeros((3, 2), complex)", "dtype complex128 is no number"),
        ("return np.zeros((3, 2)), [1, 2]", "2 labels for 3 samples"),
        ("return np.zeros((3, 2)), [1, np.nan, 2]", "the label of sample 1 is no finite number"),
        ("return np.zeros((3, 2)), [[1, 2], [3, 4], [5, 6]]", r"expected a number or a text a sample"),
        ("return {'y': np.zeros((3, 2))}", "0 arrays that may be inputs where the model has 1"),
        ("yield np.zeros(3)", r"sample 0: shape \[3\], input 'x' takes \[2\]"),
        ("yield np.zeros(2)\nyield np.zeros(2, np.int8)", r"sample 1: int8\[2\], the first sample has float64\[2\]"),
        ("yield np.zeros(2)\nyield np.zeros(2), 1", "sample 1: has a label, unlike those before"),
        ("yield np.zeros(2), 1\nyield np.zeros(2)", "sample 1: has no label, unlike those before"),
        ("yield np.zeros(2), 1, 2", "sample 0: a tuple of 3"),
        ("yield np.zeros(2), [1, 2]", "sample 0: a label of type list"),
        ("yield np.zeros(2), None", "sample 0: a label of type NoneType"),
        ("yield [[1.0], [2.0, 3.0]]", "sample 0: is no array"),
        ("yield object()", "sample 0: dtype object is no number"),
        ("yield {'y': 1}", "sample 0: nothing for input 'x'"),
        ("yield np.zeros(2, np.int64)", "is int64, expected float32"),
    ],
)
def test_what_it_may_not(loader: Any, tensor: Any, body: str, message: str) -> None:
    text = loader(body)
    with pytest.raises(InvalidParamError, match=message) as caught:
        LoaderInputs(text, [tensor("x", 2)])
    assert caught.value.message.startswith(text)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("py:", "is no loader"),
        ("py:module", "is no loader"),
        ("py:a/b:load", "is no loader"),
        ("py:..x:load", "is no loader"),
        ("py:nothing_like_this:load", "there is no module 'nothing_like_this'"),
        ("py:json:nothing", "module 'json' has no function 'nothing'"),
        ("py:json:decoder", "module 'json' has no function 'decoder'"),
    ],
)
def test_loaders_that_are_not_there(tensor: Any, text: str, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message):
        LoaderInputs(text, [tensor("x", 2)])


def test_a_traceback_is_evidence_and_typed_errors_pass(loader: Any, tensor: Any) -> None:
    with pytest.raises(InvalidParamError) as caught:
        LoaderInputs(loader("return {}[1]"), [tensor("x", 2)])
    assert "KeyError: 1" in caught.value.evidence["traceback"]
    body = "from ai_runner import HwIOError\nraise HwIOError('the disk is gone')"
    with pytest.raises(AiRunnerError, match="the disk is gone") as passed:
        LoaderInputs(loader(body), [tensor("x", 2)])
    assert isinstance(passed.value, HwIOError)


def test_memory_does_not_grow_with_the_samples(loader: Any, tensor: Any, peak_memory: Any) -> None:
    def read(text: str, samples: int) -> None:
        source = LoaderInputs(text, [tensor("x", 5000)])
        for start in range(0, samples, 10):
            source.chunk(start, start + 10)

    peaks = []
    for samples in (50, 1000):
        text = loader(f"for k in range({samples}):\n    yield np.full(5000, k % 7, np.float32), k % 3")
        peaks.append(peak_memory(lambda text=text, n=samples: read(text, n)))
    assert peaks[1] < peaks[0] + 950 * 200  # of 20000 bytes that a sample has; labels are numbers
