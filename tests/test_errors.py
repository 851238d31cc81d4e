"""Numbers, names and exit codes that scripts and CI jobs rely on."""

from __future__ import annotations

import pytest

from ai_runner import errors
from ai_runner.errors import AiRunnerError


@pytest.mark.parametrize(
    ("name", "code", "builtin", "exit_code"),
    [
        ("AiRunnerError", 800, Exception, 5),
        ("HwIOError", 801, OSError, 3),
        ("NotInitializedMsgError", 802, RuntimeError, 5),
        ("InvalidMsgError", 803, ValueError, 3),
        ("InvalidParamError", 804, ValueError, 2),
        ("InvalidModelError", 805, ValueError, 4),
        ("NotConnectedError", 810, ConnectionError, 2),
    ],
)
def test_families(name: str, code: int, builtin: type[Exception], exit_code: int) -> None:
    error = getattr(errors, name)("what, where", hint="what next", evidence={"port": "COM3"}, retryable=True)
    assert isinstance(error, AiRunnerError)
    assert isinstance(error, builtin)
    assert (error.code(), error.EXIT_CODE) == (code, exit_code)
    assert str(error) == f"E{code}({name}): what, where"
    assert (error.hint, error.evidence, error.retryable) == ("what next", {"port": "COM3"}, True)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("LinkTimeoutError", TimeoutError),
        ("LinkLostError", ConnectionError),
        ("TargetCrashError", ConnectionError),
        ("MissingRuntimeError", OSError),
    ],
)
def test_bench_faults_keep_the_number_and_name_of_their_family(name: str, builtin: type[Exception]) -> None:
    error = getattr(errors, name)("x")
    assert isinstance(error, builtin)
    assert str(error) == "E801(HwIOError): x"
    assert error.EXIT_CODE == 3
