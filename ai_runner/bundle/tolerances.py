"""What a policy's tolerances are for a comparison."""

from __future__ import annotations

from ai_runner.compare.tolerance import ToleranceRule
from ai_runner.policy.policy import Policy, TensorRule


def tolerance_rule(policy: Policy) -> ToleranceRule:
    """What outputs are held to where they are judged by tolerance."""
    named = tuple((x.pattern, _rule(x if x.has_tolerance else policy.tolerance)) for x in policy.outputs)
    wanted = policy.tolerance
    return ToleranceRule(wanted.max_lsb, wanted.atol, wanted.rtol, named)


def _rule(table: TensorRule) -> ToleranceRule:
    return ToleranceRule(table.max_lsb, table.atol, table.rtol)
