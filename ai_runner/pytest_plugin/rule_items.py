"""The rules of a policy as tests: a node for all of them, an item each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import pytest

from ai_runner.policy.judgement import Judgement, RuleResult, Status
from ai_runner.report.printable import printable

NAME = "ai-runner"


class RuleBroken(Exception):
    """A rule does not hold; the message says why."""


class Rules(pytest.Collector):
    """All rules of a judgement, ``ai-runner``."""

    judgement: Judgement

    @classmethod
    def of(cls, session: pytest.Session, judgement: Judgement) -> Self:
        """The node for a judgement."""
        node: Self = cls.from_parent(session, name=NAME, nodeid=NAME)
        node.judgement = judgement
        node.add_marker(pytest.mark.ai_runner)
        return node

    def collect(self) -> Iterable[pytest.Item]:
        """An item a rule, in the order of the judgement."""
        for result in self.judgement.results:
            yield Rule.of(self, result)


class Rule(pytest.Item):
    """One rule, ``ai-runner::noise-floor::output[softmax]``; with several targets ``ai-runner::target-0::...``.

    What stands in brackets comes last, as everywhere in pytest: reports take ids apart by that.
    """

    result: RuleResult

    @classmethod
    def of(cls, rules: Rules, result: RuleResult) -> Self:
        """The item for a result."""
        several = len(rules.judgement.descriptors) > 1 and result.target is not None
        name = f"{f'target-{result.target}::' if several else ''}{result.rule}::{result.subject}"
        # Names come from models and devices, and what pytest calls a test goes to terminals, files and the environment.
        item: Self = cls.from_parent(rules, name=printable(name))
        item.result = result
        told = ("value", result.value), ("limit", result.limit), ("target", item.descriptor)
        item.user_properties += [(key, printable(str(value))) for key, value in told if value is not None]
        return item

    @property
    def descriptor(self) -> str | None:
        """Of the target; None where the reference is judged."""
        judgement = self.parent.judgement if isinstance(self.parent, Rules) else None
        return None if judgement is None or self.result.target is None else judgement.descriptors[self.result.target]

    def runtest(self) -> None:
        """Says what came of the rule."""
        reason = printable(self.result.reason)
        if self.result.status is Status.SKIPPED:
            pytest.skip(reason)
        if self.result.status is not Status.PASS:
            raise RuleBroken(f"refused: {reason}" if self.result.status is Status.REFUSED else reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """The reason, and against which target; no traceback."""
        if not isinstance(excinfo.value, RuleBroken):
            return super().repr_failure(excinfo, *args, **kwargs)
        said = [str(excinfo.value)]
        said += [f"{key:8}{value}" for key, value in self.user_properties]
        return "\n".join(said)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where pytest says the test is."""
        return self.config.rootpath / NAME, None, self.name
