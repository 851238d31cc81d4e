"""What became of every sample: read off the server's answer, which may hold failures although its status is 200."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ai_runner.edge_impulse.ingestion.request import Batch
from ai_runner.edge_impulse.ingestion.sample import Sample
from ai_runner.edge_impulse.service import Line, Reply, refusal
from ai_runner.errors import AiRunnerError, ExitCode, InvalidMsgError


class Outcome(Enum):
    """Of one sample."""

    ACCEPTED = "accepted"
    ACKNOWLEDGED = "acknowledged earlier"  # the journal says so; not sent again
    REFUSED = "refused"
    UNKNOWN = "unknown"  # it was sent, and no answer says what became of it
    NOT_SENT = "not sent"


@dataclass(frozen=True)
class SampleResult:
    """A sample, what became of it and, unless it was accepted, why."""

    sample: Sample
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class UploadReport:
    """What became of every sample, in the order they were given, and what ended the upload early, if anything did."""

    results: Sequence[SampleResult]
    fault: AiRunnerError | None = None

    def with_outcome(self, outcome: Outcome) -> list[SampleResult]:
        """The results of one outcome."""
        return [result for result in self.results if result.outcome is outcome]

    @property
    def is_complete(self) -> bool:
        """True when the project has every sample."""
        return all(result.outcome in (Outcome.ACCEPTED, Outcome.ACKNOWLEDGED) for result in self.results)

    @property
    def exit_code(self) -> int:
        """0 all there, 1 some were refused, 3 (2 for a refused key) when a fault left some unknown or not sent."""
        if self.fault is not None:
            return self.fault.EXIT_CODE
        if self.with_outcome(Outcome.UNKNOWN):
            return ExitCode.BENCH
        return ExitCode.PASS if self.is_complete else ExitCode.VERDICT_FAILED


def results_of(line: Line, batch: Batch, reply: Reply, is_uncertain: Callable[[Sample], bool]) -> list[SampleResult]:
    """What an answer says about the samples of a batch.

    Args:
        line: it came over; hides the key in what the server says.
        batch: what was sent.
        reply: the answer.
        is_uncertain: whether an earlier attempt to send a sample may have arrived: that it is there already then means
            that this attempt did.

    Returns:
        One result a sample, in the order of the batch.

    Raises:
        InvalidMsgError: an answer of status 200 that says nothing: what became of the samples is not known.
        InvalidParamError: the key was refused.
        HwIOError: the server failed, redirects or wants to be left alone.
    """
    if reply.status != 200:
        if reply.status not in _ABOUT_THE_SAMPLES:
            raise refusal(line, reply.status, reply.text(), reply.headers)
        why = line.shown(reply.text()) or "no reason given"
        return [_refused(sample, f"{why} ({reply.status})", is_uncertain(sample)) for sample in batch.samples]
    try:
        answer = reply.json()
    except ValueError:
        raise InvalidMsgError(
            f"{line.address}: the answer {reply.status} is no JSON: {line.shown(reply.text())!r}",
            hint="is this the ingestion service? What was sent may have been stored",
        ) from None
    files = answer.get("files") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and answer.get("success") is False and not files:
        why = line.shown(answer.get("error") or "no reason given")
        return [_refused(sample, why, is_uncertain(sample)) for sample in batch.samples]
    if not isinstance(files, list):
        raise InvalidMsgError(
            f"{line.address}: the answer {reply.status} says nothing about the files: {line.shown(reply.text())!r}",
            hint="what was sent may have been stored",
        )
    entries = _by_sample(batch, files)
    return [
        _result(line, sample, entry, is_uncertain(sample)) for sample, entry in zip(batch.samples, entries, strict=True)
    ]


# Bad request, conflict, too large, wrong kind, not understood, missing header: the next batch may fare better.
_ABOUT_THE_SAMPLES = frozenset({400, 409, 413, 415, 421, 422})


def _by_sample(batch: Batch, files: list[Any]) -> list[Any]:
    """The entry of every sample: by name where all entries have one that was sent, else by position; None if missing.

    Labels and attachments may have entries of their own, after the samples.
    """
    sent = [part.name for part in batch.parts]
    names = [entry.get("fileName") if isinstance(entry, dict) else None for entry in files]
    if all(isinstance(name, str) and name in sent for name in names) and len(set(names)) == len(names):
        by_name = dict(zip(names, files, strict=True))
        return [by_name.get(sample.name) for sample in batch.samples]
    if len(files) in (len(batch.samples), len(batch.parts)):
        return files[: len(batch.samples)]
    return [None] * len(batch.samples)


def _result(line: Line, sample: Sample, entry: Any, uncertain: bool) -> SampleResult:
    if isinstance(entry, dict) and entry.get("success") is True:
        return SampleResult(sample, Outcome.ACCEPTED)
    if isinstance(entry, dict) and entry.get("success") is False:
        return _refused(sample, line.shown(entry.get("error") or "no reason given"), uncertain)
    return SampleResult(sample, Outcome.UNKNOWN, "the answer does not say what became of it")


def _refused(sample: Sample, reason: str, uncertain: bool) -> SampleResult:
    if uncertain and "already exists" in reason.lower():
        return SampleResult(sample, Outcome.ACCEPTED)
    return SampleResult(sample, Outcome.REFUSED, reason)
