"""What came of one planted fault or of one clean comparison."""

from __future__ import annotations

from dataclasses import dataclass

from ai_runner.compare.verdict import TargetResult, Verdict


@dataclass(frozen=True)
class Outcome:
    """One fault that changed something, and what the verdict said about it.

    Attributes:
        kind: of the fault.
        model, numerics: what it was planted into.
        where: the layer, or how an input was spoiled.
        policy: ``noise-floor`` or ``exact``; ``structure`` for what is declared; ``stage`` for the stage of deployment.
        detected: the target failed (``structure``: the difference is listed; ``stage``: a stage is told).
        named: the first divergence is the layer that was planted, or the input (``stage``: it is the right one).
        said: what was said instead.
    """

    kind: str
    model: str
    numerics: str
    where: str
    policy: str
    detected: bool
    named: bool
    said: str = ""


@dataclass(frozen=True)
class Comparison:
    """A correct target that was judged.

    Attributes:
        kind: what it is: a kernel set left out, a compiler, a firmware.
        trusted: its numerics are among those that span the band.
        alarm: why it failed; '' when it passed.
    """

    kind: str
    model: str
    trusted: bool
    alarm: str = ""

    @classmethod
    def of(cls, found: TargetResult, kind: str, model: str, trusted: bool) -> Comparison:
        """The comparison that ended so."""
        alarm = "; ".join(found.reasons) if found.verdict is Verdict.FAIL else ""
        return cls(kind, model, trusted, alarm)
