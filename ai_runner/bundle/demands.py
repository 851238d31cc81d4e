"""What a policy demands of a comparison: its tolerances, and whether layers are run again on trusted kernels."""

from __future__ import annotations

from ai_runner.compare.target_judge import NoiseFloor
from ai_runner.compare.tolerance import ToleranceRule
from ai_runner.errors import InvalidParamError
from ai_runner.policy.policy import Base, Policy
from ai_runner.runner import AiRunner


def tolerance_rule(policy: Policy) -> ToleranceRule:
    """What outputs are held to where they are judged by tolerance."""
    wanted = policy.tolerance
    named = ((rule.pattern, rule.or_else(wanted)) for rule in policy.outputs)
    return ToleranceRule(
        *(wanted.max_lsb, wanted.atol, wanted.rtol),
        named=tuple((pattern, ToleranceRule(rule.max_lsb, rule.atol, rule.rtol)) for pattern, rule in named),
    )


def noise_floor(policy: Policy, reference: AiRunner, thorough: bool = False) -> NoiseFloor | None:
    """Layers and outputs are run again where the reference can, unless the policy wants tolerances everywhere.

    Args:
        policy: what the comparison is judged by.
        reference: connected.
        thorough: measure noise floor and equality both, whichever decides.

    Raises:
        InvalidParamError: the policy's base needs a reference that can run its layers again, and this one cannot.
    """
    singly = {rule.base for rule in (*policy.outputs, *policy.layers)}
    if policy.base is Base.TOLERANCE and singly.isdisjoint({Base.NOISE_FLOOR, Base.EXACT}):
        return None
    if reference.descriptor.scheme != "tflite":
        if policy.base in (None, Base.TOLERANCE):
            return None
        raise InvalidParamError(
            f"policy {policy.base}: {reference.descriptor} cannot run its layers again",
            hint="give -m tflite:MODEL.tflite",
        )
    exact = policy.base is Base.EXACT
    return NoiseFloor(reference.rerun, exact=exact, thorough=thorough or Base.EXACT in singly)
