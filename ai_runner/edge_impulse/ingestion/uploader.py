"""Uploads: batches over one or several connections, tried again where that cannot store anything twice unnoticed.

A request that was answered, whatever the answer, is never sent again. One that failed before it had left completely is:
the server cannot have taken it. One that left and got no answer may have been stored; it is sent again only while the
server is told to refuse duplicates, and otherwise its samples are reported as unknown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from ai_runner.edge_impulse.ingestion.journal import ACKNOWLEDGED, REFUSED, UNKNOWN, Journal
from ai_runner.edge_impulse.ingestion.label_files import LabelFile
from ai_runner.edge_impulse.ingestion.reply import Outcome, SampleResult, UploadReport, results_of
from ai_runner.edge_impulse.ingestion.request import Batch, Body, batches, headers
from ai_runner.edge_impulse.ingestion.sample import Sample
from ai_runner.edge_impulse.secret import Secret, api_key
from ai_runner.edge_impulse.service import Line, Reply, checked_address, import_httpx, ingestion_address
from ai_runner.errors import AiRunnerError, InvalidMsgError, InvalidParamError

ANSWER_SECONDS = 1200.0  # as the official uploader: the server may read a long video before it answers
BATCH_BYTES = 32 << 20
MAX_JOBS = 16
_LONGEST_PAUSE = 60.0

_NOTED = {Outcome.ACCEPTED: ACKNOWLEDGED, Outcome.UNKNOWN: UNKNOWN, Outcome.REFUSED: REFUSED}
_logger = logging.getLogger("ai_runner.edge_impulse.ingestion")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Policy:
    """How samples are sent.

    Attributes:
        allow_duplicates: store a sample whose content the project has already.
        add_date_id: append a unique id to the stored names.
        resend_unknown: also send what an earlier upload got no answer for, although duplicates are allowed.
        retries: further attempts after a connection fault.
        pause: s before the first of them; doubles each time, up to 60.
        jobs: connections at once, 1 to 16.
        batch_bytes: of the files of a request that holds more than one.
        source: what the project shows as the uploader.
    """

    allow_duplicates: bool = False
    add_date_id: bool = False
    resend_unknown: bool = False
    retries: int = 4
    pause: float = 1.0
    jobs: int = 1
    batch_bytes: int = BATCH_BYTES
    source: str = "ai-runner"

    def __post_init__(self) -> None:
        if not 1 <= self.jobs <= MAX_JOBS:
            raise InvalidParamError(f"{self.jobs} connections at once", hint=f"1 to {MAX_JOBS}")
        if self.retries < 0 or self.pause < 0 or self.batch_bytes < 1:
            raise InvalidParamError("retries, pause and batch_bytes must not be negative")


class IngestionClient:
    """Uploads to one project.

    Args:
        key: the project's API key; None takes it from EI_API_KEY.
        address: base address; None is the public service, or the installation that EI_HOST names.
        timeout: s that the server may take for an answer.

    Raises:
        InvalidParamError: no key, or an address that a key must not be sent to.
        MissingRuntimeError: httpx is not installed.
    """

    def __init__(
        self, key: Secret | str | None = None, *, address: str | None = None, timeout: float = ANSWER_SECONDS
    ) -> None:
        import_httpx()
        self.address = checked_address(address or ingestion_address())
        self._key = api_key() if key is None else Secret(key, "API key") if isinstance(key, str) else key
        self._timeout = timeout

    def upload(
        self,
        samples: Sequence[Sample],
        label_files: Sequence[LabelFile] = (),
        *,
        policy: Policy | None = None,
        journal: str | Path | None = None,
        progress: Progress | None = None,
    ) -> UploadReport:
        """Uploads samples, with what files of labels say about them.

        Args:
            samples: checked files or bytes; one given twice is sent once.
            label_files: checked files of labels.
            policy: how; None is the default one.
            journal: a file in which acknowledged samples are noted, and from which an upload that was cut short goes
                on. It is removed once the project has every sample.
            progress: called with (bytes done, bytes), from one thread at a time.

        Returns:
            What became of every sample, also when a fault ended it early.

        Raises:
            InvalidParamError: something about the samples is wrong; nothing was sent.
        """
        policy = policy or Policy()
        for file in label_files:
            file.check_against(samples)
        samples = list({(s.sha256, s.name, s.folder, s.category, s.label): s for s in samples}.values())
        if journal is None:
            return self._upload(samples, label_files, policy, None, progress)
        with Journal(journal, self.address, self._key) as notes:
            report = self._upload(samples, label_files, policy, notes, progress)
            if report.is_complete:
                notes.remove()
            return report

    def _upload(
        self,
        samples: Sequence[Sample],
        label_files: Sequence[LabelFile],
        policy: Policy,
        journal: Journal | None,
        progress: Progress | None,
    ) -> UploadReport:
        known = list(_known(samples, journal, policy))
        left_out = {id(result.sample) for result in known}
        waiting = batches([s for s in samples if id(s) not in left_out], label_files, policy.batch_bytes)
        for batch in waiting:  # what cannot be sent is found before anything is
            _headers(batch, policy)
            Body(batch)
        run = _Run(policy, journal, progress, sum(sample.size for sample in samples), known)
        lines = [Line(self.address, self._key, self._timeout) for _ in range(max(1, min(policy.jobs, len(waiting))))]
        try:
            if len(lines) == 1:
                run.work(lines[0], iter(waiting))
            else:
                _work_together(run, lines, waiting)
        finally:
            for line in lines:
                line.close()
        return run.report(samples)


def _known(samples: Iterable[Sample], journal: Journal | None, policy: Policy) -> Iterator[SampleResult]:
    """What the journal makes unnecessary to send, or unwise."""
    for sample in samples:
        state = journal.state(sample) if journal is not None else None
        if state == ACKNOWLEDGED:
            yield SampleResult(sample, Outcome.ACKNOWLEDGED)
        elif state == UNKNOWN and policy.allow_duplicates and not policy.resend_unknown:
            reason = "an earlier upload sent it and got no answer; look for it in the project, or resend it"
            yield SampleResult(sample, Outcome.UNKNOWN, reason)


def _headers(batch: Batch, policy: Policy) -> dict[str, str]:
    return headers(
        batch.samples[0],
        source=policy.source,
        disallow_duplicates=not policy.allow_duplicates,
        add_date_id=policy.add_date_id,
    )


def _work_together(run: _Run, lines: Sequence[Line], waiting: Sequence[Batch]) -> None:
    """Every line in a thread of its own; none is left when this returns or raises."""
    queue = iter(waiting)
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(len(lines), thread_name_prefix="ei-upload") as threads:
        try:
            futures.extend(threads.submit(run.work, line, queue) for line in lines)
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # also on Ctrl-C, whenever it comes: nobody waits for an answer any more
            if len(futures) < len(lines) or not all(future.done() for future in futures):
                run.stop.set()
                for line in lines:
                    line.interrupt()
    for future in futures:
        future.result()


class _Run:
    """One upload: what its lines share."""

    def __init__(
        self,
        policy: Policy,
        journal: Journal | None,
        progress: Progress | None,
        total: int,
        known: Sequence[SampleResult],
    ) -> None:
        self.stop = threading.Event()
        self._policy = policy
        self._journal = journal
        self._progress = progress
        self._total = total
        self._lock = threading.Lock()
        self._settled = sum(result.sample.size for result in known)
        self._moving: dict[int, int] = {}
        self._results = {id(result.sample): result for result in known}
        self._fault: AiRunnerError | None = None

    def work(self, line: Line, queue: Iterator[Batch]) -> None:
        """Sends batches until there are none, or a fault made it useless to go on."""
        while not self.stop.is_set():
            with self._lock:
                batch = next(queue, None)
            if batch is None:
                return
            self._send(line, batch)

    def report(self, samples: Sequence[Sample]) -> UploadReport:
        """What became of `samples`."""
        return UploadReport(
            [self._results.get(id(s)) or SampleResult(s, Outcome.NOT_SENT, "the upload ended before") for s in samples],
            self._fault,
        )

    def _send(self, line: Line, batch: Batch) -> None:
        """One batch, with retries; its results are noted before this returns or raises."""
        may_be_there = False
        for attempt in range(self._policy.retries + 1):
            body = Body(batch)
            try:
                reply = self._exchange(line, batch, body)
            except AiRunnerError as error:
                may_be_there = may_be_there or body.is_complete
                again = error.retryable and attempt < self._policy.retries
                if may_be_there and self._policy.allow_duplicates:
                    again = False
                if not again or self.stop.wait(min(self._policy.pause * 2**attempt, _LONGEST_PAUSE)):
                    return self._give_up(batch, error, may_be_there)
                _logger.info("attempt %d failed: %s", attempt + 1, error.message)
            except BaseException as error:  # Ctrl-C: whoever goes on with the journal must know what may be there
                outcome = Outcome.UNKNOWN if may_be_there or body.is_complete else Outcome.NOT_SENT
                self._note(batch, [SampleResult(s, outcome, type(error).__name__) for s in batch.samples])
                raise
            else:
                return self._take(line, batch, reply, may_be_there)

    def _exchange(self, line: Line, batch: Batch, body: Body) -> Reply:
        about = _headers(batch, self._policy)
        about |= {"content-type": body.content_type, "content-length": str(body.length)}
        return line.request("POST", f"/api/{batch.category}/files", headers=about, body=self._counted(batch, body))

    def _counted(self, batch: Batch, body: Body) -> Iterator[bytes]:
        sent, size = 0, sum(sample.size for sample in batch.samples)
        for block in body:
            yield block
            sent += len(block)
            with self._lock:
                self._moving[id(batch)] = min(sent, size)
                self._tell()

    def _tell(self) -> None:
        if self._progress is not None and self._total:
            self._progress(self._settled + sum(self._moving.values()), self._total)

    def _take(self, line: Line, batch: Batch, reply: Reply, may_be_there: bool) -> None:
        try:
            self._note(batch, results_of(line, batch, reply, lambda s: may_be_there or self._was_unknown(s)))
        except AiRunnerError as error:
            says_nothing = isinstance(error, InvalidMsgError) or reply.status >= 500
            self._give_up(batch, error, may_be_there or says_nothing)

    def _was_unknown(self, sample: Sample) -> bool:
        return self._journal is not None and self._journal.state(sample) == UNKNOWN

    def _give_up(self, batch: Batch, error: AiRunnerError, may_be_there: bool) -> None:
        outcome = Outcome.UNKNOWN if may_be_there else Outcome.NOT_SENT
        self._note(batch, [SampleResult(sample, outcome, error.message) for sample in batch.samples])
        with self._lock:
            if self._fault is None and not self.stop.is_set():
                self._fault = error
        self.stop.set()

    def _note(self, batch: Batch, results: Sequence[SampleResult]) -> None:
        with self._lock:
            self._moving.pop(id(batch), None)
            self._settled += sum(result.sample.size for result in results)
            for result in results:
                self._results[id(result.sample)] = result
            if self._journal is not None:
                for outcome, state in _NOTED.items():
                    self._journal.note([r.sample for r in results if r.outcome is outcome], state)
            self._tell()
