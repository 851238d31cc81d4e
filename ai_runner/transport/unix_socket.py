"""A Unix socket that another process listens on."""

from __future__ import annotations

import os
import socket
import time

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkTimeoutError, MissingRuntimeError
from ai_runner.transport import Transport
from ai_runner.transport.tcp import TcpTransport

# A longer path is cut silently by programs that copy it into the address.
MAX_SOCKET_PATH = 107
_RETRY_PAUSE = 0.001  # s


def connect_unix(path: str, deadline: Deadline) -> Transport:
    """Connects; a listener whose queue is full is tried again.

    Raises:
        InvalidParamError: the path is longer than the address of a socket.
        LinkTimeoutError: the queue stays full.
        HwIOError: nobody listens there, or it may not be used.
        MissingRuntimeError: this system has no Unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise MissingRuntimeError(f"{path}: Python has no Unix sockets on this system")
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise InvalidParamError(f"{path}: longer than the {MAX_SOCKET_PATH} bytes that the path of a socket can have")
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.setblocking(False)
        while True:
            try:
                stream.connect(path)
                return TcpTransport(stream, path)
            except BlockingIOError:
                if deadline.expired:
                    raise LinkTimeoutError(
                        f"{path}: the listener takes no connection", hint="does it serve somebody else?", retryable=True
                    ) from None
                time.sleep(_RETRY_PAUSE)
    except OSError as error:
        stream.close()
        if isinstance(error, HwIOError):
            raise
        raise HwIOError(
            f"{path} cannot be connected to: {error.strerror or error}",
            hint="start the program that listens there",
            retryable=True,
        ) from error
