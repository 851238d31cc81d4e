"""The child process: serves one driver to the parent until it closes it or goes away."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, BinaryIO, cast

from ai_runner.deadline import Deadline
from ai_runner.driver import AiRunnerCallback, Array, Driver
from ai_runner.errors import AiRunnerError, InvalidMsgError, MissingRuntimeError
from ai_runner.isolation.blocks import attached_block, blobs_in, fill
from ai_runner.isolation.channel import Channel, Header
from ai_runner.isolation.values import Blob, decode, encode, encode_error
from ai_runner.model import Mode

_GRACE_S = 1.0


def main() -> None:
    """Serves on standard input and output, and keeps both from everybody else in this process."""
    import faulthandler

    channel = _take_standard_streams()
    faulthandler.enable(all_threads=False)
    # Ctrl-C reaches the whole group; what becomes of a run is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = _Server(channel)
    threading.Thread(target=server.listen, daemon=True).start()
    server.serve()


def _take_standard_streams() -> Channel:
    incoming = cast(BinaryIO, os.fdopen(os.dup(0), "rb"))
    outgoing = cast(BinaryIO, os.fdopen(os.dup(1), "wb"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)  # what libraries print goes with their complaints
    return Channel(incoming, outgoing)


class _Abandoned(BaseException):
    """The parent's callback has raised: the run is over."""


class _Orphaned(BaseException):
    """The parent has gone."""


class _Server:
    """Holds the driver; one method a request, which returns the header of the reply and appends its blobs."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._inbox: queue.SimpleQueue[tuple[Header, list[Blob]] | None] = queue.SimpleQueue()
        self._driver: Driver | None = None
        self._logs = _Logs()

    def listen(self) -> None:
        """Reads in the background, so that the end of the parent is noticed in the middle of a run."""
        try:
            while True:
                self._inbox.put(self._channel.receive())
        except (EOFError, OSError, InvalidMsgError):
            self._inbox.put(None)
            time.sleep(_GRACE_S)
            os._exit(1)

    def serve(self) -> None:
        """Answers requests until close or until the parent has gone; then the driver is closed."""
        verbs = {"open": self._open, "invoke": self._invoke, "extension": self._extension, "close": self._close}
        try:
            request: Header = {}
            while request.get("do") != "close":
                request, received = self._next()
                blobs: list[Blob] = []
                try:
                    reply = verbs[request["do"]](request, received, blobs)
                except _Abandoned:
                    reply, blobs = {"abandoned": True}, []
                except Exception as error:
                    blobs = []
                    reply = {"error": encode_error(error, blobs)}
                self._channel.send({**reply, "logs": self._logs.taken()}, blobs)
        except (_Orphaned, BrokenPipeError):
            self._close({}, [], [])

    def _next(self) -> tuple[Header, list[Blob]]:
        message = self._inbox.get()
        if message is None:
            raise _Orphaned
        return message

    def _open(self, request: Header, received: Sequence[Blob], blobs: list[Blob]) -> Header:
        self._logs.listen(int(request["log_level"]))
        cls = _import(request["class"])
        self._driver = driver = cls(decode(request["descriptor"], received), **decode(request["keywords"], received))
        driver.open(Deadline(request["seconds"]))
        infos = {name: driver.info(name) for name in driver.names()}
        return {"result": encode([infos, driver.describe()], blobs)}

    def _invoke(self, request: Header, received: Sequence[Blob], blobs: list[Blob]) -> Header:
        block_name, sizes = request["shared"]
        with attached_block(block_name) as block, blobs_in(block, sizes) as shared:
            inputs = decode(request["inputs"], shared)
        callback = _Relay(self._ask, request["events"]) if request["events"] else None
        result = self._opened().invoke(request["name"], inputs, Mode(request["mode"]), callback)
        tensors: list[Blob] = []
        # The parent has the description already.
        parts = {field.name: getattr(result, field.name) for field in fields(result) if field.name != "info"}
        encoded = encode(parts, tensors)
        self._channel.send({"result": encoded, "shared_sizes": [len(t) for t in tensors], "logs": self._logs.taken()})
        block_name = self._next()[0]["shared"]
        if block_name is not None:
            with attached_block(block_name) as block:
                fill(block, tensors)
        return {"filled": block_name is not None}

    def _extension(self, request: Header, received: Sequence[Blob], blobs: list[Blob]) -> Header:
        answer = self._opened().extension(request["name"], **decode(request["command"], received))
        return {"result": encode(answer, blobs)}

    def _close(self, request: Header, received: Sequence[Blob], blobs: list[Blob]) -> Header:
        if self._driver is not None:
            self._driver.close()
        return {"result": None}

    def _opened(self) -> Driver:
        if self._driver is None:
            raise AiRunnerError("a request before open")
        return self._driver

    def _ask(self, event: str, arguments: list[Any]) -> bool:
        """Tells the parent's callback and waits for its answer."""
        blobs: list[Blob] = []
        self._channel.send({"event": event, "arguments": encode(arguments, blobs)}, blobs)
        answer, _ = self._next()
        if answer.get("abandon"):
            raise _Abandoned
        return bool(answer.get("answer", True))


def _import(location: str) -> type[Driver]:
    module, _, name = location.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise MissingRuntimeError(
            f"the child process cannot import {location}: {error}",
            hint="the driver's module has to be importable, not only loaded",
            evidence={"sys.path": list(sys.path)},
        ) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise MissingRuntimeError(f"{location} is no driver")
    return found


class _Relay(AiRunnerCallback):
    """Passes on the events that the parent's callback listens to.

    Only those are overridden, so that a driver which looks whether anybody listens is not misled.
    """

    def __init__(self, ask: Any, events: Sequence[str]) -> None:
        for event in events:
            if event not in ("on_sample_begin", "on_sample_end", "on_node_begin", "on_node_end"):
                raise InvalidMsgError(f"an unknown event {event!r}")
            setattr(self, event, _relayed(ask, event))


def _relayed(ask: Any, event: str) -> Any:
    def tell(idx: int, data: Sequence[Array] | None = None, logs: Mapping[str, Any] | None = None) -> bool:
        arguments = [idx] if event == "on_sample_begin" else [idx, [*(data or ())], logs]
        return bool(ask(event, arguments))

    return tell


class _Logs(logging.Handler):
    """Collects what is logged, for the parent's loggers."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[tuple[str, int, str]] = []

    def listen(self, level: int) -> None:
        root = logging.getLogger()
        if self not in root.handlers:
            root.addHandler(self)
        root.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append((record.name, record.levelno, record.getMessage()))

    def taken(self) -> list[tuple[str, int, str]]:
        records, self._records = self._records, []
        return records
