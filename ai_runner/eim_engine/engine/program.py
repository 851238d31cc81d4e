"""An engine as a process: its modes, its socket and streams, its signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from ai_runner.eim_engine.engine.framing import MessageSplitter, MessageTooLong
from ai_runner.eim_engine.engine.impulse import Impulse
from ai_runner.eim_engine.engine.session import Session

if TYPE_CHECKING:
    from ai_runner.eim_engine.engine.classifier import Classifier

BANNER = "Edge Impulse Linux impulse runner - "
_CHUNK = 1 << 16
_WAITING_CLIENTS = 10
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def main(arguments: Sequence[str], read: Callable[[str], bytes]) -> int:
    """Runs until the client is done; returns the exit code.

    Args:
        arguments: without the program's name: ``--print-info``, ``stdin`` or the path of a socket.
        read: gives ``impulse.json`` and ``model.tflite``.
    """
    if not arguments:
        say("An argument is missing: --print-info, stdin, or the path of the socket to listen on\n")
        return 1
    impulse = Impulse.from_json(read("impulse.json"))
    sys.path += [folder for folder in impulse.python_path if folder not in sys.path]
    session = Session(impulse, lambda: _classifier(impulse, read("model.tflite")), say)
    _end_on_signals(session)
    try:
        if arguments[0] == "--print-info":
            say(f"{BANNER}printing model metadata\n")
            return _print_info(session)
        if arguments[0] == "stdin":
            say(f"{BANNER}listening for JSON messages on stdin\n")
            return _serve_streams(session)
        say(f"{BANNER}listening for JSON messages on socket '{arguments[0]}'\n")
        return _serve_socket(session, arguments[0])
    except MessageTooLong as error:
        say(f"{error}\n")
        return 1
    except _Unable as error:
        _write(_STDERR, f"ERR: {error}\n".encode())
        return 1
    finally:
        session.close()


def say(text: str) -> None:
    """Prints at once; a reader that is gone is no reason to end."""
    with suppress(OSError):
        _write(_STDOUT, text.encode("utf-8", "backslashreplace"))


class _Unable(RuntimeError):
    """The engine cannot do its work; the text says why."""


def _classifier(impulse: Impulse, model: bytes) -> Classifier:
    try:
        from ai_runner.eim_engine.engine.classifier import Classifier
        from ai_runner.eim_engine.engine.network import NoRuntime
    except ImportError as error:
        raise _Unable(f"{sys.executable} has no numpy: {error}") from error
    try:
        return Classifier(impulse, model)
    except NoRuntime as error:
        raise _Unable(f"no runtime of {sys.executable} loads the model: {error}") from error


def _end_on_signals(session: Session) -> None:
    def end(number: int, _frame: object) -> None:
        session.close()
        os._exit(128 + number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


def _print_info(session: Session) -> int:
    reply = json.loads(session.handle(b'{"hello":1,"id":1}'))
    say(json.dumps(reply, indent=4, sort_keys=True, ensure_ascii=False) + "\n")
    return 0


def _serve_streams(session: Session) -> int:
    conversation = _Conversation(session, lambda reply: _write(_STDOUT, reply))
    while data := os.read(_STDIN, _CHUNK):
        # A NUL byte ends the engine as the end of the stream does.
        data, end, _ = data.partition(b"\0")
        conversation.receive(data)
        if end:
            break
    return 0


def _serve_socket(session: Session, path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            _unlink(path)
            listener.bind(path)
        except (OSError, ValueError):
            say("ERR: Failed to bind UNIX socket\n")
            return 1
        listener.listen(_WAITING_CLIENTS)
        say(f"Waiting for connection on {path}...\n")
        connection, _ = listener.accept()
        say("Connected\n")
        with connection:  # the only one: whoever else connects waits in vain
            conversation = _Conversation(session, lambda reply: connection.sendall(reply + b"\0"))
            try:
                while data := connection.recv(_CHUNK):
                    conversation.receive(data)
            except ConnectionError:
                pass  # a client that is gone is done
    return 0


class _Conversation:
    """What a client sends, answered message by message."""

    def __init__(self, session: Session, send: Callable[[bytes], None]) -> None:
        self._session = session
        self._send = send
        self._splitter = MessageSplitter()
        self._began = 0.0

    def receive(self, data: bytes) -> None:
        if not self._splitter.pending:
            self._began = perf_counter()
        for raw in self._splitter.feed(data):
            self._send(self._session.handle(raw, (perf_counter() - self._began) * 1e3))
            self._session.prepare()
            self._began = perf_counter()


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - importing pathlib takes longer than all else that is done here


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
