"""A runtime is what constructs an Interpreter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ai_runner.drivers.tflite import runtime as subject
from ai_runner.drivers.tflite.runtime import EMPTY_MODEL, KERNELS, Runtime, find_runtime
from ai_runner.errors import InvalidModelError, MissingRuntimeError
from ai_runner.tflite_model import TfliteModel


class FakeInterpreter:
    """Takes everything."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def allocate_tensors(self) -> None:
        pass


def fake(name: str, interpreter: Any = FakeInterpreter) -> Runtime:
    resolvers = SimpleNamespace(BUILTIN=1, BUILTIN_REF=2, BUILTIN_WITHOUT_DEFAULT_DELEGATES=3)
    return Runtime(name, "2.14.0", interpreter, resolvers)


def breaks_on_construction(**_: Any) -> None:
    # What tflite-runtime 2.14 does beside numpy 2.
    raise SystemError("<built-in method CreateWrapperFromBuffer> returned a result with an exception set")


def does_not_import() -> Runtime:
    raise ModuleNotFoundError("No module named 'nothing'")


def test_the_installed_runtime_is_found_with_its_version() -> None:
    from importlib.metadata import version

    found = find_runtime()
    if found.name == "LiteRT":
        assert found.version == version("ai-edge-litert")
    assert found.version_numbers > (0, 0, 0)


def test_the_model_that_probes_is_one() -> None:
    assert TfliteModel.parse(EMPTY_MODEL).operators == ()


def test_what_imports_and_does_not_construct_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = fake("first", breaks_on_construction)
    candidates = {"a": does_not_import, "b": lambda: broken, "c": lambda: fake("third")}
    monkeypatch.setattr(subject, "CANDIDATES", candidates)
    assert find_runtime().name == "third"


def test_without_any_the_error_says_what_each_said(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = fake("first", breaks_on_construction)
    monkeypatch.setattr(subject, "CANDIDATES", {"a": does_not_import, "b": lambda: broken})
    with pytest.raises(MissingRuntimeError) as caught:
        find_runtime()
    assert caught.value.hint == "pip install ai-edge-litert"
    for words in ("a: ModuleNotFoundError: No module named 'nothing'", "b: SystemError: <built-in"):
        assert words in caught.value.message
    assert set(caught.value.evidence) == {"a", "b"}
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("kernels", "options"),
    [
        ("default", {}),
        ("xnnpack", {"experimental_op_resolver_type": 1}),
        ("builtin", {"experimental_op_resolver_type": 3}),
        ("reference", {"experimental_op_resolver_type": 2}),
    ],
)
def test_kernels_are_resolver_types_and_the_default_says_nothing(kernels: str, options: dict[str, Any]) -> None:
    assert kernels in KERNELS
    made = fake("x").allocate(b"model", kernels, None, False, "m")
    assert made.options == {"model_content": b"model", **options}
    made = fake("x").allocate(b"model", kernels, 3, True, "m")
    expected = {**options, "num_threads": 3, "experimental_preserve_all_tensors": True}
    assert made.options == {"model_content": b"model", **expected}


@pytest.mark.parametrize("reason", [ValueError("first\nsecond"), RuntimeError("  first  "), RuntimeError("")])
def test_a_refusal_is_one_line(reason: Exception) -> None:
    def refuse(**_: Any) -> None:
        raise reason

    with pytest.raises(InvalidModelError) as caught:
        fake("x", refuse).allocate(b"", "default", None, False, "m.tflite")
    assert caught.value.message.startswith("m.tflite: x 2.14.0 refuses the model: ")
    assert caught.value.message.rpartition(": ")[2] in ("first", "RuntimeError")


@pytest.mark.parametrize(
    ("version", "numbers"), [("2.3.0", (2, 3, 0)), ("2.16.0-rc1", (2, 16, 0)), ("7", (7, 0, 0)), ("", (0, 0, 0))]
)
def test_versions_as_numbers(version: str, numbers: tuple[int, int, int]) -> None:
    assert Runtime("x", version, FakeInterpreter, None).version_numbers == numbers
