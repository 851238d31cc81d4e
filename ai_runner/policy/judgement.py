"""What came of a policy: one result a rule, in an order that stays, and the exit code of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ai_runner.errors import ExitCode
from ai_runner.policy.policy import Policy

Value = float | str | None


class Status(StrEnum):
    """Of a rule."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIPPED = "skipped"  # its number was not measured, and the policy does not insist
    REFUSED = "refused"  # another artefact, or runs that cannot be compared


@dataclass(frozen=True)
class RuleResult:
    """One rule and what came of it.

    Attributes:
        target: position of the target; None for what is said of the reference.
        subject: what is judged: ``target``, ``output[softmax]``, ``layer[3 conv_2d_3]``. Names come from models and
            devices: text that nobody checked.
        rule: ``noise-floor``, ``cos``, ``max_ms``, ...: unique for a subject.
        status: whether it holds.
        value: what was measured; None where nothing was.
        limit: what it was held to; None where it is no number and no text.
        reason: why it does not hold, or was not judged, one line; '' when it holds.
    """

    target: int | None
    subject: str
    rule: str
    status: Status
    value: Value = None
    limit: Value = None
    reason: str = ""

    @property
    def name(self) -> str:
        """``output[softmax]::noise-floor``, unique for a target."""
        return f"{self.subject}::{self.rule}"

    def to_dict(self) -> dict[str, Any]:
        """The result as reports have it."""
        return {
            "target": self.target,
            "subject": self.subject,
            "rule": self.rule,
            "status": str(self.status),
            "value": self.value,
            "limit": self.limit,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Judgement:
    """The results of all rules of a policy.

    Attributes:
        policy: what was judged by.
        base: how outputs and layers were judged.
        results: first of the reference, then target by target.
        descriptors: of the targets.
        error: of the first runtime that could not go on, as the report has it; None without one.
    """

    policy: Policy
    base: str
    results: tuple[RuleResult, ...]
    descriptors: tuple[str, ...]
    error: Mapping[str, Any] | None = None

    def of(self, target: int | None) -> tuple[RuleResult, ...]:
        """The results of one target, or with None those of the reference."""
        return tuple(result for result in self.results if result.target == target)

    def reasons(self, target: int) -> tuple[str, ...]:
        """Why a target does not pass, one line each; what speaks against the reference speaks against every target."""
        against = (Status.FAIL, Status.REFUSED)
        return tuple(x.reason for x in self.results if x.status in against and x.target in (None, target))

    @property
    def verdict(self) -> str:
        """``pass``, ``fail``, or ``refused`` where nothing fails but something was refused."""
        found = {result.status for result in self.results}
        if not self.descriptors or Status.FAIL in found or self.error is not None:
            return "fail"
        return "refused" if Status.REFUSED in found else "pass"

    @property
    def exit_code(self) -> int:
        """Of an error; else 4 for another artefact than expected, 1 where a rule fails, 4 where one was refused, 0."""
        if self.error is not None:
            return int(self.error["exit_code"])
        if any(x.status is Status.REFUSED and x.rule == "model_hash" for x in self.results):
            return ExitCode.ARTEFACT
        return {"pass": ExitCode.PASS, "fail": ExitCode.VERDICT_FAILED, "refused": ExitCode.ARTEFACT}[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """The key ``policy`` of a report."""
        return {
            "name": self.policy.name,
            "sha256": self.policy.sha256,
            "base": self.base,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "rules": [result.to_dict() for result in self.results],
        }
