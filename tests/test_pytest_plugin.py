"""`pytest --ai-runner`: sessions of pytest in sessions of pytest."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from ai_runner.errors import InvalidParamError
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.policy.judgement import Judgement
from ai_runner.pytest_plugin.gate import Gate
from ai_runner.pytest_plugin.options import Question
from ai_runner.tflite_model import TfliteModel

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
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest with the plugin in a process of its own, and with no other one."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

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
    session(*question, "-d", digits_descriptors["st-ai"], "--ai-runner-samples=0").stderr.fnmatch_lines(
        ["*'0' is not*"]
    )
    assert "verdict" not in done.stdout.str()


POLICY = """
schema = "ai-runner/policy/1"
name = "release"

[expect]
model_hash = "reference"

[accuracy]
min = 0.999

[latency]
max_ms = 1000

[memory]
max_weights = 1000000
"""


@pytest.fixture
def policy(pytester: pytest.Pytester) -> str:
    """A policy that asks for more accuracy than the digits have."""
    path = pytester.path / "policy.toml"
    path.write_text(POLICY, "utf-8")
    return f"--ai-runner-policy={path}"


def test_a_policy_gives_an_item_a_rule_with_reasons(
    session: Run, question: tuple[str, ...], policy: str, digits_descriptors: dict[str, str]
) -> None:
    done = session(*question, policy, "-d", digits_descriptors["st-ai"], "-m", "ai_runner", "-k", "target")
    done.assert_outcomes(passed=4, failed=1, deselected=8)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        [
            "its accuracy is 0.99, at least 0.999 is wanted",
            "value   0.99",
            "limit   0.999",
            "target  file:*",
            "reference  tflite:*",
            "FAILED ai-runner::min_accuracy::target*",
        ]
    )


def test_it_stops_at_the_first_failure(
    session: Run, question: tuple[str, ...], policy: str, digits_descriptors: dict[str, str]
) -> None:
    done = session(*question, policy, "-d", digits_descriptors["st-ai"], "-x", "-k", "min_accuracy or max_ms")
    done.assert_outcomes(failed=1, deselected=11)


def test_what_was_not_measured_and_what_is_refused(
    pytester: pytest.Pytester, session: Run, question: tuple[str, ...], digits_descriptors: dict[str, str]
) -> None:
    (pytester.path / "policy.toml").write_text(
        'schema = "ai-runner/policy/1"\nmissing = "warn"\n[expect]\nmodel_hash = "0123456789abcdef"\n'
        "[latency]\nmax_increase = 0.1\n",
        "utf-8",
    )
    told = ("--ai-runner-policy=policy.toml", "--junitxml=report.xml", "--ai-runner-json=report.json")
    done = session(*question, *told, "-d", digits_descriptors["st-ai"], "-rs")
    found = names(pytester.path / "report.xml")
    assert found["ai-runner.model_hash target"] == found["ai-runner.model_hash reference"] == "failure"
    assert found["ai-runner.max_increase target"] == "skipped"
    done.stdout.fnmatch_lines(["refused: the reference: has the model *", "SKIPPED*no baseline was given*"])
    assert '"verdict": "refused"' in (pytester.path / "report.json").read_text("utf-8")


def test_a_baseline_is_read(
    session: Run, question: tuple[str, ...], digits_descriptors: dict[str, str], pytester: pytest.Pytester
) -> None:
    (pytester.path / "policy.toml").write_text(
        'schema = "ai-runner/policy/1"\n[accuracy]\nmax_drop_from_baseline = 0.001\n', "utf-8"
    )
    target = f"--ai-runner-desc={digits_descriptors['st-ai']}"
    session(*question, target, "--ai-runner-json=old.json").assert_outcomes(passed=9)
    told = ("--ai-runner-policy=policy.toml", "--ai-runner-baseline=old.json")
    session(*question, target, *told).assert_outcomes(passed=10)


def judged(question: Question) -> Judgement:
    """What comes of a question, asked without a session of pytest."""
    with closing(Gate(question)) as gate:
        return gate.judgement


def test_a_baseline_without_a_policy_is_one_rule(digits_int8: Path, tmp_path: Path) -> None:
    one, other = f"tflite:{digits_int8}?kernels=reference", f"tflite:{digits_int8}?kernels=xnnpack"
    question = Question(targets=(one,), reference=one, json=str(tmp_path / "one.json"))
    assert judged(question).verdict == "pass"
    both = judged(replace(question, targets=(one, other), json=str(tmp_path / "both.json"), baseline=question.json))
    assert both.results[-1].name == "baseline::not-worse"
    assert both.verdict == "pass"
    lost = judged(replace(question, json="", baseline=str(tmp_path / "both.json")))
    assert lost.verdict == "fail"
    assert "kernels=xnnpack: target was there, now is gone" in lost.results[-1].reason


def test_everything_that_validate_writes(
    digits_int8: Path, digits_test: Path, digits_descriptors: dict[str, str], tmp_path: Path
) -> None:
    left: dict[str, Any] = {form: str(tmp_path / f"report.{form}") for form in ("json", "html", "markdown")}
    question = Question(
        targets=(digits_descriptors["st-ai"],),
        reference=str(digits_int8),
        inputs=str(digits_test),
        labels=f"{digits_test}:labels",
        label_names="0,1,2,3,4,5,6,7,8,nine",
        task="classification",
        float=str(digits_int8.with_name("digits_float.tflite")),
        **left,
        bundle=str(tmp_path / "report.zip"),
        journal=str(tmp_path / "journal"),
    )
    assert judged(question).verdict == "pass"
    assert all("nine" in Path(left[form]).read_text("utf-8") for form in ("json", "html"))
    assert "error budget" in Path(left["markdown"]).read_text("utf-8")
    assert "noise-floor" in main_output("judge", question.bundle)
    # Both keep the same journal: what the one has run, the other need not.
    told = ("-d", question.targets[0], "--float", question.float, "--inputs", question.inputs)
    resumed = main_output("validate", "-m", question.reference, *told, "--journal", question.journal)
    assert "runs of samples were taken from the journal" in resumed


def main_output(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "ai_runner.cli", *words], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_reproducer_is_left_where_a_layer_diverges(
    session: Run, digits_int8: Path, pytester: pytest.Pytester
) -> None:
    model = TfliteModel.read(digits_int8)
    weights = model.tensors[model.operators[2].inputs[1]].data
    assert weights is not None
    (pytester.path / "spoiled.tflite").write_bytes(model.raw.replace(weights.tobytes(), (-1 - weights).tobytes()))
    told = ("--ai-runner", "-d", "tflite:spoiled.tflite", f"--ai-runner-reference={digits_int8}")
    done = session(*told, "--ai-runner-per-layer", "--ai-runner-reproducer=case")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["reproducer case: cd there*"])
    assert (pytester.path / "case" / "operator.tflite").exists()


def test_several_targets_and_one_that_does_not_answer(
    pytester: pytest.Pytester, session: Run, question: tuple[str, ...], digits_descriptors: dict[str, str]
) -> None:
    pytester.makepyfile(FIXTURES)
    targets = ("-d", "socket:localhost:1?timeout=1", "-d", digits_descriptors["st-ai"])
    done = session(*question, *targets, "--junitxml=report.xml")
    found = names(pytester.path / "report.xml")
    assert found["ai-runner.target-0.run target"] == "failure"
    assert found["ai-runner.target-1.noise-floor layer[0 conv_2d_0]"] == "passed"
    assert found["test_several_targets_and_one_that_does_not_answer test_target"] == "error"  # the first target's
    assert found["test_several_targets_and_one_that_does_not_answer test_reference"] == "passed"
    assert "Traceback" not in done.stdout.str() + done.stderr.str()
    done.stdout.fnmatch_lines(["ai-runner: *localhost*"])


def test_a_recorded_board(session: Run, digits_int8: Path, repository: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(ai_runner): assert ai_runner.model_info().n_nodes == 7")
    cassette = repository / "examples" / "data" / "digits_board.cassette"
    told = ("--ai-runner", "-d", f"replay:{cassette}", f"--ai-runner-reference={digits_int8}", "--ai-runner-random=3")
    session(*told, "--ai-runner-per-layer").assert_outcomes(passed=1 + 9)


@pytest.mark.skipif(sys.platform == "win32", reason="the firmware of the host needs a pseudo-terminal")
def test_rules_and_tests_share_one_session_with_a_board(
    pytester: pytest.Pytester, session: Run, question: tuple[str, ...], digits_int8: Path, compiler: str
) -> None:
    build_firmware({"digits": digits_int8}, pytester.path / "firmware", cflags="-O0")
    pytester.makepyfile(FIXTURES)
    with start_firmware(pytester.path / "firmware") as firmware:
        session(*question, "-d", f"{firmware.descriptor}?record=board.cassette").assert_outcomes(passed=12)
    session(*question, "-d", "replay:board.cassette").assert_outcomes(passed=12)


def test_without_a_reference_there_are_fixtures_only(
    pytester: pytest.Pytester, session: Run, digits_int8: Path
) -> None:
    pytester.makepyfile(
        FIXTURES + '\n    import pytest\n    @pytest.mark.hardware("serial")\n    def test_b(): assert 0'
    )
    done = session("--ai-runner", "-d", f"tflite:{digits_int8}", "-rs")
    done.assert_outcomes(passed=1, skipped=3)
    done.stdout.fnmatch_lines(["*needs a reference: --ai-runner-reference DESC", "*needs a target of serial, this is*"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "*--ai-runner needs a target: -d DESC"),
        ("-d x --ai-runner-seed=1 --ai-runner-inputs=x.npz", "*excludes*"),
        ("-d x --ai-runner-columns=1", "*columns belongs to --ai-runner-inputs*"),
        ("-d x --ai-runner-task=guess", "*invalid choice: 'guess'*"),
        ("-d x --ai-runner-random=0", "*'0' is not a whole number from 1*"),
        ("-d x --ai-runner-reference=none.tflite", "ERROR: ai-runner: *none.tflite*"),
    ],
)
def test_what_cannot_be_asked_is_an_error_of_usage(session: Run, arguments: str, said: str) -> None:
    done = session("--ai-runner", *arguments.split())
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([said])
    assert "Traceback" not in done.stdout.str() + done.stderr.str()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"reference": "nonsense:x"}, {"targets": ("none.tflite",)}, {"inputs": "none.npz"}, {"policy": "none.toml"}),
        *({"baseline": "none.json"}, {"json": "none/report.json"}, {"policy": "exact", "reference": "file:none"}),
        *({"html": "none/page.html"}, {"markdown": "none/page.md"}, {"bundle": "none/x.zip"}, {"map": "none.toml"}),
        *({"float": "none.tflite"}, {"features": "none.npy"}, {"labels": "none.npy"}, {"label_names": "none,x"}),
    ],
)
def test_a_mistake_in_a_question_is_said_in_one_line(digits_int8: Path, wrong: dict[str, Any]) -> None:
    question = Question(targets=(f"tflite:{digits_int8}",), reference=f"tflite:{digits_int8}")
    with pytest.raises(InvalidParamError, match=r"none|nonsense") as raised:
        judged(replace(question, **wrong))
    assert "\n" not in raised.value.message


def test_a_runtime_is_connected_to_once(digits_int8: Path) -> None:
    gate = Gate(Question(targets=(f"tflite:{digits_int8}",), reference=f"tflite:{digits_int8}"))
    assert gate.judgement.verdict == "pass"
    target = gate.target
    assert target is gate.target
    assert target is not gate.reference
    assert target.is_connected
    gate.close()
    assert not target.is_connected
    assert gate.judgement.verdict == "pass"  # what was found is kept


# -- several workers ---------------------------------------------------------------------------------------------------


def test_workers_share_the_rules_and_never_the_target(
    pytester: pytest.Pytester, session: Run, question: tuple[str, ...], digits_descriptors: dict[str, str]
) -> None:
    pytester.makepyfile(FIXTURES)
    told = (*question, "-d", digits_descriptors["st-ai"])
    done = session(*told, "-pxdist", "-n2", "--dist=loadscope")
    done.assert_outcomes(passed=9, errors=3)
    done.stdout.fnmatch_lines(["several workers would open the target at once: take --dist loadgroup, or *-n 0"])


def test_the_target_stays_with_one_worker(
    pytester: pytest.Pytester, session: Run, question: tuple[str, ...], digits_descriptors: dict[str, str]
) -> None:
    pytester.makepyfile(
        FIXTURES,
        test_other="""
            import os, pathlib, pytest

            @pytest.mark.parametrize("k", range(4))
            def test_it(ai_runner, k):
                pathlib.Path(f"{os.environ['PYTEST_XDIST_WORKER']}.opened").touch()

            def test_that_needs_none(): pass
        """,
    )
    session(*question, "-d", digits_descriptors["st-ai"], "-pxdist", "-n2").assert_outcomes(passed=12 + 5)
    assert len(list(pytester.path.glob("*.opened"))) == 1


# -- names from strangers ----------------------------------------------------------------------------------------------


def test_names_of_models_do_no_harm(pytester: pytest.Pytester, session: Run, repository: Path) -> None:
    pytester.makeconftest(
        """
        import pytest
        from ai_runner.policy.judgement import Judgement, RuleResult, Status
        from ai_runner.policy.policy import Policy
        from ai_runner.pytest_plugin.rule_items import Rules

        EVIL = "a\\x00b\\x1b[31m\\n::()]<&>\\ud800"

        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(collector):
            report = yield
            if isinstance(collector, pytest.Session):
                result = RuleResult(0, f"output[{EVIL}]", "cos", Status.FAIL, EVIL, 1, EVIL)
                report.result.append(Rules.of(collector, Judgement(Policy(), "exact", (result,), (EVIL,))))
            return report
        """
    )
    done = session("--junitxml=report.xml")
    done.assert_outcomes(failed=1)
    assert "\x1b" not in done.stdout.str()
    (name,) = names(pytester.path / "report.xml")
    assert name.startswith("ai-runner.cos output[a")
