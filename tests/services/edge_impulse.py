"""Edge Impulse's ingestion service and Studio, as far as their protocol is known, on a port of this machine.

``service.faults`` is a list of things to do instead of, or with, the next requests in turn; None is none. What arrived
is in ``service.requests`` (method, path, headers) and ``service.stored``; what a project has in ``service.project``.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "ei_0123456789abcdef0123456789abcdef"
REFUSED = b"REFUSE ME"


@dataclass
class Stored:
    """A sample, as the service took it."""

    name: str
    category: str
    content: bytes
    content_type: str
    label: str | None
    metadata: dict[str, str]


@dataclass
class Project:
    """What Studio knows."""

    targets: list[Any] = field(
        default_factory=lambda: [
            {
                "format": "runner-linux-x86_64",
                "name": "Linux (x86)",
                "preferredEngine": "tflite",
                "supportedEngines": ["tflite", "tflite-eon"],
            },
            {"format": "zip", "name": "C++ library", "preferredEngine": "tflite-eon", "supportedEngines": []},
        ]
    )
    deployments: dict[tuple[str, ...], tuple[int, bytes]] = field(default_factory=dict)
    built: bytes = b"\x7fELF an engine"
    polls_until_built: int = 2
    build_succeeds: bool = True
    log: Any = field(
        default_factory=lambda: [
            {"created": "2", "data": "ld: error: no memory"},
            {"created": "1", "data": "compiling"},
        ]
    )
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)


class Service:
    """Listens until `close`; usable from several tests' threads."""

    def __init__(self) -> None:
        self.faults: list[Any] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.stored: list[Stored] = []
        self.extras: list[Stored] = []
        self.bodies: list[bytes] = []
        self.keep_bodies = True
        self.received = 0
        self.project = Project()
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.broken: list[BaseException] = []  # requests that were no requests, as the test's end finds out
        self.waiting = threading.Event()  # set when a request was taken that is never answered
        self.KEY = KEY
        service = self

        class Handler(_Handler):
            pass

        Handler.service = service
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.broken = self.broken
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.studio_address = f"{self.address}/v1/api"

    def close(self) -> None:
        """Ends every exchange and thread."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def names(self) -> list[str]:
        """Of the stored samples, sorted."""
        return sorted(sample.name for sample in self.stored)

    def next_fault(self) -> Any:
        with self.lock:
            return self.faults.pop(0) if self.faults else None


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    broken: list[BaseException]

    def handle_error(self, *_: Any) -> None:
        error = sys.exc_info()[1]
        # The other end may go away, and this one does on purpose.
        if error is not None and not isinstance(error, OSError) and "closed file" not in str(error):
            self.broken.append(error)


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        service = self.service
        headers = {name.lower(): value for name, value in self.headers.items()}
        with service.lock:
            service.requests.append((self.command, self.path, headers))
        fault = service.next_fault()
        length = int(headers.get("content-length", "0"))
        if fault == "drop at start":
            return self._drop()
        if fault == "answer early":
            self.close_connection = True
            return self._answer(413, {"success": False, "error": "too large"})
        if fault == "drop mid request":
            self.rfile.read(max(1, length // 2))
            return self._drop()
        body = self._body(length)
        if not service.keep_bodies:
            return self._answer(200, {"success": True, "files": [{"success": True}]})
        if len(body) < length:
            return self._drop()
        if isinstance(fault, tuple) and fault[0] == "status":
            _, status, content, more = fault
            return self._raw(status, content, more)
        if fault == "drop before answer":
            return self._drop()
        status, answer = self._route(headers, body)
        if fault == "store and drop":
            return self._drop()
        if fault == "silent":
            service.waiting.set()
            service.closing.wait()
            return self._drop()
        if fault == "drop mid answer":
            content = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self._head(status, len(content), {})
            self.wfile.write(content[: len(content) // 2])
            return self._drop()
        if fault == "trickle":
            content = json.dumps(answer).encode()
            self._head(status, len(content), {})
            for k in range(len(content)):
                self.wfile.write(content[k : k + 1])
                self.wfile.flush()
            return None
        if fault == "huge":
            self._head(200, 1 << 40, {})
            try:
                while not service.closing.is_set():
                    self.wfile.write(b" " * 65536)
            except OSError:
                self.close_connection = True
            return None
        if fault == "endless head":
            self.close_connection = True
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx-long: ")
                while not service.closing.wait(0.01):
                    self.wfile.write(b"y")
            except OSError:
                return None
        if fault == "no http":
            self.wfile.write(b"220 welcome to the mail server\r\n\r\n")
            self.close_connection = True
            return None
        return self._answer(status, answer)

    def _body(self, length: int) -> bytes:
        if self.service.keep_bodies:
            body = self.rfile.read(length)
            with self.service.lock:
                self.service.bodies.append(body)
            return body
        while length > 0 and (block := self.rfile.read(min(length, 65536))):
            length -= len(block)
            with self.service.lock:
                self.service.received += len(block)
        return b""

    def _route(self, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if headers.get("x-api-key") != KEY:
            return 401, {"success": False, "error": f"Invalid API key {headers.get('x-api-key')}"}
        parts = urlsplit(self.path)
        if found := re.fullmatch(r"/api/(training|testing|anomaly)/files", parts.path):
            with self.service.lock:
                return self._ingest(found.group(1), headers, body)
        if found := re.fullmatch(r"/v1/api/(\d+)(/.*)?", parts.path):
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            with self.service.lock:
                return self._studio(int(found.group(1)), found.group(2) or "", query, body)
        return 404, {"success": False, "error": "not found"}

    def _ingest(self, category: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        label = unquote(headers["x-label"]) if "x-label" in headers else None
        metadata = json.loads(headers.get("x-metadata", "{}"))
        entries = []
        for name, kind, content in _parts(headers["content-type"], body):
            sample = Stored(name, category, content, kind, label, metadata)
            if name.endswith(".labels"):
                self.service.extras.append(sample)
                continue
            digest = hashlib.sha256(content).digest()
            known = {hashlib.sha256(other.content).digest() for other in self.service.stored}
            if REFUSED in content:
                entries.append({"success": False, "fileName": name, "error": "cannot be parsed"})
            elif headers.get("x-disallow-duplicates") == "1" and digest in known:
                entries.append({"success": False, "fileName": name, "error": "An item with this hash already exists"})
            else:
                self.service.stored.append(sample)
                entries.append({"success": True, "fileName": name})
        return 200, {"success": True, "files": entries}

    def _studio(self, project: int, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        state = self.service.project
        if project != 12345:
            return 200, {"success": False, "error": "Project not found"}
        ok: dict[str, Any] = {"success": True}
        if path == "":
            return 200, ok | {"project": {"id": project, "name": "digits"}, "defaultImpulseId": 1}
        if path == "/deployment/targets":
            return 200, ok | {"targets": state.targets}
        key = tuple(query.get(name, "") for name in ("type", "modelType", "engine", "impulseId"))
        if path == "/deployment":
            there = state.deployments.get(key)
            return 200, ok | ({"hasDeployment": True, "version": there[0]} if there else {"hasDeployment": False})
        if path == "/deployment/download":
            return (
                (200, state.deployments[key][1])
                if key in state.deployments
                else (200, {"success": False, "error": "none"})
            )
        if path == "/jobs/build-ondevice-model":
            asked = json.loads(body)
            job = 700 + len(state.jobs)
            wanted = (query["type"], asked["modelType"], asked["engine"], query.get("impulseId", ""))
            state.jobs[job] = {"polls": 0, "key": wanted}
            return 200, ok | {"id": job}
        number = int(path.split("/")[2])
        if path.endswith("/stdout"):
            return 200, ok | {"stdout": state.log}
        if path.endswith("/cancel"):
            state.cancelled.append(number)
            return 200, ok
        job_state = state.jobs[number]
        job_state["polls"] += 1
        if job_state["polls"] <= state.polls_until_built:
            return 200, ok | {"job": {"id": number, "category": "deploy"}}
        if state.build_succeeds:
            version = 1 + max((version for version, _ in state.deployments.values()), default=0)
            state.deployments[job_state["key"]] = (version, state.built)
        return 200, ok | {"job": {"finished": "2026-01-01", "finishedSuccessful": state.build_succeeds}}

    def _answer(self, status: int, answer: Any) -> None:
        if isinstance(answer, bytes):
            return self._raw(status, answer, {"Content-Type": "application/octet-stream"})
        return self._raw(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _raw(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(content), headers)
        self.wfile.write(content)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _drop(self) -> None:
        """Resets the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()


def _parts(content_type: str, body: bytes) -> list[tuple[str, str, bytes]]:
    """(file name, content type, content) of a form's parts, all of which must be called ``data``."""
    boundary = content_type.partition("boundary=")[2].encode()
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        match = re.fullmatch(
            r'Content-Disposition: form-data; name="data"; filename="([^"\r\n]*)"\r\nContent-Type: ([^\r\n]*)',
            head.decode(),
        )
        assert match, head
        found.append((match.group(1), match.group(2), content))
    return found
