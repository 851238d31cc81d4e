"""Edge Impulse's service over HTTP: where it is, who asks, and what can go wrong on the way.

The key travels in one header, to one host, over TLS; redirects are not followed. What failed is one error of
`ai_runner.errors`, and httpx's own exceptions, which hold the request with its headers, do not come along with it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ai_runner.deadline import Deadline
from ai_runner.edge_impulse.secret import Secret
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidMsgError,
    InvalidParamError,
    LinkLostError,
    LinkTimeoutError,
    MissingRuntimeError,
)

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 30.0
STALL_SECONDS = 60.0  # without progress while something is sent
MAX_REPLY_BYTES = 8 << 20
_SHOWN = 300  # characters of a server's text in a message
_DEFAULT_HOST = "edgeimpulse.com"


def ingestion_address(environment: Mapping[str, str] | None = None) -> str:
    """Base address for uploads; the variable EI_HOST names another installation, as for the official clients."""
    host = _host(environment)
    if host == "localhost":
        return "http://localhost:4810"
    return f"{'http' if host.endswith('test.edgeimpulse.com') else 'https'}://ingestion.{host}"


def studio_address(environment: Mapping[str, str] | None = None) -> str:
    """Base address of Studio's API; EI_HOST as above, but the port of Studio on localhost is not known.

    Raises:
        InvalidParamError: EI_HOST is localhost.
    """
    host = _host(environment)
    if host == "localhost":
        raise InvalidParamError("EI_HOST is localhost: at which port is Studio?", hint="give its address: --address")
    return f"https://studio.{host}/v1/api"


def _host(environment: Mapping[str, str] | None) -> str:
    return (os.environ if environment is None else environment).get("EI_HOST", "").strip() or _DEFAULT_HOST


def checked_address(address: str) -> str:
    """`address` without a trailing slash, once it is one that a key may be sent to.

    Raises:
        InvalidParamError: no http(s) address, one with a user, query or fragment, or plain http to another machine.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or not address.isascii() or not address.isprintable():
        raise InvalidParamError(f"{address!r} is no address of a server", hint="for instance https://host:port/path")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment or " " in address:
        raise InvalidParamError(
            f"the address of {host} holds more than host, port and path", hint="leave out user, query and fragment"
        )
    if parts.scheme == "http" and not _is_this_machine(host):
        raise InvalidParamError(
            f"{address}: the API key is not sent over plain http", hint="use https://; http is for localhost only"
        )
    return address.rstrip("/")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Reply:
    """What the server answered: `status`, `headers` (lower-case names) and the whole body, bounded."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ValueError("is no JSON") from None

    def text(self) -> str:
        """The body, or what its JSON says under ``error``."""
        with suppress(ValueError):
            said = self.json()
            if isinstance(said, dict) and isinstance(said.get("error"), str):
                return str(said["error"])
        return self.body.decode("utf-8", "replace")


class Answer:
    """An answer whose body is still to be read; to be closed, with the Line it came over."""

    def __init__(self, line: Line, response: httpx.Response) -> None:
        self._line = line
        self._response = response
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def pieces(self, deadline: Deadline) -> Iterator[bytes]:
        """The body as it comes; raises like `Line.open`, and LinkTimeoutError once `deadline` has passed."""
        httpx = import_httpx()
        fault: AiRunnerError | None = None
        try:
            for piece in self._response.iter_raw():
                if deadline.expired:
                    break
                yield piece
            else:
                return
        except (httpx.HTTPError, httpx.StreamError) as error:
            fault = self._line.fault(error)
        raise fault or LinkTimeoutError(f"{self._line.address}: the answer did not end in time", retryable=True)

    def whole(self, deadline: Deadline) -> Reply:
        """Status, headers and body, at most MAX_REPLY_BYTES of it (else InvalidMsgError)."""
        body = bytearray()
        for piece in self.pieces(deadline):
            body += piece
            if len(body) > MAX_REPLY_BYTES:
                raise InvalidMsgError(f"{self._line.address}: the answer is longer than {MAX_REPLY_BYTES >> 20} MiB")
        return Reply(self.status, self.headers, bytes(body))

    def close(self) -> None:
        """Ends the exchange; a connection with something unread on it is not used again."""
        self._response.close()


class Line:
    """One connection to one server, for one thread; `interrupt()` may be called by another one.

    Args:
        address: base address, checked by `checked_address`.
        key: sent as ``x-api-key``.
        timeout: s that the server may think.

    Raises:
        InvalidParamError: of the address.
        MissingRuntimeError: httpx is not installed.
    """

    def __init__(self, address: str, key: Secret, timeout: float) -> None:
        httpx = import_httpx()
        self.address = checked_address(address)
        self.key = key
        self.timeout = timeout
        self._interrupted = threading.Event()
        self._stream: Any = None
        self._watch: threading.Timer | None = None
        self._is_late = False
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        # A proxy of the environment would read plain http.
        trust = self.address.startswith("https")
        self._client = httpx.Client(follow_redirects=False, limits=limits, trust_env=trust)

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> Answer:
        """Sends a request; its answer as soon as it begins.

        Raises:
            LinkTimeoutError: no connection, no progress or no answer in time.
            LinkLostError: not reached, or gone in the middle.
            InvalidMsgError: what came is no HTTP.
        """
        httpx = import_httpx()
        self._is_late = False
        try:
            request = self._client.build_request(
                method,
                self.address + path,
                params=query,
                headers={**(headers or {}), "accept-encoding": "identity"},
                content=body,
                timeout=httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS, read=self.timeout),
                extensions={"trace": self._trace},
            )
            request.headers["x-api-key"] = self.key.reveal()
            return Answer(self, self._client.send(request, stream=True))
        except (httpx.HTTPError, httpx.StreamError) as error:
            fault = self.fault(error)
        # Outside of the handler: httpx's exception holds the request with the key, and is not to be attached.
        raise fault

    def request(self, method: str, path: str, **more: Any) -> Reply:
        """`open`, and the whole answer in the time that the server has to think."""
        with closing(self.open(method, path, **more)) as answer:
            return answer.whole(Deadline(self.timeout))

    def shown(self, text: object) -> str:
        """A text of the server for a message: one line, bounded, without the key."""
        line = " ".join(self.key.hidden_in(str(text)).split())
        return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."

    def interrupt(self) -> None:
        """Ends an exchange of another thread: its next step fails with LinkLostError."""
        self._interrupted.set()
        self._shut_down()

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def _trace(self, event: str, details: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = details.get("return_value")
            if self._interrupted.is_set():
                self._shut_down()
        elif event == "http11.receive_response_headers.started":
            # The patience of httpx begins anew with every byte.
            self._watch = threading.Timer(self.timeout, self._too_late)
            self._watch.daemon = True
            self._watch.start()
        elif event.startswith("http11.receive_response_headers.") and self._watch is not None:
            self._watch.cancel()
            self._watch.join()
            self._watch = None

    def _too_late(self) -> None:
        self._is_late = True
        self._shut_down()

    def _shut_down(self) -> None:
        stream = self._stream
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            with suppress(OSError):
                # Not the method of an SSL socket, which takes its state away under the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def fault(self, error: Exception) -> AiRunnerError:
        """The error of this library for one of httpx's."""
        httpx = import_httpx()
        reason = self.shown(error) or type(error).__name__
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            return LinkTimeoutError(f"{self.address}: cannot be reached in {CONNECT_SECONDS:g} s", retryable=True)
        if isinstance(error, httpx.WriteTimeout):
            return LinkTimeoutError(f"{self.address}: took nothing for {STALL_SECONDS:g} s", retryable=True)
        if self._is_late or isinstance(error, httpx.TimeoutException):
            return LinkTimeoutError(f"{self.address}: no answer in {self.timeout:g} s", retryable=True)
        if isinstance(error, httpx.ConnectError):
            return LinkLostError(
                f"{self.address}: cannot be reached: {reason}",
                hint="check the address and the network",
                retryable="CERTIFICATE" not in reason,
            )
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in reason and "closed" not in reason:
            return InvalidMsgError(f"{self.address}: no valid HTTP: {reason}")
        if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
            return LinkLostError(f"{self.address}: the connection was lost: {reason}", retryable=True)
        return HwIOError(f"{self.address}: {reason}")


def refusal(line: Line, status: int, text: str, headers: Mapping[str, str]) -> AiRunnerError:
    """The error for an answer that is not 200: whose fault it is by its status."""
    where, said = line.address, line.shown(text)
    evidence = {"status": status, "answer": said}
    tail = f": {said}" if said else ""
    if status in (401, 403):
        return InvalidParamError(
            f"{where}: the API key was refused ({status}){tail}",
            hint="check that the key belongs to this project and may do this",
            evidence=evidence,
        )
    if 300 <= status < 400:
        target = urlsplit(headers.get("location", "")).hostname or "the same host"
        return HwIOError(
            f"{where}: redirects to {line.shown(target)} ({status}); the API key is not sent on",
            hint="if that is right, give its address with --address",
            evidence=evidence,
        )
    if status == 429:
        return HwIOError(f"{where}: too many requests ({status}){tail}", hint="try again later", evidence=evidence)
    if status >= 500:
        return HwIOError(f"{where}: the server failed ({status}){tail}", evidence=evidence)
    return InvalidParamError(f"{where}: the request was refused ({status}){tail}", evidence=evidence)


def import_httpx() -> Any:
    """httpx; raises MissingRuntimeError that names the extra."""
    try:
        import httpx
    except ImportError as error:
        raise MissingRuntimeError(
            "talking to Edge Impulse needs the package httpx", hint="pip install 'ai-runner[ingestion]'"
        ) from error
    return httpx
