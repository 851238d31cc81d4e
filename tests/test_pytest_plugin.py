"""`pytest --ai-runner`: sessions of pytest in sessions of pytest."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "ai_runner.pytest_plugin")
FIXTURES = """
    def test_target(ai_runner):
        assert ai_runner.run(ai_runner.generate_rnd_inputs(batch_size=2)).outputs[0].shape == (2, 10)

    def test_reference(reference):
        assert reference.descriptor.scheme == "tflite"

    def test_validation(validation):
        assert validation.verdict == "pass"
        assert validation.targets[0].run.accuracy > 0.98
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def session(pytester: pytest.Pytester) -> Run:
    """Runs pytest with the plugin, whether it is installed or not, in a process of its own."""

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *PLUGIN, *arguments)

    return run


@pytest.fixture
def question(digits_int8: Path, digits_test: Path) -> tuple[str, ...]:
    """400 digits against LiteRT, per layer."""
    return (
        "--ai-runner",
        f"--ai-runner-reference=tflite:{digits_int8}",
        f"--ai-runner-inputs={digits_test}",
        f"--ai-runner-labels={digits_test}:labels",
        "--ai-runner-per-layer",
    )


def names(report: Path) -> dict[str, str]:
    """From a JUnit report: classname and name of every test, and what became of it."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {f"{case.get('classname')} {case.get('name')}": _outcome(case) for case in cases}


def _outcome(case: ElementTree.Element) -> str:
    return next((tag for tag in ("failure", "error", "skipped") if case.find(tag) is not None), "passed")


# -- nobody asked -----------------------------------------------------------------------------------------------------


def test_entry_point_is_declared(repository: Path) -> None:
    (declared,) = (point for point in entry_points(group="pytest11") if point.name == "ai_runner.pytest_plugin")
    assert declared.value == "ai_runner.pytest_plugin"


def test_loading_it_imports_nothing_but_pytest() -> None:
    code = """
import sys, pytest
before = set(sys.modules)
import ai_runner.pytest_plugin
found = {name for name in set(sys.modules) - before if name.partition('.')[0] not in sys.stdlib_module_names}
print(*sorted(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        *("ai_runner", "ai_runner.errors", "ai_runner.pytest_plugin", "ai_runner.pytest_plugin.options"),
    ]


def test_a_suite_that_asks_for_nothing_is_left_alone(pytester: pytest.Pytester, session: Run) -> None:
    pytester.makepyfile(
        """
        import sys, pytest

        @pytest.fixture
        def reference():
            return "its own"

        def test_fixture(reference):
            assert reference == "its own"

        def test_nothing_was_loaded():
            assert "numpy" not in sys.modules
            assert not [name for name in sys.modules if name.startswith("ai_runner.compare")]
        """
    )
    done = session("-W", "error")
    done.assert_outcomes(passed=2)
    assert "ai-runner:" not in done.stdout.str()


def test_another_hardware_marker_is_left_alone(pytester: pytest.Pytester, session: Run) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.hardware\ndef test_it(): pass")
    session().assert_outcomes(skipped=1)
    pytester.makeini("[pytest]\nmarkers =\n    hardware: needs the lab")
    session("--strict-markers").assert_outcomes(passed=1)


def test_without_a_target_tests_are_skipped_with_a_reason(pytester: pytest.Pytester, session: Run) -> None:
    pytester.makepyfile(FIXTURES + "\n    import pytest\n    @pytest.mark.hardware\n    def test_board(): assert 0")
    done = session("-rs", "--strict-markers")
    done.assert_outcomes(skipped=4)
    done.stdout.fnmatch_lines(["*needs a target: pytest --ai-runner -d DESC", "*needs hardware: pytest --ai-runner*"])


# -- one test a rule --------------------------------------------------------------------------------------------------


def test_rules_and_fixtures(
    pytester: pytest.Pytester, session: Run, question: tuple[str, ...], digits_descriptors: dict[str, str]
) -> None:
    pytester.makepyfile(FIXTURES)
    done = session(*question, "-d", digits_descriptors["st-ai"], "--junitxml=report.xml")
    found = names(pytester.path / "report.xml")
    assert set(found.values()) == {"passed"}
    assert len([name for name in found if name.startswith("ai-runner.noise-floor layer[")]) == 7
    assert "ai-runner.noise-floor output[StatefulPartitionedCall_1:0]" in found
    assert "ai-runner.run target" in found
    done.assert_outcomes(passed=9 + 3)
    assert "verdict" not in done.stdout.str()
