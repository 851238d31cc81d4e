"""Studio's deployments: built as a job where there is none yet, downloaded, and kept in the user's cache directory.

::

    studio = Studio(12345)                                # the key comes from EI_API_KEY
    file = studio.deployment("runner-linux-x86_64")       # builds, waits and downloads where it has to
    studio.targets()

Studio answers failures with status 200 and ``success: false``; here they are exceptions. A job that is waited for goes
on at the server when the waiting ends, unless it is cancelled.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ai_runner.deadline import Deadline
from ai_runner.edge_impulse.deployment_cache import DeploymentCache, check_word
from ai_runner.edge_impulse.secret import Secret, api_key
from ai_runner.edge_impulse.service import Line, Reply, refusal, studio_address
from ai_runner.errors import AiRunnerError, HwIOError, InvalidMsgError, InvalidParamError, LinkTimeoutError

ANSWER_SECONDS = 120.0
POLL_SECONDS = 5.0
BUILD_SECONDS = 3600.0
DOWNLOAD_SECONDS = 3600.0
MODEL_TYPES = ("int8", "float32", "akida")
_RETRIES = 4
_LOG_TAIL = 20  # lines of the log of a failed job

Answer = TypeVar("Answer")

_logger = logging.getLogger("ai_runner.edge_impulse.studio")


@dataclass(frozen=True)
class Target:
    """Something Studio can build for: its format, what it is called, and the engines it takes."""

    format: str
    name: str
    preferred_engine: str
    engines: tuple[str, ...]


@dataclass(frozen=True)
class Deployment:
    """A downloaded deployment: `path` in the cache, and whether it had to be built and downloaded for it."""

    path: Path
    version: int
    format: str
    engine: str
    model_type: str
    was_built: bool
    was_downloaded: bool


@dataclass(frozen=True)
class Wanted:
    """Which deployment: the words of Studio's requests."""

    format: str
    engine: str
    model_type: str
    impulse: int | None

    def query(self) -> dict[str, str]:
        """For the requests that ask about it."""
        words = {"type": self.format, "modelType": self.model_type, "engine": self.engine}
        return words if self.impulse is None else words | {"impulseId": str(self.impulse)}


class Studio:
    """One project of Studio. A context manager.

    Args:
        project: its number.
        key: its API key; None takes it from EI_API_KEY.
        address: base address of the API; None is the public one, or that of the installation that EI_HOST names.
        cache: where deployments are kept; None is the user's cache directory.
        timeout: s that Studio may take for an answer.
        poll: s between questions after a job.

    Raises:
        InvalidParamError: no key, a project that is no number, or an address that a key must not be sent to.
        MissingRuntimeError: httpx is not installed.
    """

    def __init__(
        self,
        project: int,
        key: Secret | str | None = None,
        *,
        address: str | None = None,
        cache: str | Path | None = None,
        timeout: float = ANSWER_SECONDS,
        poll: float = POLL_SECONDS,
    ) -> None:
        if project < 1:
            raise InvalidParamError(f"project {project}", hint="its number is in the address of its pages in Studio")
        self.project = project
        secret = api_key() if key is None else Secret(key, "API key") if isinstance(key, str) else key
        self._line = Line(address or studio_address(), secret, timeout)
        self._cache = DeploymentCache(cache, self._line.address, project)
        self._poll = poll

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._line.close()

    def name_and_impulse(self) -> tuple[str, int | None]:
        """The project's name and its default impulse."""
        answer = self._get("")
        project = answer.get("project")
        impulse = answer.get("defaultImpulseId")
        name = str(project.get("name", "")) if isinstance(project, dict) else ""
        return name, impulse if isinstance(impulse, int) and not isinstance(impulse, bool) else None

    def targets(self) -> list[Target]:
        """What the project can be built for."""
        listed = self._get("/deployment/targets").get("targets")
        if not isinstance(listed, list):
            raise InvalidMsgError(f"{self._line.address}: the answer lists no targets")
        return [_target(entry) for entry in listed if isinstance(entry, dict) and isinstance(entry.get("format"), str)]

    def deployment(
        self,
        target: str,
        *,
        engine: str | None = None,
        model_type: str = "float32",
        impulse: int | None = None,
        force_build: bool = False,
        build_timeout: float = BUILD_SECONDS,
        cancel_on_interrupt: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Deployment:
        """A deployment as a file, from the cache where its version is there.

        Args:
            target: its format, for instance ``runner-linux-x86_64`` or ``zip`` (a C++ library).
            engine: None is the one that Studio prefers for the target.
            model_type: int8, float32 or akida.
            impulse: None is the project's default one.
            force_build: build it anew even if there is one.
            build_timeout: s that the job may take.
            cancel_on_interrupt: cancel the job when the waiting is interrupted; otherwise it goes on.
            progress: called with (bytes so far, bytes) of the download.

        Raises:
            InvalidParamError: no such target or engine for this project.
            HwIOError: Studio says that it failed, or the job did; the end of its log is logged and in `evidence`.
            LinkTimeoutError, LinkLostError: as of `Line`.
            InvalidModelError: what came is neither an executable nor a zip archive, or is too large.
        """
        if model_type not in MODEL_TYPES:
            raise InvalidParamError(f"model type {model_type!r}", hint=f"one of {', '.join(MODEL_TYPES)}")
        if impulse is None:
            impulse = self.name_and_impulse()[1]
        chosen = self._target(target)
        wanted = Wanted(chosen.format, _engine(chosen, engine), model_type, impulse)
        version = None if force_build else self._version(wanted)
        was_built = version is None
        if version is None:
            job = self._build(wanted)
            with self._cancelling(job, cancel_on_interrupt):
                self._wait(job, build_timeout)
            version = self._version(wanted)
            if version is None:
                raise InvalidMsgError(f"{self._line.address}: job {job} succeeded, but there is no deployment")
        path = self._cache.find(wanted, version)
        was_downloaded = path is None or was_built
        if path is None or was_built:
            path = self._download(wanted, version, progress)
        return Deployment(path, version, wanted.format, wanted.engine, model_type, was_built, was_downloaded)

    def log(self, job: int) -> list[str]:
        """The lines that a job has written."""
        entries = self._get(f"/jobs/{job}/stdout").get("stdout")
        if isinstance(entries, str):
            return entries.splitlines()
        if not isinstance(entries, list):
            return []
        if all(isinstance(entry, dict) and isinstance(entry.get("created"), str) for entry in entries):
            entries = sorted(entries, key=lambda entry: str(entry["created"]))
        texts = [entry.get("data", "") if isinstance(entry, dict) else entry for entry in entries]
        return [line for text in texts for line in self._line.key.hidden_in(str(text)).splitlines()]

    def cancel(self, job: int) -> None:
        """Asks Studio to end a job."""
        self._success(self._line.request("POST", f"/{self.project}/jobs/{job}/cancel"))

    def _target(self, wanted: str) -> Target:
        check_word(wanted, "target")
        targets = self.targets()
        found = next((target for target in targets if target.format == wanted), None)
        if found is None:
            known = ", ".join(self._line.shown(target.format) for target in targets) or "none"
            raise InvalidParamError(f"project {self.project} has no target {wanted!r}", hint=f"it has {known}")
        return found

    def _version(self, wanted: Wanted) -> int | None:
        """The version of the deployment that is there; None when there is none."""
        answer = self._get("/deployment", wanted.query())
        version = answer.get("version")
        if answer.get("hasDeployment") is not True:
            return None
        if isinstance(version, bool) or not isinstance(version, int) or version < 0:
            raise InvalidMsgError(
                f"{self._line.address}: the deployment's version is {self._line.shown(repr(version))}"
            )
        return version

    def _build(self, wanted: Wanted) -> int:
        query = {"type": wanted.format}
        if wanted.impulse is not None:
            query["impulseId"] = str(wanted.impulse)
        # Not tried again when the line fails: it might start a second job.
        reply = self._line.request(
            "POST",
            f"/{self.project}/jobs/build-ondevice-model",
            query=query,
            headers={"content-type": "application/json"},
            body=json.dumps({"engine": wanted.engine, "modelType": wanted.model_type}).encode(),
        )
        job = self._success(reply).get("id")
        if isinstance(job, bool) or not isinstance(job, int):
            raise InvalidMsgError(f"{self._line.address}: the job has no number")
        _logger.info("job %d builds %s with %s, %s", job, wanted.format, wanted.engine, wanted.model_type)
        return job

    def _wait(self, job: int, seconds: float) -> None:
        deadline = Deadline(seconds)
        while True:
            status = self._get(f"/jobs/{job}/status", even_5xx=True).get("job")
            if not isinstance(status, dict):
                raise InvalidMsgError(f"{self._line.address}: the answer says nothing about job {job}")
            if status.get("finishedSuccessful") is True:
                return
            if status.get("finishedSuccessful") is False or status.get("finished"):
                raise self._failed(job)
            if deadline.expired:
                raise LinkTimeoutError(
                    f"job {job} has not ended in {seconds:g} s",
                    hint="it goes on at the server: the same command later finds what it built",
                    retryable=True,
                )
            time.sleep(min(self._poll, deadline.remaining() or 0.0))

    def _failed(self, job: int) -> HwIOError:
        try:
            tail = self.log(job)[-_LOG_TAIL:]
        except AiRunnerError as error:
            tail = [f"(the log cannot be had: {error.message})"]
        for line in tail:
            _logger.warning("job %d: %s", job, line)
        return HwIOError(
            f"project {self.project}: job {job} failed" + (f": {self._line.shown(tail[-1])}" if tail else ""),
            hint="its log is in Studio too",
            evidence={"log": "\n".join(tail)},
        )

    @contextmanager
    def _cancelling(self, job: int, wanted: bool) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            if wanted:
                self.cancel(job)
                _logger.warning("job %d is cancelled", job)
            else:
                _logger.warning("job %d goes on at the server: the same command later finds what it built", job)
            raise

    def _download(self, wanted: Wanted, version: int, progress: Callable[[int, int], None] | None) -> Path:
        path = f"/{self.project}/deployment/download"

        def download() -> Path:
            answer = self._line.open("GET", path, query=wanted.query())
            try:
                if answer.status != 200:
                    reply = answer.whole(Deadline(self._line.timeout))
                    raise refusal(self._line, reply.status, reply.text(), reply.headers)
                if "json" in answer.headers.get("content-type", ""):
                    self._success(answer.whole(Deadline(self._line.timeout)))
                    raise InvalidMsgError(f"{self._line.address}: the download is JSON, not a deployment")
                total = answer.headers.get("content-length", "")
                size = int(total) if total.isascii() and total.isdigit() and len(total) < 19 else None
                return self._cache.keep(wanted, version, answer.pieces(Deadline(DOWNLOAD_SECONDS)), size, progress)
            finally:
                answer.close()

        return self._again(download)

    def _get(self, path: str, query: Mapping[str, str] | None = None, *, even_5xx: bool = False) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            return self._success(self._line.request("GET", f"/{self.project}{path}", query=query), even_5xx)

        return self._again(get)

    def _again(self, ask: Callable[[], Answer]) -> Answer:
        """Reading may be repeated: nothing happens twice."""
        for attempt in range(_RETRIES):
            try:
                return ask()
            except AiRunnerError as error:
                if not error.retryable:
                    raise
                _logger.info("attempt %d failed: %s", attempt + 1, error.message)
                time.sleep(min(self._poll, 0.5 * 2**attempt))
        return ask()

    def _success(self, reply: Reply, retryable_5xx: bool = False) -> dict[str, Any]:
        """The answer, once it says that it is one."""
        if reply.status != 200:
            error = refusal(self._line, reply.status, reply.text(), reply.headers)
            error.retryable = retryable_5xx and reply.status >= 500
            raise error
        try:
            answer = reply.json()
        except ValueError:
            raise InvalidMsgError(
                f"{self._line.address}: the answer is no JSON: {self._line.shown(reply.text())!r}",
                hint="is this the address of Studio's API?",
            ) from None
        if not isinstance(answer, dict) or answer.get("success") is not True:
            said = answer.get("error") if isinstance(answer, dict) else None
            raise HwIOError(
                f"{self._line.address}: project {self.project}: {self._line.shown(said or 'failed, without a reason')}",
                hint="Studio refused; check the project's number and what its API key may do",
            )
        return answer


def _target(entry: Mapping[str, Any]) -> Target:
    name, preferred, engines = (entry.get(field) for field in ("name", "preferredEngine", "supportedEngines"))
    return Target(
        str(entry["format"]),
        name if isinstance(name, str) else str(entry["format"]),
        preferred if isinstance(preferred, str) else "",
        tuple(engine for engine in engines if isinstance(engine, str)) if isinstance(engines, list) else (),
    )


def _engine(target: Target, wanted: str | None) -> str:
    engine = wanted or target.preferred_engine or (target.engines[0] if target.engines else "")
    if wanted and target.engines and wanted not in target.engines:
        raise InvalidParamError(
            f"target {target.format!r} does not take the engine {wanted!r}",
            hint=f"it takes {', '.join(target.engines)}",
        )
    if not engine:
        raise InvalidParamError(f"target {target.format!r}: Studio prefers no engine", hint="name one with --engine")
    check_word(engine, "engine")
    return engine
