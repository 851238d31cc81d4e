"""Plugin for pytest: ``pytest --ai-runner -d DESC --ai-runner-reference DESC``, docs/ci.md.

pytest loads it into every suite of an environment that has AiRunner installed: without ``--ai-runner`` it imports
nothing but pytest, collects nothing and opens nothing.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ai_runner.errors import AiRunnerError
from ai_runner.pytest_plugin.options import add_options, question_of, with_long_names

if TYPE_CHECKING:
    from ai_runner import AiRunner
    from ai_runner.compare.verdict import Validation
    from ai_runner.pytest_plugin.gate import Gate

GATE = pytest.StashKey["Gate"]()
REPORT, GROUPED = "ai_runner_report", "ai_runner_grouped"  # keys of what xdist hands to its workers
GROUP = "ai-runner"
FIXTURES = frozenset({"ai_runner", "reference", "validation"})
HARDWARE = (
    "hardware(*schemes): needs a target, `pytest --ai-runner -d DESC`, and is skipped without one; "
    "schemes, such as 'serial', say which will do"
)
ASK = "pytest --ai-runner -d DESC"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--ai-runner`` and what belongs to it."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Lets ``-d`` stand for ``--ai-runner-desc``: plugins cannot have short options, and xdist has this one."""
    longer = with_long_names(args)
    if longer != args:
        args[:] = longer
        early_config.known_args_namespace = parser.parse_known_args(args, namespace=copy.copy(early_config.option))


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and keeps what is asked."""
    config.addinivalue_line("markers", HARDWARE)
    config.addinivalue_line("markers", "ai_runner: a rule of the policy that `pytest --ai-runner` judges by")
    question = question_of(config)
    if question is not None:
        from ai_runner.pytest_plugin.gate import Gate

        worker: Mapping[str, Any] = getattr(config, "workerinput", {})
        config.stash[GATE] = Gate(question, worker.get(REPORT))
        if getattr(config.option, "dist", None) == "load":  # what xdist makes of -n, which minds no groups
            config.option.dist = "loadgroup"
        elif worker.get(GROUPED):  # workers read the command line only, where that does not stand
            config.option.loadgroup = True


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the connections."""
    gate = config.stash.get(GATE, None)
    if gate is not None:
        gate.close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What is asked."""
    gate = config.stash.get(GATE, None)
    return [] if gate is None else gate.question.lines()


# -- one item a rule --------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Adds the rules to what a session collects: which there are, only a run can tell."""
    report = yield
    gate = collector.config.stash.get(GATE, None)
    if gate is not None and isinstance(collector, pytest.Session) and report.passed and gate.question.reference:
        from ai_runner.pytest_plugin.rule_items import Rules

        with _usage_errors():
            judgement = gate.judgement
        report.result.insert(0, Rules.of(collector, judgement))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Keeps all who need the target with one worker of xdist, where it is told to mind groups."""
    grouped = []
    if GATE in config.stash and hasattr(config, "workerinput"):
        for item in items:
            if item.get_closest_marker("hardware") or FIXTURES.intersection(getattr(item, "fixturenames", ())):
                if item.get_closest_marker("xdist_group") is None:
                    grouped.append(item)
                item.add_marker(pytest.mark.xdist_group(GROUP))
    yield
    if grouped and config.getvalue("loadgroup"):
        for item in grouped:
            _name_group(item)


def _name_group(item: pytest.Item) -> None:
    """Puts the group behind the id: pytest-xdist up to 3.8 writes it where pytest from 9.2 on does not look."""
    identity = getattr(item, "_id", None)
    if identity is not None and not item.nodeid.endswith(f"@{GROUP}"):
        item._id = type(identity).parse(f"{item.nodeid}@{GROUP}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Validates before there are workers, which are told the report: they have to collect the same items."""
    gate = config.stash.get(GATE, None)
    if gate is not None and gate.question.reference:
        with _usage_errors():
            _ = gate.judgement
        gate.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Gives the report to a worker, and tells it whether groups are minded."""
    gate = node.config.stash.get(GATE, None)
    node.workerinput[GROUPED] = gate is not None and node.config.getvalue("dist") == "loadgroup"
    if gate is not None and gate.question.reference:
        from ai_runner.report.json import report_text

        node.workerinput[REPORT] = report_text(gate.report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The tables of the validation, where it does not pass or ``-v`` asks for them."""
    gate = config.stash.get(GATE, None)
    if gate is None or not gate.has_validated:
        return
    if gate.judgement.verdict != "pass" or terminalreporter.verbosity > 0:
        terminalreporter.section("ai-runner")
        for line in gate.lines(shutil.get_terminal_size((120, 24)).columns):
            terminalreporter.line(line)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turns a question that cannot be asked into pytest's exit code for that, 4, without a traceback."""
    try:
        yield
    except AiRunnerError as error:
        raise pytest.UsageError(_said(error)) from None


@contextmanager
def _failures() -> Iterator[None]:
    """Turns an error of a runtime into that of a fixture, without a traceback through the library."""
    try:
        yield
    except AiRunnerError as error:
        pytest.fail(_said(error), pytrace=False)


def _said(error: AiRunnerError) -> str:
    return f"ai-runner: {error.message}{f'; {error.hint}' if error.hint else ''}"


# -- for tests --------------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Says who may open the target, and skips a test marked `hardware` without one that will do."""
    gate = item.config.stash.get(GATE, None)
    if gate is not None:
        gate.refusal = _refusal(item)
    marker = item.get_closest_marker("hardware")
    if marker is None or not _is_ours(item.config):
        return
    if gate is None:
        pytest.skip(f"needs hardware: {ASK}")
    scheme = gate.question.scheme
    if marker.args and scheme not in marker.args:
        pytest.skip(f"needs a target of {', '.join(map(str, marker.args))}, this is {scheme}")


def _refusal(item: pytest.Item) -> str:
    """Why this test must not open the target: two workers would, unless xdist keeps who needs it together."""
    worker: Mapping[str, Any] = getattr(item.config, "workerinput", {})
    if worker.get("workercount", 1) == 1 or item.nodeid.endswith(f"@{GROUP}"):
        return ""
    said = "several workers would open the target at once"
    if not item.config.getvalue("loadgroup"):
        return f"{said}: take --dist loadgroup, or run the tests that need it with -n 0"
    return (
        f"{said}: --dist loadgroup did not put this test into the group {GROUP!r} (it has another one, or this "
        "pytest-xdist does not go with this pytest): run the tests that need the target with -n 0"
    )


def _is_ours(config: pytest.Config) -> bool:
    """False where a suite without ``--ai-runner`` has a marker `hardware` of its own."""
    if GATE in config.stash:
        return True
    registered = [line for line in config.getini("markers") if line.replace("(", ":").partition(":")[0] == "hardware"]
    return registered == [HARDWARE]


@pytest.fixture(scope="session")
def ai_runner(request: pytest.FixtureRequest) -> AiRunner:
    """The first target, connected, for the whole session; skips without ``--ai-runner``."""
    with _failures():
        return _opened(request).target


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> AiRunner:
    """The reference, connected, for the whole session; skips without ``--ai-runner-reference``."""
    with _failures():
        return _asked(_opened(request)).reference


@pytest.fixture(scope="session")
def validation(request: pytest.FixtureRequest) -> Validation:
    """What the targets compute compared with the reference, once a session; skips without ``--ai-runner-reference``."""
    with _failures():
        return _asked(_opened(request)).validation


def _opened(request: pytest.FixtureRequest) -> Gate:
    """The gate, where this process may open the target."""
    gate = request.config.stash.get(GATE, None)
    if gate is None:
        pytest.skip(f"needs a target: {ASK}")
    if gate.refusal:
        pytest.fail(gate.refusal, pytrace=False)
    return gate


def _asked(gate: Gate) -> Gate:
    if not gate.question.reference:
        pytest.skip("needs a reference: --ai-runner-reference DESC")
    return gate
